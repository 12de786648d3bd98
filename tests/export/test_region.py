"""Exported graphs look at the region of interest that the detector was fitted with."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from hizumi import Inspector
from hizumi.export import export
from hizumi.runtime import load
from tests.inspection.test_region import CASES, GREY, ROUND, assert_equal, changed_outside, parts


@pytest.mark.parametrize(
    ("case", "engine"),
    [
        ("in tiles", "onnxruntime"),
        pytest.param("in tiles", "openvino", marks=pytest.mark.slow),
        pytest.param("scaled", "onnxruntime", marks=pytest.mark.slow),
        pytest.param("scaled", "openvino", marks=pytest.mark.slow),
    ],
)
def test_exported_graphs_look_at_the_same_region(
    tmp_path: Path, engine: Literal["onnxruntime", "openvino"], case: str
) -> None:
    pytest.importorskip(engine)
    pytest.importorskip("onnxscript")
    detector = GREY if case == "scaled" else "pca"
    fitted = Inspector(detector, calibration_share=0.3, **CASES[case]).fit(parts())
    export(fitted, tmp_path / "a.hizumi", parts(), engine=engine)
    exported = load(tmp_path / "a.hizumi")
    images = parts(4, seed=5)
    images[0, 14:20, 20:26] = 250
    here, there, beside = (
        list(judge.inspect(pictures))
        for judge, pictures in ((fitted, images), (exported, images), (exported, changed_outside(images, ROUND)))
    )
    for torchs, graphs, changed in zip(here, there, beside, strict=True):
        assert_equal(graphs, changed)
        assert graphs.score == pytest.approx(torchs.score, rel=1e-4)
        assert graphs.anomalous == torchs.anomalous
        np.testing.assert_allclose(graphs.map, torchs.map, atol=1e-4 * np.abs(torchs.map).max())
