"""Detectors on features: the same as the detector by itself, given those features by hand."""

import pytest
import torch

from hizumi.detectors import (
    CrossChannel,
    DeepSVDD,
    Detector,
    Ensemble,
    FAnoGAN,
    GANomaly,
    Likelihood,
    Mahalanobis,
    OnFeatures,
    Reconstruction,
)
from hizumi.detectors.fixed_features import FixedFeatures
from hizumi.detectors.position_scale import PositionScale
from hizumi.errors import UsageError
from hizumi.models import VAE, Autoencoder
from hizumi.objectives import smooth
from hizumi.registry import construct, specify
from hizumi.training import Budget, TrainingOptions
from hizumi.training.checkpoint import load_fitted
from hizumi.training.preset import preset_of

IMAGES = torch.rand(12, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
OPTIONS = TrainingOptions(budget=Budget(steps=3), batch_size=4)


def on(detector: Detector, **settings: object) -> OnFeatures:
    return OnFeatures(detector, levels=(2, 3), input_size=None, **settings)


INNER = {
    "trained": lambda: Reconstruction(Autoencoder(width=4), "l2", smoothing=0.0),
    "with held-out items": lambda: Likelihood(VAE(latent=2, width=4), image_score="typicality"),
    "two models": lambda: preset_of(FAnoGAN, "small").make(),
    "not trained": lambda: Mahalanobis(),
}


def test_features_are_averaged_put_together_and_brought_to_a_third_of_unit_variance() -> None:
    front = on(Mahalanobis(), image_score="detector").fit(IMAGES).front
    features = FixedFeatures((3, 32, 48), (2, 3))
    placed = features.placed(features(IMAGES), (2, 3), neighbourhood=3)  # positions last but one
    deviation, mean = torch.std_mean(placed, (0, 1), correction=0)
    expected = ((placed - mean) / (3 * deviation)).transpose(1, 2).reshape(12, 16 + 24, 4, 6)
    torch.testing.assert_close(front(IMAGES), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", INNER)
def test_the_detectors_score_is_its_own_on_these_features(case: str) -> None:
    together = on(INNER[case](), image_score="detector").fit(IMAGES, OPTIONS)
    features = together.front(IMAGES)
    alone = INNER[case]().fit(features, OPTIONS)
    expected, found = alone.score(features), together.score(IMAGES)
    torch.testing.assert_close(found.image, expected.image, atol=1e-4, rtol=1e-3)
    again = construct(specify(together)).prepare((3, 32, 48))
    load_fitted(again, together.state_dict())
    assert torch.equal(again.score(IMAGES).image, found.image)


def test_the_score_is_the_largest_of_the_map_measured_by_place() -> None:
    detector = on(INNER["trained"](), blur=0.7).fit(IMAGES, OPTIONS)
    assert detector.reference_share == 0.2
    unseen = torch.cat([IMAGES[:2] * 0.5, IMAGES[2:4]])
    maps = smooth(detector.detector.score_batch(detector.front(unseen)).pixel, 0.7).flatten(1)
    scale = PositionScale()
    scale.mean, scale.deviation = detector.scale.mean, detector.scale.deviation
    torch.testing.assert_close(detector.score(unseen).image, scale(maps).amax(1), atol=1e-4, rtol=1e-4)


def test_a_member_of_an_ensemble_is_given_features_of_the_images() -> None:
    ensemble = Ensemble((Mahalanobis(), on(GANomaly(latent=4, width=4)))).fit(IMAGES, OPTIONS)
    member = ensemble.detectors[1]
    assert isinstance(member, OnFeatures)
    assert member.detector.shape == (16 + 24, 4, 6)
    assert ensemble.score(IMAGES).pixel.shape == (12, 1, 32, 48)


def test_detectors_that_cannot_work_on_features_are_refused() -> None:
    with pytest.raises(UsageError, match=r"DeepSVDD draws no map .* set image_score"):
        on(DeepSVDD()).fit(IMAGES)
    with pytest.raises(UsageError, match="CrossChannel needs motion"):
        on(CrossChannel()).fit(IMAGES)
