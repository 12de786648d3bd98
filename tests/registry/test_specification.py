"""Detectors and models as plain data, and from names and settings in words."""

import json
from typing import Any

import numpy as np
import pytest

from hizumi.detectors import Ensemble, Likelihood, Mahalanobis
from hizumi.errors import UsageError
from hizumi.models import DCGAN, VAE
from hizumi.registry import construct, detector_class, make_detector, make_model, specify
from hizumi.registry.finding import find_parts


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("reconstruction", {"model": "vae", "model.latent": "20", "difference": "l1"}, {"model.latent": 20}),
        ("reconstruction", {"latent": "20", "model": "vae"}, {"model.latent": 20}),  # whichever comes first
        ("likelihood", {"levels": "4", "model": "pixel_cnn"}, {"model.levels": 4}),
        ("mahalanobis", {"features": "raw"}, {"features": "raw"}),
        ("mahalanobis", {"features.latent": "7", "features": "vae"}, {"features.latent": 7}),
        ("ensemble", {"detectors": "mahalanobis,likelihood", "latent": "3"}, {"detectors.1.model.latent": 3}),
        ("ensemble", {"detectors": "mahalanobis", "fusion": "minimum"}, {"fusion": "minimum"}),
        ("ensemble", {"detectors.0.features": "raw"}, {"detectors.0.features": "raw"}),
        ("control_chart", {"detector": "pca", "variance_share": "0.8"}, {"detector.variance_share": 0.8}),
        ("f_anogan", {"gan.latent": "8", "gan": "dcgan"}, {"gan.latent": 8}),
    ],
)
def test_settings_in_words(name: str, settings: dict[str, str], expected: dict[str, Any]) -> None:
    made = make_detector(name, settings)
    assert type(made) is detector_class(name)
    for path, value in expected.items():
        found: Any = made
        for step in path.split("."):
            found = found[int(step)] if step.isdecimal() else getattr(found, step)
        assert found == value
    assert specify(construct(json.loads(json.dumps(specify(made))))) == specify(made)


def test_values_are_parsed_by_the_annotation() -> None:
    made = make_model("bigan", {"critic_hidden": "[32, 16]", "average_decay": "None", "spectral_norm": "True"})
    assert (made.critic_hidden, made.average_decay, made.spectral_norm) == ((32, 16), None, True)
    assert make_model("wgan", {"hidden": "64, 64"}).hidden == (64, 64)
    assert make_detector("reconstruction", {"model": "None"}).model.code == 4  # the default


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ganomaly", {"adversarial": "bec"}, "^ganomaly: adversarial is 'bec'; .*; did you mean 'bce'"),
        ("ganomaly", {"lattent": "3"}, r"^ganomaly has no setting 'lattent'; did you mean latent\?"),
        ("reconstruction", {"model": "dcgan"}, "^reconstruction: model is DCGAN; it must be a model that reconstructs"),
        ("reconstruction", {"model": "mahalanobis"}, "^reconstruction: model is Mahalanobis; it must be a model"),
        ("reconstruction", {"model": "vea"}, "no model or detector is called 'vea'; did you mean .*vae"),
        ("reconstruction", {"model": "vae,vae"}, r"model is \(VAE, VAE\); it must be a model"),
        ("reconstruction", {"bound": "elbow", "model": "vae"}, "^reconstruction: bound is 'elbow'; .* mean 'elbo'"),
        ("reconstruction", {"model": "vae", "model.bound": "elbow"}, "^reconstruction: model.bound is 'elbow'"),
        ("reconstruction", {"model": "vae", "model.lattent": "3"}, "VAE has no setting 'lattent'; did you mean latent"),
        (
            "reconstruction",
            {"smoothing.x": "1"},
            "^reconstruction: smoothing is no model, so smoothing.x means nothing",
        ),
        (
            "reconstruction",
            {"code": "3", "model.code": "4"},
            "code and model.code are one setting",
        ),
        ("mahalanobis", {"features": "rwa"}, "features is 'rwa'; it must be .*; did you mean 'raw'"),
        (
            "ensemble",
            {"detectors": "vae,pca"},
            r"^ensemble: detectors is \(VAE, PCA\); it must be a tuple of Detectors",
        ),
        ("ensemble", {"detectors": "pca", "detectors.1.share": "1"}, "ensemble: detectors has no part '1'"),
        (
            "ensemble",
            {"detectors": "likelihood,reconstruction", "smoothing": "1"},
            "has 2 settings 'smoothing': choose",
        ),
    ],
)
def test_settings_that_do_not_fit(name: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_detector(name, settings)


@pytest.mark.parametrize("text", ["0", "abc", "1.5", "True", "None", "nan", "1e999", "(1, 2)", "1,", "'8'"])
def test_texts_that_are_no_size(text: str) -> None:
    with pytest.raises(UsageError, match=r"^dcgan: latent is .*; it must be a whole number of at least 1$"):
        make_model("dcgan", {"latent": text})


@pytest.mark.parametrize("name", ["dcgan", "mahalanobis", "encoder_classifer"])
def test_models_without_the_ability_are_refused(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"encoder is .*; it must be a model that encodes|did you mean encoder_classifier"
    ):
        make_model("encoder_classifier", {"encoder": name})


def test_presets_are_the_ground_for_settings() -> None:
    preset = make_detector("reconstruction", preset="fast")
    changed = make_detector("reconstruction", {"smoothing": "1"}, preset="fast")
    assert specify(changed)["arguments"] == specify(preset)["arguments"] | {"smoothing": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        {
            "name": "ganomaly",
            "arguments": {
                "latent": 10,
                "width": 8,
                "weights": [1.0, 50.0, 1.0],
                "adversarial": "bce",
                "learning_rate": 2e-4,
                "beta1": 0.5,
                "bn_mode": "eval",
            },
        },
        {
            "name": "f_anogan",
            "arguments": {
                "gan": {"name": "dcgan", "arguments": {"latent": 4}},
                "width": 8,
                "residual": False,
                "loss": "izi",
                "feature_weight": 1.0,
                "bounded_codes": True,
                "learning_rate": 5e-5,
            },
        },
    ],
    ids=["ganomaly", "f_anogan"],
)
def test_specifications_of_version_0_1_are_read(arguments: dict[str, Any]) -> None:
    detector = construct(arguments).prepare((1, 16, 16))
    assert specify(construct(specify(detector))) == specify(detector)


def test_what_detectors_train_can_be_specified() -> None:
    trainings = {name: found for name, found in find_parts().items() if "." in name}
    assert {"ganomaly.GANomalyTraining", "alad.ALADTraining"} <= trainings.keys()
    found = trainings["skip_ganomaly.SkipGANomalyTraining"]
    assert found.__module__ == "hizumi.detectors.skip_ganomaly"


def test_specifications_are_ready_for_json() -> None:
    model = DCGAN(latent=int(np.int64(8)))
    model.width, model.hidden = np.int64(16), [1]
    assert json.loads(json.dumps(specify(model)))["arguments"]["width"] == 16
    ensemble = Ensemble((Mahalanobis(), Likelihood(VAE(latent=3))))
    assert json.loads(json.dumps(specify(ensemble)))["arguments"]["detectors"][1]["name"] == "likelihood"


def test_what_cannot_be_constructed() -> None:
    with pytest.raises(UsageError, match="no model or detector is called 'vea'; did you mean"):
        construct({"name": "vea", "arguments": {}})
    with pytest.raises(UsageError, match="vae does not take these settings: VAE has no setting 'colour'"):
        construct({"name": "vae", "arguments": {"colour": 3}})

    class Unknown(Mahalanobis):
        pass

    with pytest.raises(UsageError, match="Unknown is not known to the registry"):
        specify(Unknown())
