"""Distances against closed forms, SciPy's matrix root and brute force."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import sqrtm

from hizumi.errors import DataError
from hizumi.evaluation.generation import (
    bits_per_dimension,
    class_agreement,
    density_coverage,
    frechet_distance,
    gaussian_distance,
    precision_recall,
    similarity,
)


def features(count: int, dimensions: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + shift


def test_frechet_distance_on_a_line_is_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 2, (50, 1)), rng.normal(-3, 0.5, (70, 1))
    expected = (first.mean() - second.mean()) ** 2 + (first.std(ddof=1) - second.std(ddof=1)) ** 2
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-12)


def test_gaussians_with_common_axes_have_a_closed_form() -> None:
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    first, second, shift = rng.uniform(0.1, 3, (3, 6))
    distance = gaussian_distance(shift, axes * first**2 @ axes.T, np.zeros(6), axes * second**2 @ axes.T)
    assert distance == pytest.approx((shift**2).sum() + ((first - second) ** 2).sum(), rel=1e-12)


def test_frechet_distance_agrees_with_the_matrix_root() -> None:
    real, samples = features(200, 8, 2), features(150, 8, 3, shift=0.5)
    covariances = np.cov(real, rowvar=False), np.cov(samples, rowvar=False)
    root = sqrtm(covariances[0] @ covariances[1])
    expected = ((real.mean(0) - samples.mean(0)) ** 2).sum() + np.trace(sum(covariances) - 2 * np.real(root))
    assert frechet_distance(real, samples) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(samples, real) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_few_items_in_many_dimensions() -> None:
    # Covariances of rank 9 in 40 dimensions: roots of the unsymmetric product are unstable here.
    real = features(10, 40, 4)
    assert frechet_distance(real, real) < 1e-9 * real.var()
    assert frechet_distance(real, real + 2.0) == pytest.approx(40 * 4.0, rel=1e-9)


def inside(point: np.ndarray, centre: int, items: np.ndarray, neighbours: int) -> bool:
    others = sorted(math.dist(items[centre], other) for number, other in enumerate(items) if number != centre)
    return math.dist(point, items[centre]) <= others[neighbours - 1]


@pytest.mark.parametrize("neighbours", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_neighbour_measures_against_brute_force(neighbours: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    real, samples = rng.normal(size=(9, 2)), rng.normal(0.7, 1, (7, 2))
    in_real = np.array([[inside(sample, i, real, neighbours) for sample in samples] for i in range(9)])
    in_samples = np.array([[inside(item, j, samples, neighbours) for item in real] for j in range(7)])
    precision, recall = precision_recall(real, samples, neighbours=neighbours)
    density, coverage = density_coverage(real, samples, neighbours=neighbours)
    assert precision == pytest.approx(in_real.any(0).mean())
    assert recall == pytest.approx(in_samples.any(0).mean())
    assert density == pytest.approx(in_real.sum() / (neighbours * 7))
    assert coverage == pytest.approx(in_real.any(1).mean())


def test_measures_do_not_depend_on_how_many_rows_are_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real, samples = features(50, 3, 0), features(40, 3, 1)
    whole = similarity(real, samples)
    monkeypatch.setattr("hizumi.evaluation.generation.ROWS_AT_ONCE", 7)
    assert similarity(real, samples) == whole
    assert (whole.real_count, whole.sample_count, whole.dimensions) == (50, 40, 3)
    assert (whole.precision_neighbours, whole.coverage_neighbours) == (3, 5)


def test_what_each_measure_is_for() -> None:
    """Samples of one of two modes: precise, and without recall or coverage of the other."""
    rng = np.random.default_rng(0)
    modes = rng.normal(0, 0.1, (400, 2)) + np.repeat([[0, 0], [5, 0]], 200, axis=0)
    collapsed = similarity(modes, rng.normal(0, 0.1, (400, 2)))
    healthy = similarity(modes, rng.permutation(modes) + rng.normal(0, 0.01, (400, 2)))
    noise = similarity(modes, rng.uniform(-20, 20, (400, 2)))
    assert collapsed.precision > 0.9
    assert collapsed.density > 0.9
    assert collapsed.recall < 0.55
    assert collapsed.coverage < 0.55
    assert healthy.recall > 0.9
    assert healthy.coverage > 0.9
    assert noise.precision < 0.1
    assert noise.density < 0.1
    assert healthy.frechet_distance < collapsed.frechet_distance < noise.frechet_distance


def test_features_that_cannot_be_compared() -> None:
    good = np.zeros((9, 3))
    with pytest.raises(DataError, match="3 samples are too few for this measure; it takes at least 4"):
        precision_recall(good, good[:3])
    with pytest.raises(DataError, match="features of the samples hold NaN"):
        frechet_distance(good, np.full((9, 3), np.nan))


def test_bits_per_dimension_is_the_entropy_of_what_generated_the_data() -> None:
    # Fair binary pixels cost one bit each; a Gaussian's levels cost its entropy.
    assert bits_per_dimension(np.array([12 * math.log(0.5)]), 12) == pytest.approx(1.0)
    width, deviation = 2 / 255, 0.2
    values = stats.norm(0, deviation).ppf((np.arange(4000) + 0.5) / 4000)
    levels = np.round(values / width)
    probability = np.diff(stats.norm(0, deviation).cdf((np.arange(levels.min(), levels.max() + 2) - 0.5) * width))
    entropy = -(probability * np.log2(probability)).sum()
    bits = bits_per_dimension(stats.norm(0, deviation).logpdf(levels * width), 1, bin_width=width)
    assert bits.mean() == pytest.approx(entropy, rel=1e-3)


def test_class_agreement() -> None:
    asked = np.repeat(np.arange(3), [4, 4, 2])
    found = np.array([0, 0, 0, 1, 1, 1, 1, 1, 0, 2])
    agreement = class_agreement(asked, found)
    assert agreement.share == 0.8
    assert agreement.by_class == {0: 0.75, 1: 1.0, 2: 0.5}
    low, high = agreement.interval
    assert stats.binom.sf(7, 10, low) == pytest.approx(0.025)
    assert stats.binom.cdf(8, 10, high) == pytest.approx(0.025)
    with pytest.raises(DataError, match="no samples"):
        class_agreement(asked[:0], found[:0])


def test_frechet_distance_is_unchanged_by_rotations_and_order() -> None:
    real, samples = features(60, 5, 0), features(60, 5, 1)
    axes = np.linalg.qr(features(5, 5, 2))[0]
    orders = itertools.islice(itertools.permutations(range(5)), 3)
    expected = frechet_distance(real, samples)
    assert frechet_distance(real @ axes, samples @ axes) == pytest.approx(expected, rel=1e-9)
    for order in orders:
        assert frechet_distance(real[:, order], samples[::-1][:, order]) == pytest.approx(expected, rel=1e-9)
