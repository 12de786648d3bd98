"""`hizumi.load` and `hizumi.save` take whatever kind of bundle there is."""

from inspect import unwrap
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import hizumi
from hizumi.errors import BundleError, SaveError, UsageError
from hizumi.generation import Modeller
from hizumi.runtime import ExportedInspector

STORED = Path(__file__).parent / "bundles" / "format-1"


def test_each_kind_comes_back_as_what_it_was(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    inspector = hizumi.Inspector("mahalanobis", false_alarm_rate=0.1).fit(rows)
    loaded = hizumi.load(hizumi.save(inspector, tmp_path / "detector.hizumi"))
    assert isinstance(loaded, hizumi.Inspector)
    np.testing.assert_array_equal(loaded.score_samples(rows), inspector.score_samples(rows))
    model = hizumi.load(STORED / "gan_rows_model.hizumi")
    assert isinstance(model, Modeller)
    again = hizumi.load(hizumi.save(model, tmp_path / "model.hizumi"))
    assert isinstance(again, Modeller)
    np.testing.assert_array_equal(again.sample(3), model.sample(3))


@pytest.mark.parametrize("estimator", [hizumi.Inspector(), Modeller()])
def test_what_is_not_fitted_is_not_saved(estimator: hizumi.Inspector | Modeller, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        hizumi.save(estimator, tmp_path / "x.hizumi")
    assert not list(tmp_path.iterdir())


def test_wrong_arguments_are_named_in_one_line(tmp_path: Path) -> None:
    save, load = map(unwrap, (hizumi.save, hizumi.load))  # without the types that these tests check
    inspector = hizumi.Inspector("mahalanobis", false_alarm_rate=0.1).fit(np.random.default_rng(0).normal(size=(60, 3)))
    path = str(tmp_path / "x.hizumi")
    for wrong, said in (
        (lambda: save(path, inspector), "a value of type str cannot be saved; give a fitted Inspector or Modeller"),
        (lambda: save([inspector], path), "a value of type list cannot be saved"),
        (lambda: save(inspector.detector_, path), "a value of type Mahalanobis cannot be saved"),
        (lambda: save(hizumi.Inspector, path), "the class Inspector cannot be saved"),
        (lambda: save(inspector, None), "a value of type NoneType is no path; give text"),
        (lambda: load(inspector), "a value of type Inspector is no path; give text"),
    ):
        with pytest.raises(UsageError, match=said) as refused:
            wrong()
        assert "\n" not in str(refused.value)
    with pytest.raises(SaveError, match="that is a folder; name a file in it"):
        save(inspector, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"is a folder, not a bundle; give the \.hizumi file"):
        hizumi.load(tmp_path)


def test_an_exported_one_too() -> None:
    pytest.importorskip("onnxruntime", reason="exported bundles run in ONNX Runtime")
    assert isinstance(hizumi.load(STORED / "mahalanobis.onnx.hizumi"), ExportedInspector)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.hizumi").write_bytes(b"no zip file")
    with pytest.raises(BundleError):
        hizumi.load(tmp_path / "x.hizumi")


def test_a_changed_one_is_refused_in_one_sentence(tmp_path: Path) -> None:
    content = bytearray((STORED / "mahalanobis.onnx.hizumi").read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "x.hizumi"
    path.write_bytes(content)
    with pytest.raises(BundleError) as refused:
        hizumi.load(path)
    assert str(refused.value) == f"{path}: is not a hizumi bundle, or was changed; use an unchanged copy"
