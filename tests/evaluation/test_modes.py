"""Mode coverage against closed forms."""

import math

import numpy as np
import pytest

from hizumi.data.toys import TOYS, toy
from hizumi.evaluation.generation import mode_coverage


def at_modes(counts: list[int], centres: np.ndarray) -> np.ndarray:
    return np.repeat(centres[: len(counts)], counts, axis=0)


@pytest.mark.parametrize("name", TOYS)
def test_the_data_themselves(name: str) -> None:
    """Three standard deviations of a round Gaussian in the plane hold 1 - exp(-9/2) of it."""
    target = toy(name)
    coverage = mode_coverage(target.sample(100_000), target.centres, target.standard_deviation)
    assert coverage.captured == coverage.modes == len(target.centres)
    assert coverage.high_quality_share == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    # Twice the count times the divergence from uniform is about chi-squared with modes - 1 degrees of freedom.
    assert coverage.divergence < 60 / (2 * 100_000)


def test_unequal_modes_by_hand() -> None:
    """Shares 3/4 and 1/4 of two modes out of eight: KL = 3/4 log 6 + 1/4 log 2."""
    centres = toy("ring").centres
    samples = np.concatenate([at_modes([3, 1], centres), np.zeros((4, 2))])
    coverage = mode_coverage(samples, centres, 0.02)
    assert (coverage.captured, coverage.modes, coverage.samples) == (2, 8, 8)
    assert coverage.high_quality_share == 0.5
    assert coverage.divergence == pytest.approx(0.75 * math.log(6) + 0.25 * math.log(2))


def test_total_collapse_and_none_at_all() -> None:
    centres = toy("grid").centres
    one = mode_coverage(at_modes([10], centres), centres, 0.05)
    assert (one.captured, one.high_quality_share) == (1, 1)
    assert one.divergence == pytest.approx(math.log(25))
    none = mode_coverage(np.full((10, 2), 1.0), centres, 0.05)
    assert (none.captured, none.high_quality_share) == (0, 0)
    assert math.isnan(none.divergence)


@pytest.mark.parametrize(("distance", "good"), [(2.99, True), (3.01, False)])
def test_the_border_lies_at_three_standard_deviations_in_any_direction(distance: float, good: bool) -> None:
    centres = toy("grid").centres
    for angle in np.linspace(0, 2 * np.pi, 12):
        sample = centres[7:8] + 0.05 * distance * np.array([[np.cos(angle), np.sin(angle)]])
        assert mode_coverage(sample, centres, 0.05).captured == good


def test_another_border_and_dimension() -> None:
    """The 1200-dimensional toy of VEEGAN counts up to 10 standard deviations."""
    centres = 5 * np.eye(3, 1200)
    samples = centres[[0, 1, 1, 2]] + 0.2 * np.eye(4, 1200)[[3, 3, 3, 3]]
    assert mode_coverage(samples, centres, 0.1).captured == 3
    assert mode_coverage(samples, centres, 0.01, within=10).captured == 0
    assert mode_coverage(samples, centres, 0.01, within=21).captured == 3
