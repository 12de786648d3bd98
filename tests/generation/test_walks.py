"""Ways through codes against formulas."""

import numpy as np
import pytest

from hizumi.errors import UsageError
from hizumi.generation.walks import along_axis, around_mean, between, combined


def codes(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def test_only_the_axis_moves() -> None:
    start = codes(3, 2, 2)
    ways = along_axis(start, 2, np.array([-1.0, 0.0, 2.0]))
    assert ways.shape == (3, 3, 2, 2)
    for row in range(3):
        for step, value in enumerate((-1.0, 0.0, 2.0)):
            expected = start[row].copy()
            expected[1, 0] = value
            np.testing.assert_array_equal(ways[row, step], expected)
    with pytest.raises(UsageError, match="no axis 4; the code has 4 numbers"):
        along_axis(start, 4, np.zeros(2))


def test_values_on_both_sides_of_the_mean() -> None:
    some = codes(50, 3) * 2 + 5
    values = around_mean(some, 1, reach=2.0, steps=5, drawn=False)
    assert values.mean() == pytest.approx(some[:, 1].mean(), rel=1e-6)
    assert values[-1] - values[0] == pytest.approx(4 * some[:, 1].std(), rel=1e-6)
    np.testing.assert_allclose(around_mean(some, 1, reach=2.0, steps=5, drawn=True), [-2, -1, 0, 1, 2])


def test_the_straight_way() -> None:
    first, second = codes(2, 3), codes(2, 3, seed=1)
    ways = between(first, second, 5, on_sphere=False)
    for step in range(5):
        np.testing.assert_allclose(ways[:, step], first + step / 4 * (second - first), atol=1e-6)


def test_the_way_on_the_sphere_turns_evenly() -> None:
    first, second = codes(4, 10), codes(4, 10, seed=1)
    ways = between(first, second, 7, on_sphere=True).astype(np.float64)
    np.testing.assert_allclose(ways[:, 0], first, atol=1e-6)
    np.testing.assert_allclose(ways[:, -1], second, atol=1e-6)
    lengths = np.linalg.norm(ways, axis=2)
    np.testing.assert_allclose(np.diff(lengths, 2), 0, atol=1e-5)
    directions = ways / lengths[:, :, np.newaxis]
    angles = np.arccos((directions[:, 1:] * directions[:, :-1]).sum(2))
    np.testing.assert_allclose(angles, angles[:, :1].repeat(6, 1), atol=1e-5)


def test_ways_between_parallel_codes_are_straight() -> None:
    first = codes(2, 4)
    for second in (first, 2 * first, -first):
        ways = between(first, second, 3, on_sphere=True)
        np.testing.assert_allclose(ways[:, 1], (first + second) / 2, atol=1e-5)


def test_sums_of_mean_codes() -> None:
    one, two, three = codes(3, 4), codes(5, 4, seed=1), codes(2, 4, seed=2)
    np.testing.assert_allclose(combined([one, two], [three]), one.mean(0) + two.mean(0) - three.mean(0), atol=1e-6)
    with pytest.raises(UsageError, match="at least one group to add"):
        combined([], [one])
