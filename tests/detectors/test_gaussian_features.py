"""Gaussian features against the same computation written plainly in NumPy."""

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from hizumi.detectors import GaussianFeatures
from hizumi.detectors.gaussian_features import POOLED, SHRINKAGE

pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra 'features'")

RANDOM = torch.Generator().manual_seed(0)
TRAIN, TEST = torch.rand(40, 3, 32, 48, generator=RANDOM) * 2 - 1, torch.rand(7, 3, 32, 48, generator=RANDOM) * 2 - 1


@pytest.fixture(scope="module", params=[False, True], ids=["as they are", "with flips"])
def fitted(request: pytest.FixtureRequest) -> tuple[GaussianFeatures, torch.Tensor]:
    detector = GaussianFeatures(levels=(1, 3), map_levels=(3, 4), smoothing=0.0, flips=request.param).fit(TRAIN)
    mirrored = [TRAIN, TRAIN.flip(3), TRAIN.flip(2), TRAIN.flip(2, 3)] if request.param else [TRAIN]
    return detector, torch.cat(mirrored)


@torch.no_grad()
def test_levels_are_rippels_sum(fitted: tuple[GaussianFeatures, torch.Tensor]) -> None:
    detector, train = fitted
    maps, test_maps = detector.features(train), detector.features(TEST)
    expected = np.zeros(len(TEST))
    for level in (1, 3):
        estimate = LedoitWolf().fit(maps[level].mean((2, 3)).double().numpy())
        expected += np.sqrt(estimate.mahalanobis(test_maps[level].mean((2, 3)).double().numpy()))
    np.testing.assert_allclose(detector.score(TEST).terms["levels"].numpy(), expected, rtol=1e-4)


@torch.no_grad()
def test_positions_one_by_one(fitted: tuple[GaussianFeatures, torch.Tensor]) -> None:
    detector, train = fitted
    assert detector.features.grid == (4, 6)
    values = detector.features.placed(detector.features(train), (3, 4)).double().numpy()  # (n, 24, 64)
    test_values = detector.features.placed(detector.features(TEST), (3, 4)).double().numpy()
    covariances = [np.cov(values[:, place], rowvar=False, bias=True) for place in range(24)]
    common = np.mean(covariances, axis=0)
    distances = np.empty((len(TEST), 24))
    for place in range(24):
        mixed = (1 - POOLED) * covariances[place] + POOLED * common
        size = len(mixed)
        mixed = (1 - SHRINKAGE) * mixed + SHRINKAGE * np.trace(mixed) / size * np.eye(size)
        centred = test_values[:, place] - values[:, place].mean(0)
        distances[:, place] = np.sqrt(np.einsum("ni,ij,nj->n", centred, np.linalg.inv(mixed), centred))
    ours = detector.position_gaussians.squared_distance(torch.from_numpy(test_values).float()).sqrt()
    np.testing.assert_allclose(ours.numpy(), distances, rtol=1e-3)
    anomaly = detector.score(TEST)
    assert anomaly.pixel is not None
    torch.testing.assert_close(anomaly.image, anomaly.pixel.flatten(1).amax(1))


def test_levels_that_do_not_exist_are_refused() -> None:
    from hizumi.errors import UsageError

    with pytest.raises(UsageError, match="numbers from 1 to 9"):
        GaussianFeatures(levels=(0, 3)).fit(TRAIN)
    with pytest.raises(UsageError, match="at least one"):
        GaussianFeatures(map_levels=()).fit(TRAIN)
    with pytest.raises(UsageError, match="numbers from 1 to 3"):
        GaussianFeatures(levels=(1,), map_levels=(4,), network="wavelets").fit(TRAIN)
