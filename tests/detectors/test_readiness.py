"""What scores is a copy of the detector; it must never be one of an earlier detector."""

import copy

import pytest
import torch

from hizumi.detectors import Detector, GANomaly, Reconstruction
from hizumi.models import Autoencoder
from hizumi.training import Budget, TrainingOptions

OPTIONS = TrainingOptions(budget=Budget(steps=2), batch_size=8)
IMAGES = torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def fitted(seed: int = 0) -> GANomaly:
    return GANomaly(width=4, latent=4).fit(IMAGES, TrainingOptions(budget=Budget(steps=2), batch_size=8, seed=seed))


def eager(detector: Detector) -> torch.Tensor:
    with torch.no_grad():
        return detector.score_batch(IMAGES).image


def test_a_new_fit_load_or_write_is_seen() -> None:
    detector, other = fitted(), fitted(1)
    first = detector.score(IMAGES).image
    detector.load_state_dict(other.state_dict())
    torch.testing.assert_close(detector.score(IMAGES).image, other.score(IMAGES).image)
    detector.fit(IMAGES, OPTIONS)
    torch.testing.assert_close(detector.score(IMAGES).image, first)
    with torch.no_grad():
        detector.model.encoder.head.weight.mul_(1.5)
    torch.testing.assert_close(detector.score(IMAGES).image, eager(detector), rtol=1e-4, atol=1e-7)
    detector.model.encoder = copy.deepcopy(other.model.encoder)
    torch.testing.assert_close(detector.score(IMAGES).image, eager(detector), rtol=1e-4, atol=1e-7)


def test_a_change_of_a_setting_is_seen() -> None:
    detector = Reconstruction(Autoencoder(width=4), difference="l1").fit(IMAGES, OPTIONS)
    detector.score(IMAGES)
    detector.difference = "l2"
    torch.testing.assert_close(detector.score(IMAGES).image, eager(detector), rtol=1e-4, atol=1e-7)


def test_the_copy_is_made_once_saved_nowhere_and_holds_no_optimiser() -> None:
    detector = fitted()
    keys = set(detector.state_dict())
    ready = detector._ready("32-true")
    detector.score(IMAGES)
    assert detector._ready("32-true") is ready
    assert set(detector.state_dict()) == keys
    assert ready.model.optimisers is detector.model.optimisers
    assert copy.deepcopy(detector)._ready("32-true") is not ready


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_batch_statistics_are_those_of_the_batch(precision: str) -> None:
    detector = fitted()
    detector.bn_mode = "batch"
    torch.testing.assert_close(detector.score(IMAGES, precision=precision).image, eager(detector), rtol=1e-4, atol=1e-7)
