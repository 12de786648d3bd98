"""Nearest neighbours against brute force, scikit-learn, and the matrix profile of stumpy where it is installed."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from hizumi.detectors import NearestNeighbour
from hizumi.errors import DataError


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / 4


def walk(steps: int, seed: int) -> torch.Tensor:
    values = random(steps, seed=seed).cumsum(0)
    values[20:60] = values[20]  # a sensor that stood still
    return values / values.abs().max()


def windows(values: torch.Tensor, length: int) -> torch.Tensor:
    return values.unfold(0, length, 1)[:, None, None]


@pytest.mark.parametrize("shape", [(2, 1, 16), (3, 5, 7), (6,)])
def test_distances_equal_scikit_learn(shape: tuple[int, ...]) -> None:
    training, new = random(700, *shape, seed=0), random(300, *shape, seed=1)
    new[0] = training[123]
    detector = NearestNeighbour(smoothing=0.0).fit(training)
    anomaly = detector.score(new)
    rows, others = training.flatten(1).double(), new.flatten(1).double()
    if detector.vector_mean is not None and detector.vector_scale is not None:
        rows, others = ((each - detector.vector_mean) / detector.vector_scale for each in (rows, others))
    distances, indices = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(rows).kneighbors(others)
    np.testing.assert_allclose(anomaly.image, distances[:, 0], rtol=1e-6, atol=1e-6)
    assert anomaly.image[0] == 0
    assert anomaly.normal is not None
    nearest = training[indices[:, 0]]
    torch.testing.assert_close(anomaly.normal, nearest)
    contributions = detector.contributions(new)
    assert contributions is not None
    torch.testing.assert_close(contributions.flatten(1).sum(1), anomaly.image)
    if anomaly.pixel is not None:
        squares = (new - nearest).square().mean(1, keepdim=True)
        torch.testing.assert_close(anomaly.pixel, squares)


def test_distances_are_exact_far_from_zero() -> None:
    training, new = 1000 + random(50, 1, 1, 8, seed=0) / 100, 1000 + random(20, 1, 1, 8, seed=1) / 100
    found = NearestNeighbour().fit(training).score(new).image
    differences = (new[:, None].double() - training[None].double()).flatten(2)
    np.testing.assert_allclose(found, differences.square().sum(2).sqrt().amin(1), rtol=1e-6)


def matrix_profile(new: torch.Tensor, training: torch.Tensor, length: int) -> np.ndarray:
    """The z-normalised AB-join by its definition; a constant window lies sqrt(length) from any that is not."""

    def normalised(values: torch.Tensor) -> np.ndarray:
        cut = np.lib.stride_tricks.sliding_window_view(values.double().numpy(), length)
        deviation = cut.std(1, keepdims=True)
        return (cut - cut.mean(1, keepdims=True)) / np.where(deviation > 1e-9, deviation, np.inf)

    ours, theirs = normalised(new), normalised(training)
    return np.array([np.sqrt(np.square(theirs - each).sum(1).min()) for each in ours])


def test_normalised_windows_give_the_matrix_profile() -> None:
    training, new = walk(400, seed=0), walk(200, seed=1)
    detector = NearestNeighbour(normalised=True).fit(windows(training, 24))
    anomaly = detector.score(windows(new, 24))
    np.testing.assert_allclose(anomaly.image, matrix_profile(new, training, 24), atol=1e-4)
    assert float(anomaly.image[25]) == 0  # one constant window lies on another
    # The nearest window is shown at the level and size of the window that it is compared with.
    assert anomaly.normal is not None
    torch.testing.assert_close(anomaly.normal.mean(3), windows(new, 24).mean(3))


@pytest.mark.slow  # its kernels are compiled at first
def test_normalised_windows_equal_stumpy() -> None:
    stumpy = pytest.importorskip("stumpy", reason="the reference implementation is not installed")
    training, new = walk(400, seed=0), walk(200, seed=1)
    expected = stumpy.stump(new.double().numpy(), 24, training.double().numpy(), ignore_trivial=False)[:, 0]
    found = NearestNeighbour(normalised=True).fit(windows(training, 24)).score(windows(new, 24)).image
    np.testing.assert_allclose(found, expected.astype(float), atol=1e-4)


def test_of_more_items_than_it_remembers_a_core_set_covers_them() -> None:
    training = torch.cat([random(500, 1, 1, 8, seed=0) / 100, random(4, 1, 1, 8, seed=1) * 3])
    detector = NearestNeighbour(memory=60).fit(training)
    assert detector.items is not None
    assert len(detector.items) == 60
    assert detector.score(training[-4:]).image.max() == 0  # rare ones are remembered
    assert (
        detector.score(training).image.max() < 0.2 * NearestNeighbour().fit(training[:500]).score(training).image.max()
    )


def test_columns_are_not_brought_to_one_scale() -> None:
    with pytest.raises(DataError, match="normalised=True is for images and series"):
        NearestNeighbour(normalised=True).fit(random(20, 6, seed=0))
