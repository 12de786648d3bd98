"""Exported graphs see parts aligned as the detector in torch does."""

from pathlib import Path

import numpy as np
import pytest

from hizumi import Inspector
from hizumi.data.pose import Pose
from hizumi.export import export
from hizumi.runtime import load
from tests.data.test_alignment import part

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    "how", [{"image_size": (30, 40)}, {"image_size": 45, "sizing": "tile"}], ids=["scaled", "tiles"]
)
def test_turned_parts_get_the_same_scores_and_maps(tmp_path: Path, how: dict) -> None:
    random = np.random.default_rng(5)
    poses = [Pose(random.uniform(-40, 40), *random.uniform(-0.05, 0.05, 2)) for _ in range(14)]
    images = np.stack([part(pose, seed=number) for number, pose in enumerate(poses)])
    inspector = Inspector("pca", align=True, calibration_share=0.4, **how).fit(images[:12])
    export(inspector, tmp_path / "a.onnx.hizumi", images[:12])
    ours, theirs = (each.inspect(images[12:]) for each in (inspector, load(tmp_path / "a.onnx.hizumi")))
    for one, other in zip(ours, theirs, strict=True):
        assert one.anomalous == other.anomalous
        np.testing.assert_allclose(one.score, other.score, rtol=1e-4)
        np.testing.assert_allclose(one.map, other.map, atol=1e-4 * one.map.max())
