"""Core-sets and nearest neighbours against brute force, scikit-learn and the definitions."""

import itertools

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.neighbors import NearestNeighbors

from hizumi.data.stream import TensorSource
from hizumi.detectors import NearestFeatures
from hizumi.detectors.core_set import Reservoir, core_set, nearest, projected
from hizumi.errors import UsageError

RANDOM = torch.Generator().manual_seed(0)


def farthest_from_chosen(rows: np.ndarray, size: int) -> list[int]:
    chosen = [0]
    while len(chosen) < size:
        chosen.append(int(np.argmax(np.linalg.norm(rows[:, None] - rows[chosen], axis=2).min(1))))
    return chosen


def radius(rows: np.ndarray, chosen: tuple[int, ...] | list[int]) -> float:
    """Distance of the row that is farthest from its nearest chosen one."""
    return float(np.linalg.norm(rows[:, None] - rows[list(chosen)], axis=2).min(1).max())


def test_core_set_is_the_greedy_one() -> None:
    rows = torch.randn(160, 7, generator=RANDOM, dtype=torch.float64) + 100
    assert core_set(rows, 150).tolist() == farthest_from_chosen(rows.numpy(), 150)  # over more than two blocks
    assert sorted(core_set(rows, 200).tolist()) == list(range(160))


def test_core_set_remembers_the_second_row_chosen_over_a_block() -> None:
    # Far rows come first, so that only the product over a whole block tells the last row but one of the second chosen:
    # it is at 3 from the first and at 2 from the second, and the last row is at 2.5 from the first.
    axes = torch.eye(80, dtype=torch.float64)
    far = torch.linspace(4.99, 4.9, 74, dtype=torch.float64)[:, None] * axes[1:75]
    rows = torch.cat([0 * axes[:1], 5 * axes[:1], far, 3 * axes[:1], 2.5 * axes[75:76]])
    chosen = core_set(rows, 77).tolist()
    assert chosen == farthest_from_chosen(rows.numpy(), 77)
    assert chosen[-1] == 77


@pytest.mark.parametrize("seed", range(5))
def test_core_set_is_at_most_twice_as_wide_as_the_best(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(12, 2))
    best = min(radius(rows, chosen) for chosen in itertools.combinations(range(12), 4))
    assert radius(rows, core_set(torch.from_numpy(rows), 4).tolist()) <= 2 * best


def test_core_set_ends_where_nothing_new_is_left() -> None:
    different = torch.randn(5, 4, generator=RANDOM)
    assert sorted(core_set(different.repeat(6, 1), 20).tolist()) == [0, 1, 2, 3, 4]


def test_nearest_is_scikit_learns() -> None:
    # Far from zero, where the quick formula for distances loses its digits.
    memory, rows = torch.randn(2, 300, 16, generator=RANDOM) + 50
    expected, where = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(memory.double()).kneighbors(rows.double())
    distances, indices = nearest(rows, memory, 4)
    np.testing.assert_allclose(distances, expected, rtol=1e-4)
    np.testing.assert_array_equal(indices, where)
    assert nearest(memory, memory, 1)[0].max() == 0
    for size in (1, 63, 64, 300):  # whole blocks and parts of one
        alone, place = nearest(rows, memory[:size], 1)
        plain = torch.cdist(rows.double(), memory[:size].double())
        np.testing.assert_allclose(alone, plain.amin(1, keepdim=True), rtol=1e-4)
        np.testing.assert_array_equal(place[:, 0], plain.argmin(1))


def test_reservoir_is_bounded_and_even() -> None:
    counts = torch.zeros(40)
    for seed in range(300):
        sample = Reservoir(8, seed)
        for part in torch.arange(40.0)[:, None].split(9):
            sample.add(part)
        assert sample.rows is not None
        assert sample.rows.shape == (8, 1)
        counts[sample.rows[:, 0].long()] += 1
    # Each of 40 rows is among the 8 in 60 of 300 samples, give or take a standard deviation of 7.
    assert counts.sum() == 2400
    assert (counts - 60).abs().max() < 4 * 7
    assert float((counts - 60).square().mean()) < 2 * 48


def test_projection_keeps_distances() -> None:
    rows = torch.randn(50, 400, generator=RANDOM, dtype=torch.float64)
    ratio = torch.pdist(projected(rows, 200)) / torch.pdist(rows)
    assert abs(float(ratio.mean()) - 1) < 0.02
    assert float(ratio.std()) < 0.08  # 1 / sqrt(2 * 200) = 0.05 for each, and they are not independent
    assert projected(rows, 400) is rows


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(30, 1, 32, 40, generator=RANDOM) * 2 - 1


def test_score_map_and_weight_are_patchcores(images: torch.Tensor) -> None:
    train, test = images[:24], images[24:]
    detector = NearestFeatures(
        levels=(3, 4),
        input_size=None,
        memory=60,
        candidates=200,
        neighbours=2,
        standardised=False,
        reweighting=3,
    ).fit(train)
    memory = detector.patches.patches
    assert memory is not None
    assert memory.shape == (60, 64)
    anomaly = detector.score(test)
    memory = memory.double().numpy()
    with torch.no_grad():
        placed = detector._placed(test).double().numpy()  # (n, 4 x 5, 64)
    expected = []
    for patches in placed:
        distances = np.sort(np.linalg.norm(patches[:, None] - memory, axis=2), 1)[:, :2].mean(1)
        worst = patches[distances.argmax()]
        closest = memory[np.linalg.norm(memory - worst, axis=1).argmin()]
        around = memory[np.linalg.norm(memory - closest, axis=1).argsort()[:3]]
        exponentials = np.exp(np.linalg.norm(around - worst, axis=1))
        expected.append((1 - exponentials[0] / exponentials.sum()) * distances.max())
    np.testing.assert_allclose(anomaly.image, expected, rtol=1e-4)
    np.testing.assert_allclose(anomaly.terms["weight"] * anomaly.terms["distance"], expected, rtol=1e-4)


def test_standardised_score_is_the_largest_of_the_map_relative_to_held_out_images(images: torch.Tensor) -> None:
    detector = NearestFeatures(levels=(3, 4), input_size=None, memory=60, candidates=200, blur=0.8)
    detector.fit(images[:24])
    anomaly = detector.score(images[24:])
    with torch.no_grad():
        placed = detector._placed(images[24:])
    memory = detector.patches.patches
    assert memory is not None
    distances = NearestNeighbors(n_neighbors=1).fit(memory).kneighbors(placed.flatten(0, 1))[0].reshape(6, 4, 5)
    blurred = gaussian_filter(distances, (0, 0.8, 0.8), mode="mirror", truncate=3.5)
    scaled = (blurred.reshape(6, -1) - detector.scale.mean.numpy()) / detector.scale.deviation.numpy()
    np.testing.assert_allclose(anomaly.image, scaled.max(1), rtol=1e-4)
    shown = torch.nn.functional.interpolate(torch.from_numpy(blurred)[:, None], (32, 40), mode="bilinear")
    assert anomaly.pixel is not None
    np.testing.assert_allclose(anomaly.pixel, shown, rtol=1e-4)


def test_any_number_of_images_leaves_the_memory_bounded(images: torch.Tensor) -> None:
    many = TensorSource(images.repeat(10, 1, 1, 1))
    detector = NearestFeatures(levels=(3,), input_size=None, memory=30, candidates=100).fit(many)
    assert detector.patches.patches is not None
    assert len(detector.patches.patches) <= 30


def test_settings_that_cannot_be(images: torch.Tensor) -> None:
    for settings, message in (
        ({"memory": 100, "candidates": 50}, "at most the next"),
        ({"neighbourhood": 2}, "odd number"),
        ({"top_share": 1.5}, "from 0 to 1"),
        ({"flatten": -1.0}, "above 0"),
        ({"reweighting": 3}, "standardised=False"),
        ({"levels": (0,)}, "from 1 to 9"),
    ):
        with pytest.raises(UsageError, match=message):
            NearestFeatures(**settings).fit(images)
