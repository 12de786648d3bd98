"""Limits keep their run length for levels that wander in many ways: charts of many baselines at once, written anew."""

import numpy as np
import pytest

from hizumi.calibration.spread import SUBGROUP, Spread
from hizumi.monitoring import Baseline, DriftWatch
from hizumi.monitoring.limits import FARTHEST, SLOW_FARTHEST, WEIGHT, Limits, Scale

LEARNED, BASELINES, CHARTS = 2000, 150, 4
RUNS = (np.linspace(0, LEARNED - SUBGROUP, 20).round().astype(int)[:, None] + np.arange(SUBGROUP)).ravel()


def wander(kind: str, pictures: int, length: int, generator: np.random.Generator) -> np.ndarray:
    """Levels (pictures, baselines) of standard deviation 1 that change within so many pictures."""
    places = np.arange(length)[:, None] + generator.integers(0, pictures, BASELINES)
    match kind:
        case "lots":
            levels = generator.normal(size=(places.max() // pictures + 1, BASELINES))
            return np.take_along_axis(levels, places // pictures, 0)
        case "waves":
            return np.sqrt(2) * np.sin(2 * np.pi * places / pictures)
    kept, found = np.exp(-1 / pictures), [generator.normal(size=BASELINES)]
    for step in generator.normal(size=(length - 1, BASELINES)) * np.sqrt(1 - kept**2):
        found.append(kept * found[-1] + step)
    return np.array(found)


def alarms(values: np.ndarray, scales: list[Scale], limits: list[Limits]) -> np.ndarray:
    """How often each baseline's charts of means, moving averages and sums signal."""
    centre, sigma, slow = np.array([(scale.centre, scale.sigma, scale.slow) for scale in scales]).T
    of_mean, of_ewma, of_sum, slack = np.array([(each.mean, each.ewma, each.cusum, each.slack) for each in limits]).T
    farthest = FARTHEST + SLOW_FARTHEST * slow
    standard = np.clip((values - centre) / sigma, -farthest, farthest)
    means = standard[: len(standard) // SUBGROUP * SUBGROUP].reshape(-1, SUBGROUP, BASELINES).mean(1)
    found = (np.abs(means) > of_mean).sum(0)
    average, sums = np.zeros(BASELINES), np.zeros((2, BASELINES))
    for row in standard:
        average += WEIGHT * (row - average)
        sums = np.maximum(0, sums + np.array([row, -row]) - slack)
        found += (np.abs(average) > of_ewma) + (sums > of_sum).sum(0)
        average[np.abs(average) > of_ewma] = 0
        sums[sums > of_sum] = 0
    return found


@pytest.mark.parametrize(("kind", "pictures"), [("noise", 20), ("noise", 100), ("lots", 50), ("waves", 500)])
def test_false_alarms_are_as_rare_as_stated_where_the_level_wanders(kind: str, pictures: int) -> None:
    generator = np.random.default_rng((7, pictures))
    learned = wander(kind, pictures, LEARNED, generator) + generator.normal(size=(LEARNED, BASELINES))
    spreads = [spread for values in learned[RUNS].T if (spread := Spread.of(values)) is not None]
    scales = [Scale.of(spread, 0.01) for spread in spreads]
    run_length = 1000.0
    limits = [Limits.of(scale, CHARTS * run_length) for scale in scales]
    values = wander(kind, pictures, 3000, generator) + generator.normal(size=(3000, BASELINES))
    assert alarms(values, scales, limits).mean() <= len(values) / run_length


def test_a_level_that_wanders_more_slowly_than_was_learned_is_named() -> None:
    generator = np.random.default_rng(5)
    noise = generator.normal(size=(LEARNED, BASELINES))
    named = {}
    for pictures in (1, 20, 500):
        values = noise + (wander("noise", pictures, LEARNED, generator) if pictures > 1 else 0)
        spreads = [spread for each in values[RUNS].T if (spread := Spread.of(each)) is not None]
        named[pictures] = np.mean([spread.wanders for spread in spreads])
    assert named[1] <= 0.02
    assert named[20] <= 0.05
    assert named[500] >= 0.5
    wandering = next(spread for spread in spreads if spread.wanders)
    watch = DriftWatch(Baseline(measures={"brightness": wandering}))
    assert "level wandered too slowly" in watch.status.words
