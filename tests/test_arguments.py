"""Arguments are found by name, checked against their annotations before anything is read, and cloned with changes."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch
from annotated_types import Gt

from hizumi import arguments
from hizumi.arguments import (
    Momentum,
    NonNegativeFloat,
    PositiveInt,
    ProperShare,
    Share,
    check_argument,
    check_arguments,
    clone,
    described,
    home_of,
    located,
)
from hizumi.detectors import Ensemble, Likelihood, Mahalanobis, OneClassSVM, Reconstruction
from hizumi.errors import UsageError
from hizumi.models import (
    DCGAN,
    VAE,
    Autoencoder,
    BiGAN,
    CanReconstruct,
    EncoderClassifier,
    HasLikelihood,
    PixelCNN,
    ProgressiveGAN,
)
from hizumi.training import Budget, TrainingOptions

# The type checker of these tests refuses wrong arguments by itself, so these calls are made in a process without it.
REFUSED = {
    'GANomaly(adversarial="bec").fit(None)': "adversarial is 'bec'; it must be 'features' or 'bce'; did you "
    "mean 'bce'?",
    'SkipGANomaly(difference="l3").fit(None)': "SkipGANomaly: difference is 'l3'; it must be 'l1' or 'l2'",
    'FAnoGAN(loss="izif").fit(None)': "loss is 'izif'; it must be 'izi_f', 'izi' or 'ziz'; did you mean 'izi_f'?",
    "Pix2Pix(layers=1_000_000_000).fit(None)": "Pix2Pix: layers is 1000000000; it must be a whole number from "
    "1 to 8 or None",
    'Reconstruction(VAE(bound="elbow")).fit(None)': "Reconstruction.model: bound is 'elbow'; it must be 'elbo', "
    "'reconstruction' or 'importance'; did you mean 'elbo'?",
    'EGBAD(discrimination="sigmoit").fit(None)': "EGBAD: discrimination is 'sigmoit'; it must be 'sigmoid', "
    "'features' or 'reconstruction'; did you mean 'sigmoid'?",
    'Reconstruction(difference="l3").fit(None)': "Reconstruction: difference is 'l3'; it must be 'contrast', 'ssim', "
    "'l1', 'l2', 'whitened' or None",
    'ALOCC(judged="refine").fit(None)': "ALOCC: judged is 'refine'; it must be 'refined', 'original' or 'residual'; "
    "did you mean 'refined'?",
    "DCGAN(learning_rate=-1).fit(None)": "DCGAN: learning_rate is -1; it must be a number above 0",
    "DCGAN(latent=0).fit(None)": "DCGAN: latent is 0; it must be a whole number of at least 1",
    'DCGAN(latent="abc").fit(None)': "DCGAN: latent is 'abc'; it must be a whole number of at least 1",
    "DCGAN(beta1=1.0).fit(None)": "DCGAN: beta1 is 1.0; it must be a number from 0 to below 1",
    "GAN(hidden=(32, 0)).fit(None)": "GAN: hidden is (32, 0); it must be a tuple of whole numbers of at least 1",
    "ProgressiveGAN(betas=(0.5,)).fit(None)": "ProgressiveGAN: betas is (0.5,); it must be a tuple of 2 numbers from 0 "
    "to below 1",
    "Reconstruction(DCGAN()).fit(None)": "Reconstruction: model is DCGAN; it must be a model that reconstructs, such "
    "as autoencoder or bigan",
    "EncoderClassifier(encoder=DCGAN()).fit(None)": "EncoderClassifier: encoder is DCGAN; it must be a model that "
    "encodes, such as autoencoder or bigan",
    'check_arguments(Inspector(sizing="rezise"))': "Inspector: sizing is 'rezise'; it must be 'resize' or 'tile'; did "
    "you mean 'resize'?",
    'check_arguments(Modeller(sizing="rezise"))': "Modeller: sizing is 'rezise'; it must be 'resize' or 'tile'; did "
    "you mean 'resize'?",
}
SCRIPT = """
import json, sys
from hizumi import Inspector, Modeller
from hizumi.arguments import check_arguments
from hizumi.detectors import *
from hizumi.errors import UsageError
from hizumi.models import *
said = {}
for call in json.loads(sys.argv[1]):
    try:
        eval(call)
    except UsageError as error:
        said[call] = str(error)
print(json.dumps(said))
"""
SHORT = TrainingOptions(budget=Budget(steps=2), batch_size=8)


def test_wrong_arguments_are_refused_before_anything_is_read() -> None:
    command = [sys.executable, "-c", SCRIPT, json.dumps(list(REFUSED))]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for call, message in REFUSED.items():
        assert said[call].endswith(message), call


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (DCGAN(), "learning_rate", float("nan")),
        (DCGAN(), "learning_rate", float("inf")),
        (DCGAN(), "learning_rate", True),
        (DCGAN(), "learning_rate", None),
        (DCGAN(), "learning_rate", "1e-3"),
        (DCGAN(), "latent", 1.5),
        (DCGAN(), "latent", True),
        (DCGAN(), "batch_norm", 1),
        (DCGAN(), "average_decay", 1),
        (DCGAN(), "game", "minmax"),
        (ProgressiveGAN(), "betas", 0.5),
        (ProgressiveGAN(), "betas", (0.0, 0.9, 0.99)),
        (Autoencoder(), "sparsity", -1e-9),
        (PixelCNN(), "levels", 257),
        (Reconstruction(), "model", OneClassSVM()),
        (Reconstruction(), "model", "vae"),
        (Reconstruction(), "model", VAE),
    ],
)
def test_values_that_do_not_fit(model: Any, name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"^{type(model).__name__}: {name} is .*; it must be ") as refusal:
        check_argument(type(model), name, value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (DCGAN, "learning_rate", 1),
        (DCGAN, "learning_rate", np.float32(1e-3)),
        (DCGAN, "latent", np.int64(8)),
        (DCGAN, "average_decay", 0),
        (DCGAN, "average_decay", None),
        (DCGAN, "batch_norm", np.True_),
        (ProgressiveGAN, "betas", [0, np.float64(0.99)]),
        (BiGAN, "critic_hidden", []),
        (EncoderClassifier, "encoder", VAE()),
        (Ensemble, "detectors", [Mahalanobis()]),
    ],
)
def test_values_that_fit(kind: type, name: str, value: object) -> None:
    check_argument(kind, name, value)


class Chosen:
    """An estimator, which is no part but has arguments all the same."""

    def __init__(self, sides: tuple[int, int] | None = None, share: ProperShare = 0.5, fits: bool = True) -> None:
        self.sides = sides
        self.share = share
        self.fits = fits


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 2}, "Chosen: share is 2; it must be a number above 0 and below 1"),
        ({"sides": (1, 2, 3)}, r"Chosen: sides is \(1, 2, 3\); it must be a tuple of 2 whole numbers or None"),
        ({"fits": "yes"}, "Chosen: fits is 'yes'; it must be True or False"),
        ({"share": np.zeros((40, 40))}, r"Chosen: share is array\(.{40,60}\.\.\.; it must be a number above"),
    ],
)
def test_arguments_of_any_class_are_checked(changes: Mapping[str, Any], message: str) -> None:
    check_arguments(Chosen())
    chosen = Chosen()
    vars(chosen).update(changes)
    with pytest.raises(UsageError, match=message) as refusal:
        check_arguments(chosen)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (PositiveInt, "a whole number of at least 1"),
        (PositiveInt | None, "a whole number of at least 1 or None"),
        (tuple[PositiveInt, ...], "a tuple of whole numbers of at least 1"),
        (tuple[NonNegativeFloat, NonNegativeFloat], "a tuple of 2 numbers of at least 0"),
        (tuple[str, int], "a tuple of text and a whole number"),
        (Share, "a number from 0 to 1"),
        (Momentum, "a number from 0 to below 1"),
        (Annotated[int, Gt(1)], "a whole number above 1"),
        (Literal["a", "b"] | None, "'a', 'b' or None"),
        (int | tuple[int, int] | None, "a whole number, a tuple of 2 whole numbers or None"),
        (CanReconstruct | None, "a model that reconstructs, such as autoencoder or bigan"),
        (BiGAN | None, "a BiGAN"),
        (Callable[[int], int] | str, "a function or text"),
        (Mapping[str, int], "a Mapping"),
    ],
)
def test_annotations_in_words(annotation: object, words: str) -> None:
    assert described(annotation) == words


def test_an_argument_has_one_home() -> None:
    assert located(Reconstruction(VAE()), "latent") == "model.latent"
    assert located(Reconstruction(), "smoothing") == "smoothing"
    assert home_of(Ensemble((Mahalanobis(), Likelihood())), "latent") == (VAE, "latent")
    assert home_of(Ensemble((Mahalanobis(), Likelihood())), "detectors.0.features") == (Mahalanobis, "features")
    both = Ensemble((Likelihood(), Reconstruction()))
    with pytest.raises(UsageError, match=r"Ensemble has 2 settings 'smoothing': choose detectors\.0\.smoothing or "):
        located(both, "smoothing")
    with pytest.raises(UsageError, match=r"Reconstruction has no setting 'smothing'; did you mean smoothing\?"):
        located(Reconstruction(), "smothing")
    with pytest.raises(UsageError, match=r"it has model, difference, smoothing, model\.code, "):
        located(Reconstruction(), "qqqq")


def test_keywords_are_passed_on_to_parts() -> None:
    detector = Reconstruction(VAE(width=8), latent=3)
    assert (detector.model.width, detector.model.latent) == (8, 3)
    assert Reconstruction(latent=3, model=VAE()).model.latent == 3
    with pytest.raises(UsageError, match="Reconstruction has no setting 'lattent'"):
        Reconstruction(VAE(), lattent=3)


def test_clones() -> None:
    ensemble = Ensemble((Mahalanobis(), Likelihood(VAE(width=8))))
    changes = {"detectors.1.model.latent": 3, "fusion": "minimum", "detectors.0.features": "raw"}
    changed = clone(ensemble, **changes)
    assert (changed.fusion, changed.detectors[0].features) == ("minimum", "raw")
    assert (changed.detectors[1].model.latent, changed.detectors[1].model.width) == (3, 8)
    assert (ensemble.fusion, ensemble.detectors[1].model.latent) == ("fisher", 32)
    assert changed.detectors[1].model is not ensemble.detectors[1].model
    assert clone(Reconstruction(), latent=3, model=VAE()).model.latent == 3
    with pytest.raises(UsageError, match=r"fusion is no model, so fusion\.0 means nothing"):
        clone(ensemble, **{"fusion.0": 1})
    with pytest.raises(UsageError, match="detectors has no part '2'; its parts are 0 to 1"):
        clone(ensemble, **{"detectors.2.model": VAE()})


def test_a_fitted_part_keeps_its_weights_in_a_clone() -> None:
    images = torch.rand(12, 1, 16, 16)
    encoder = Autoencoder(width=8).fit(images, SHORT)
    classifier = clone(EncoderClassifier(2, encoder), frozen=0.5)
    assert isinstance(classifier.encoder, Autoencoder)
    assert classifier.encoder is not encoder
    assert torch.equal(classifier.encoder.encode(images), encoder.encode(images))
    assert clone(encoder).shape is None


def test_loading_checks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from hizumi.registry import construct, specify

    monkeypatch.setattr(arguments, "check_argument", lambda *_: pytest.fail("arguments were checked"))
    loaded = construct(specify(Reconstruction(VAE(latent=7)))).prepare((1, 16, 16))
    assert loaded.model.latent == 7


def test_relations_are_checked_after_the_arguments() -> None:
    class Fussy(Mahalanobis):
        def check(self) -> None:
            raise UsageError("never content")

    with pytest.raises(UsageError, match="never content"):
        Fussy().fit(torch.zeros(4, 2))
    with pytest.raises(UsageError, match="never content"):
        check_arguments(Ensemble((Fussy(),)))


def test_abilities_are_kinds_of_trainables() -> None:
    assert isinstance(VAE(), HasLikelihood)
    assert not isinstance(DCGAN(), CanReconstruct)
    assert DCGAN().prepare((1, 16, 16)).opponent is not None
