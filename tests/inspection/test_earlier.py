"""Bundles that earlier versions wrote give the scores that they gave then, or are refused in one line."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi import generation, inspection
from hizumi.errors import BundleError
from hizumi.generation import Modeller
from hizumi.inspection import Inspector
from hizumi.storage.archive import HEADERS, kind_of, pack

BUNDLES = Path(__file__).parents[1] / "bundles" / "format-1"
EXPECTED: dict[str, dict[str, Any]] = json.loads((BUNDLES / "expected.json").read_text())
DETECTORS = [name for name, case in EXPECTED.items() if "scores" in case and not name.endswith(".onnx")]
MODELS = [name for name, case in EXPECTED.items() if "made" in case]


def images() -> np.ndarray:
    """The four images that were scored."""
    generator = np.random.default_rng(1)
    y, x = np.mgrid[:16, :16]
    waves = [128 + 60 * np.sin((x + y) / 3 + generator.random()) + generator.normal(0, 4, (16, 16)) for _ in range(4)]
    return np.stack(waves).clip(0, 255).astype(np.uint8)


def table() -> np.ndarray:
    """The four rows that were scored."""
    generator = np.random.default_rng(1)
    return generator.normal(size=(4, 2)) @ np.array([[1, 2, 0, 1], [0, 1, -1, 3.0]]) + generator.normal(0, 0.1, (4, 4))


def data_of(name: str) -> Any:
    return {"images": images(), "table": table(), "clips": BUNDLES / "clips"}[EXPECTED[name]["data"]]


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_of_format_1_score_as_they_did(name: str, tmp_path: Path) -> None:
    path, expected = BUNDLES / f"{name}.hizumi", EXPECTED[name]
    loaded = inspection.restore(path)
    assert loaded.header.format == 1
    scores = [verdict.score for verdict in loaded.inspect(data_of(name))]
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-4)
    assert loaded.calibration_.threshold.value == expected["threshold"]
    again = inspection.load(inspection.save(inspection.load(path), tmp_path / "again.hizumi"))
    assert isinstance(again, Inspector)
    assert [verdict.score for verdict in again.inspect(data_of(name))] == scores


def test_an_exported_bundle_of_format_1_scores_as_it_did() -> None:
    pytest.importorskip("onnxruntime", reason="exported bundles run in ONNX Runtime")
    from hizumi import runtime

    expected = EXPECTED["mahalanobis.onnx"]
    loaded = runtime.load(BUNDLES / "mahalanobis.onnx.hizumi")
    scores = [verdict.score for verdict in loaded.inspect(images())]
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-4)
    assert loaded.calibration_.threshold.value == pytest.approx(expected["threshold"], rel=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_models_of_format_1_make_what_they_made(name: str, tmp_path: Path) -> None:
    loaded = generation.load(BUNDLES / f"{name}.hizumi")
    for modeller in (loaded, generation.load(generation.save(loaded, tmp_path / "again.hizumi"))):
        np.testing.assert_allclose(made_by(modeller, name), EXPECTED[name]["made"], rtol=1e-4)


def made_by(modeller: Modeller, name: str) -> list[float]:
    """The sum of each thing that a model makes, as when the bundle was written."""
    makers = {"vae_model": modeller.reconstruct, "pix2pix_model": modeller.translate}
    made = makers[name](data_of(name)) if name in makers else list(modeller.sample(4))
    return [float(np.asarray(item, dtype=float).sum()) for item in made]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 99, "hizumi": "9.9"}, r"was written by hizumi 9\.9; this is .*: install a newer version"),
        ({"detector": {"name": "gone", "arguments": {}}}, "no model or detector is called 'gone'.*install the package"),
        (
            {"detector": {"name": "pca", "arguments": {"gone": 3}}},
            r"no setting 'gone'.*0\.1\.0 wrote it: fit",
        ),
        ({"sizing": {"sides": 3}}, r"bundle\.json is not valid at preprocessing\.sizing\.height: it is missing"),
        ({"preprocessing": {"sizing": None}}, r"was written by hizumi 0\.1\.0 in format 1, which .* cannot read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = rewritten(BUNDLES / "mahalanobis_rows.hizumi", change, tmp_path / "changed.hizumi")
    with pytest.raises(BundleError, match=reason) as refused:
        inspection.restore(path)
    assert "\n" not in str(refused.value)


def rewritten(path: Path, change: dict[str, Any], target: Path) -> Path:
    """A whole bundle with some fields of its header changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = HEADERS[kind_of(path)]
    members[header] = json.dumps(json.loads(members[header]) | change).encode()
    target.write_bytes(pack(members))
    return target
