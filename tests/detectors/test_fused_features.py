"""Fused features: the sum, place by place, of what its two parts find alone."""

import numpy as np
import pytest
import torch

from hizumi.data.stream import TensorSource
from hizumi.detectors import FusedFeatures, GaussianFeatures, NearestFeatures
from hizumi.detectors.position_gaussians import PositionGaussians
from hizumi.detectors.shard import Shard
from hizumi.errors import UsageError

RANDOM = torch.Generator().manual_seed(0)
TRAIN, TEST = torch.rand(40, 1, 32, 48, generator=RANDOM) * 2 - 1, torch.rand(7, 1, 32, 48, generator=RANDOM) * 2 - 1

TRAIN_SOURCE = TensorSource(TRAIN)
SQUARE = 3  # that it chooses here: all places lie near an edge, each of which looks like itself in other images


@torch.no_grad()
def test_score_and_map_are_the_sums_of_both_parts() -> None:
    fused = FusedFeatures(levels=(3, 4), input_size=None, memory=50, candidates=200, channels=20).fit(TRAIN)
    nearest = NearestFeatures(levels=(3, 4), input_size=None, memory=50, candidates=200).fit(TRAIN)
    gaussian = GaussianFeatures(map_levels=(3, 4), input_size=None, channels=20, around=SQUARE).fit(TRAIN)
    values, maps = [], []
    for part in (nearest, gaussian):
        distances = part._map(part._placed(TEST) if part is nearest else part.features(TEST))
        values.append(part.scale(distances))
        maps.append(part.score(TEST).pixel / largest_of_reference(fused, part))
    anomaly = fused.score(TEST)
    np.testing.assert_allclose(anomaly.image, (values[0] + values[1]).amax(1), rtol=1e-4)
    np.testing.assert_allclose(anomaly.terms["nearest"], nearest.score(TEST).image, rtol=1e-4)
    np.testing.assert_allclose(anomaly.terms["gaussian"], gaussian.score(TEST).image, rtol=1e-4)
    np.testing.assert_allclose(anomaly.pixel, (maps[0] + maps[1]) / 2, rtol=1e-4)


def largest_of_reference(fused: FusedFeatures, part: NearestFeatures | GaussianFeatures) -> float:
    """Mean of a part's largest distances on the images held out of the fit."""
    reference = fused._dealt(TRAIN_SOURCE, 0)[1]
    assert reference is not None
    images = reference.batch(torch.arange(len(reference)))
    distances = part._map(part._placed(images) if isinstance(part, NearestFeatures) else part.features(images))
    return float(distances.amax(1).mean())


def field(
    fitted: PositionGaussians, train: torch.Tensor, unseen: torch.Tensor, grid: tuple[int, int]
) -> tuple[torch.Tensor, list[float]]:
    """Distances of the square that was chosen, and by an independent route how likely unseen images are in each."""
    fitted.begin()
    fitted.add(train)
    fitted.fit(grid, Shard.of(TensorSource(train)))
    likelihoods = []
    for gaussian in fitted._candidates:
        assert gaussian.mean is not None
        assert gaussian.whitening is not None
        precision = (gaussian.whitening.mT @ gaussian.whitening).double()
        law = torch.distributions.MultivariateNormal(gaussian.mean.double(), precision_matrix=precision)
        likelihoods.append(float(law.log_prob((unseen[:, :, fitted.drawn] * fitted.scale).double()).mean()))
    return fitted.choose(fitted.of_each(unseen)), likelihoods


@pytest.mark.parametrize("lies_alike", [True, False])
def test_moments_are_taken_over_the_square_that_makes_unseen_images_likeliest(lies_alike: bool) -> None:
    random = torch.Generator().manual_seed(1)
    of_places = torch.randn(12 * 12, 6, generator=random).reshape(1, 4, 3, 4, 3, 6).amax((2, 4), keepdim=True)
    of_places = 3 * of_places.expand(1, 4, 3, 4, 3, 6).reshape(1, 144, 6)
    images = torch.randn(60, 144, 6, generator=random)
    for image in images:
        image += of_places[0, torch.arange(144) if lies_alike else torch.randperm(144, generator=random)]
    fitted = PositionGaussians(6, (1, 3, 23), 0.1)
    distances, likelihoods = field(fitted, images[:40], images[40:], (12, 12))
    assert np.argmax(likelihoods) == (0 if lies_alike else 2)
    torch.testing.assert_close(distances, fitted(images[40:]))
    alone = PositionGaussians(6, 1 if lies_alike else 23, 0.1)
    alone.begin()
    alone.add(images[:40])
    alone.fit((12, 12), Shard.of(TensorSource(images)))
    torch.testing.assert_close(distances, alone(images[40:]))


def test_a_memory_larger_than_its_candidates_is_refused() -> None:
    with pytest.raises(UsageError, match="memory 100 is chosen from 50 candidates"):
        FusedFeatures(memory=100, candidates=50).fit(TRAIN)


def test_maps_are_numbers_where_what_is_held_out_are_copies() -> None:
    first, second, other = torch.rand(3, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    detector = FusedFeatures(levels=(2, 3), network="wavelets", input_size=None, memory=50, candidates=200, channels=8)
    anomaly = detector.fit(torch.cat([first, second] * 6)).score(torch.cat([first, other]))
    assert anomaly.pixel is not None
    assert anomaly.pixel.isfinite().all()
    assert anomaly.pixel[1].amax() > anomaly.pixel[0].amax()
