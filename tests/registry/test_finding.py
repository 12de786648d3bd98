import importlib
import inspect
import pkgutil
from importlib.metadata import EntryPoint

import pytest

import hizumi.detectors
import hizumi.models
from hizumi.detectors.detector import Detector
from hizumi.errors import UsageError
from hizumi.registry import finding as registry
from hizumi.training.trainable import Trainable


def concrete_subclasses(base, package):
    """Every concrete subclass defined in a package's files, found without regard to names."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    waiting, found = [base], set()
    while waiting:
        waiting += (children := waiting.pop().__subclasses__())
        found |= {child for child in children if child.__module__.startswith(f"{package.__name__}.")}
    return {child for child in found if not inspect.isabstract(child)}


def test_no_class_is_missed():
    assert set(registry.find_models().values()) == concrete_subclasses(Trainable, hizumi.models)
    assert set(registry.find_detectors().values()) == concrete_subclasses(Detector, hizumi.detectors)


def test_names_are_those_of_the_files():
    assert {"autoencoder", "vae", "dcgan"} <= registry.find_models().keys()
    assert {
        "ganomaly",
        "gaussian_features",
        "gaussian_mixture",
        "likelihood",
        "mahalanobis",
        "one_class_svm",
        "pca",
        "reconstruction",
    } <= registry.find_detectors().keys()
    assert registry.detector_class("one_class_svm").__name__ == "OneClassSVM"
    assert registry.model_class("vae").__name__ == "VAE"


@pytest.mark.parametrize("name", ["ganomly", "GANomaly", "gan-omaly"])
def test_misspelt_names_are_suggested(name):
    with pytest.raises(UsageError, match=f"no detector is called '{name}'; did you mean ganomaly"):
        registry.detector_class(name)


def test_a_name_of_the_other_kind_is_said_to_be_one():
    with pytest.raises(UsageError, match=r"'vae' is a model, and no detector: train it by hizumi model train"):
        registry.detector_class("vae")
    with pytest.raises(UsageError, match=r"'pca' is a detector, and no model: fit it by hizumi fit -d"):
        registry.model_class("pca")


def test_names_like_none_are_answered_with_all():
    with pytest.raises(UsageError, match=r"known are .*autoencoder, .*dcgan, .*vae"):
        registry.model_class("qqq")


def plug_in(monkeypatch, name, *values):
    entries = [EntryPoint(name, value, registry.PLUG_INS) for value in values]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == registry.PLUG_INS else [])
    monkeypatch.setattr(registry, "find_detectors", registry.find_detectors.__wrapped__)


def test_plug_ins_are_found(monkeypatch):
    plug_in(monkeypatch, "house_method", "hizumi.detectors.mahalanobis:Mahalanobis")
    assert registry.detector_class("house_method").__name__ == "Mahalanobis"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("broken", "no_such_module:Thing", "'broken' .* cannot be imported"),
        ("wrong", "pathlib:Path", "'wrong' .* is not a Detector"),
        ("mahalanobis", "hizumi.detectors.mahalanobis:Mahalanobis", "name of another detector"),
        ("vae", "hizumi.detectors.mahalanobis:Mahalanobis", "name of another detector or model"),
    ],
)
def test_useless_plug_ins_are_named(name, value, reason, monkeypatch):
    plug_in(monkeypatch, name, value)
    with pytest.raises(UsageError, match=reason):
        registry.find_detectors()


def test_of_two_plug_ins_of_one_name_none_is_taken_in_silence(monkeypatch):
    plug_in(monkeypatch, "house_method", "hizumi.detectors.mahalanobis:Mahalanobis", "hizumi.detectors.pca:PCA")
    with pytest.raises(UsageError, match=r"'house_method' \(hizumi.detectors.pca:PCA\) has the name of another"):
        registry.find_detectors()
