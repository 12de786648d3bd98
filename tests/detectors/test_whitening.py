"""Whitened residuals against scikit-learn's Ledoit-Wolf covariance and the matrix square root."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from hizumi.detectors import PCA, Reconstruction, SkipGANomaly, WhitenedResidual
from hizumi.detectors.shrunk_gaussian import ShrunkGaussian
from hizumi.errors import DataError
from hizumi.models.abilities import CanReconstruct
from hizumi.training import Budget, Card, TrainingOptions

ONE_STEP = TrainingOptions(budget=Budget(steps=1), batch_size=8)


class Damping(CanReconstruct):
    """Rebuilds items as a multiple of themselves, which one step of training leaves alone."""

    card = Card(family="codes", idea="a quarter of it", paper="none")
    default_budget = Budget(steps=1)

    def build(self, shape: tuple[int, ...]) -> None:
        self.share = nn.Parameter(torch.full(shape, 0.25))
        self.optimise("share", [self.share], learning_rate=1e-30)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": self.update("share", (self.reconstruct(batch) - batch).square().mean())}

    def reconstruct(self, images: Tensor) -> Tensor:
        return self.share * images


def correlated(count: int, shape: tuple[int, ...], seed: int) -> Tensor:
    size = math.prod(shape)
    mixing = torch.randn(size, size, generator=torch.Generator().manual_seed(9)) / size**0.5
    rows = torch.randn(count, size, generator=torch.Generator().manual_seed(seed)) @ mixing
    return (0.3 * rows + 0.1).reshape(count, *shape)


@pytest.mark.parametrize(("count", "columns"), [(30, 100), (300, 20), (50, 50)])
def test_shrunk_gaussian_equals_scikit_learn_and_its_contributions_the_matrix_root(count: int, columns: int) -> None:
    rows, others = (correlated(n, (columns,), seed).double() for n, seed in ((count, 1), (7, 2)))
    gaussian, reference = ShrunkGaussian(), LedoitWolf().fit(rows.numpy())
    gaussian.fit(rows)
    np.testing.assert_allclose(gaussian.squared_distance(others), reference.mahalanobis(others.numpy()), rtol=1e-4)
    whitened = (others.numpy() - reference.location_) @ sqrtm(reference.precision_).real
    np.testing.assert_allclose(gaussian.contributions(others), whitened**2, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(gaussian.contributions(others).sum(1), gaussian.squared_distance(others), rtol=1e-12)


def test_what_never_varied_is_far_from_everything_once_it_moves() -> None:
    rows = correlated(40, (6,), 1).double()
    rows[:, 2] = 1.5
    gaussian = ShrunkGaussian()
    gaussian.fit(rows)
    moved = rows[:1].clone()
    moved[:, 2] += 1
    assert gaussian.squared_distance(moved) > 3 * gaussian.squared_distance(rows).max()
    assert gaussian.contributions(moved).argmax() == 2
    gaussian.fit(torch.ones(9, 6, dtype=torch.float64))
    assert gaussian.squared_distance(torch.ones(1, 6).double()) == 0
    assert gaussian.squared_distance(torch.full((1, 6), 1.01).double()) > 1e6


@pytest.mark.parametrize("shape", [(3, 1, 16), (2, 5, 4), (12,)])
@pytest.mark.parametrize("count", [32, 128])  # fewer items than numbers in one of windows, and more
def test_whitened_score_is_the_mahalanobis_distance_of_the_residual(shape: tuple[int, ...], count: int) -> None:
    data, new = correlated(count, shape, 1), correlated(5, shape, 2)
    detector = Reconstruction(Damping(), difference="whitened", smoothing=0.0).fit(data, ONE_STEP)
    anomaly = detector.score(new)
    if detector.vector_mean is not None and detector.vector_scale is not None:
        data, new = ((each - detector.vector_mean) / detector.vector_scale for each in (data, new))
    reference = LedoitWolf().fit((0.75 * data).flatten(1).double().numpy())
    expected = reference.mahalanobis((0.75 * new).flatten(1).double().numpy()) / math.prod(shape)
    np.testing.assert_allclose(anomaly.image, expected, rtol=2e-4)
    np.testing.assert_allclose(anomaly.terms["whitened"], expected, rtol=2e-4)
    if len(shape) == 3:
        assert anomaly.pixel is not None
        np.testing.assert_allclose(anomaly.pixel.mean((1, 2, 3)), expected, rtol=2e-4)


def test_a_weak_error_against_the_correlation_outweighs_a_strong_one_along_it() -> None:
    level = torch.randn(200, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    data = level.expand(-1, 2, 1, 8) + 0.05 * torch.randn(200, 2, 1, 8, generator=torch.Generator().manual_seed(1))
    detector = Reconstruction(Damping(), smoothing=1.0).fit(data.clamp(-3, 3), ONE_STEP)
    along, against = torch.zeros(2, 1, 8), torch.zeros(2, 1, 8)
    along += 1.5
    against[1, 0, 5] += 0.6
    anomaly = detector.score(torch.stack([along, against]))
    assert anomaly.image[1] > 5 * anomaly.image[0]
    assert anomaly.terms["l2"][1] < 0.2 * anomaly.terms["l2"][0]
    assert anomaly.pixel is not None
    assert int(anomaly.pixel[1].argmax()) == 5


def test_without_a_choice_the_shape_decides() -> None:
    for shape, difference in (((2, 1, 16), "whitened"), ((1, 12, 16), "contrast"), ((6,), "l2"), ((600, 1, 16), "l2")):
        items = correlated(12, (math.prod(shape[:1]),), 3).clamp(-1, 1)
        items = items.reshape(12, shape[0], *(1,) * (len(shape) - 1)).expand(-1, *shape)
        anomaly = Reconstruction(Damping()).fit(items, ONE_STEP).score(items)
        assert torch.equal(anomaly.image, anomaly.terms[difference])


def test_items_too_large_for_a_covariance_are_refused_before_training() -> None:
    trained = []
    with pytest.raises(DataError, match=r"at most 8,192 numbers, and these are 1x100x100; give .*difference='l2'"):
        Reconstruction(Damping(), difference="whitened").fit(torch.zeros(4, 1, 100, 100), observe=trained.append)
    assert not trained


def test_what_a_detector_rebuilds_is_whitened_by_the_same_rule() -> None:
    data, new = correlated(128, (2, 1, 16), 1), correlated(5, (2, 1, 16), 2)
    inner = PCA(variance_share=0.7).fit(data)
    detector = WhitenedResidual(PCA(variance_share=0.7), smoothing=0.0).fit(data)
    rebuilt = [inner.score(each).reconstruction for each in (data, new)]
    assert rebuilt[0] is not None
    assert rebuilt[1] is not None
    residuals, those_of_new = (
        (items - theirs).flatten(1).double().numpy() for items, theirs in zip((data, new), rebuilt, strict=True)
    )
    reference = LedoitWolf().fit(residuals)
    anomaly = detector.score(new)
    np.testing.assert_allclose(anomaly.image, reference.mahalanobis(those_of_new) / 32, rtol=1e-4)
    torch.testing.assert_close(anomaly.terms["PCA"], inner.score(new).image)
    assert anomaly.pixel is not None
    np.testing.assert_allclose(anomaly.pixel.mean((1, 2, 3)), anomaly.image, rtol=1e-5)


def test_items_that_the_detector_within_cannot_take_are_refused() -> None:
    with pytest.raises(DataError, match="WhitenedResidual of SkipGANomaly works on images, not on vectors"):
        WhitenedResidual(SkipGANomaly()).fit(correlated(9, (6,), 1))
