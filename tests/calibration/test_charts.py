"""Control charts against published constants and run lengths, plain loops and simulation."""

import math

import numpy as np
import pytest

from hizumi.calibration.charts import CUSUM, EWMA, Shewhart, constants, range_quantile, western_electric
from hizumi.calibration.run_length import (
    cusum_limit,
    cusum_run_length,
    ewma_run_length,
    ewma_width,
    shewhart_run_length,
    shewhart_width,
)
from hizumi.errors import DataError, UsageError

# Montgomery, Introduction to Statistical Quality Control, appendix VI: A2, D3, D4, d2, A3, B3, B4, c4.
PUBLISHED = {
    2: (1.880, 0, 3.267, 1.128, 2.659, 0, 3.267, 0.7979),
    3: (1.023, 0, 2.574, 1.693, 1.954, 0, 2.568, 0.8862),
    4: (0.729, 0, 2.282, 2.059, 1.628, 0, 2.266, 0.9213),
    5: (0.577, 0, 2.114, 2.326, 1.427, 0, 2.089, 0.9400),
    6: (0.483, 0, 2.004, 2.534, 1.287, 0.030, 1.970, 0.9515),
    7: (0.419, 0.076, 1.924, 2.704, 1.182, 0.118, 1.882, 0.9594),
    8: (0.373, 0.136, 1.864, 2.847, 1.099, 0.185, 1.815, 0.9650),
    9: (0.337, 0.184, 1.816, 2.970, 1.032, 0.239, 1.761, 0.9693),
    10: (0.308, 0.223, 1.777, 3.078, 0.975, 0.284, 1.716, 0.9727),
}


def first_alarms(alarms):
    """Points until the first alarm of each stream; streams without one are refused."""
    assert alarms.any(-1).all(), "the streams are too short"
    return alarms.argmax(-1) + 1


def gaussian(streams, values, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (streams, values))


@pytest.mark.parametrize("size", PUBLISHED)
def test_constants_equal_the_table(size):
    found = constants(size)
    names = ("A2", "D3", "D4", "d2", "A3", "B3", "B4", "c4")
    np.testing.assert_allclose([getattr(found, name) for name in names], PUBLISHED[size], atol=6e-4)


def test_range_of_two_has_closed_forms():
    # |x - y| is half-normal with variance 2: its moments and quantiles are known.
    assert constants(2).d2 == pytest.approx(2 / math.sqrt(math.pi), abs=1e-12)
    assert constants(2).d3 == pytest.approx(math.sqrt(2 - 4 / math.pi), abs=1e-12)
    assert range_quantile(math.erf(0.5), 2) == pytest.approx(1.0, abs=1e-9)


def test_charts_of_a_worked_example():
    values = np.array([4.0, 6, 5, 7, 3, 5, 6, 8, 4])
    chart = Shewhart.fit(values, size=3)
    assert chart.centre == pytest.approx(48 / 9)
    assert chart.sigma == pytest.approx((2 + 4 + 4) / 3 / 1.6926, rel=1e-4)
    mean, spread = chart.run(values)
    np.testing.assert_allclose(mean.values, [5, 5, 6])
    np.testing.assert_allclose(mean.upper, 48 / 9 + 1.0233 * 10 / 3, rtol=1e-4)
    np.testing.assert_allclose(spread.values, [2, 4, 4])
    np.testing.assert_allclose(spread.upper, 2.5746 * 10 / 3, rtol=1e-4)
    np.testing.assert_allclose(spread.lower, 0)
    assert (mean.onset.tolist(), mean.seen.tolist()) == ([0, 3, 6], [2, 5, 8])
    deviations = Shewhart.fit(values, size=3, spread="deviation").run(values)
    average = np.mean([np.std(values[i : i + 3], ddof=1) for i in (0, 3, 6)])
    np.testing.assert_allclose(deviations[0].upper, 48 / 9 + 1.9544 * average, rtol=1e-4)
    np.testing.assert_allclose(deviations[1].upper, 2.5682 * average, rtol=1e-4)


def test_single_values_have_moving_ranges():
    values = np.array([10.0, 12, 11, 15, 9])
    chart = Shewhart.fit(values, size=1)
    single, moving = chart.run(values)
    moving_range = np.mean([2, 1, 4, 6])
    np.testing.assert_allclose(single.upper, 11.4 + 2.6587 * moving_range, rtol=1e-4)
    np.testing.assert_allclose(moving.values, [2, 1, 4, 6])
    np.testing.assert_allclose(moving.upper, 3.2665 * moving_range, rtol=1e-4)
    assert moving.onset.tolist() == [0, 1, 2, 3]


def test_exact_limits_of_spread_are_passed_as_rarely_as_those_of_the_mean():
    values = gaussian(1, 1_500_000)[0]
    share = math.erfc(2 / math.sqrt(2))
    for spread in ("range", "deviation"):
        for points in Shewhart(0, 1, 5, spread, width=2, exact=True).run(values):
            error = math.sqrt(share / points.alarms.size)
            assert points.alarms.mean() == pytest.approx(share, abs=4 * error)


def test_ewma_and_cusum_equal_plain_loops():
    values = gaussian(3, 40, shift=0.7)
    ewma, (rising, falling) = EWMA(0.2, 1.5, 0.3, 2.0).run(values), CUSUM(0.2, 1.5, 0.4, 3.0).run(values)
    for stream in range(3):
        average, above, below, began = 0.2, 0.0, 0.0, 0
        for time, value in enumerate(values[stream]):
            average = 0.3 * value + 0.7 * average
            began = time if above == 0 else began
            above = max(0.0, above + (value - 0.2) / 1.5 - 0.4)
            below = max(0.0, below - (value - 0.2) / 1.5 - 0.4)
            half = 2.0 * 1.5 * math.sqrt(0.3 / 1.7 * (1 - 0.7 ** (2 * (time + 1))))
            assert ewma.values[stream, time] == pytest.approx(average)
            assert ewma.upper[time] == pytest.approx(0.2 + half)
            assert bool(ewma.alarms[stream, time]) == (abs(average - 0.2) > half)
            assert (rising.values[stream, time], rising.onset[stream, time]) == (pytest.approx(above), began)
            assert falling.values[stream, time] == pytest.approx(below)
            assert bool(rising.alarms[stream, time]) == (above > 3.0)


def test_onset_is_where_a_shift_began():
    values = np.concatenate([np.tile([0.5, -0.6], 50), np.full(20, 2.0)])
    for points in (EWMA(0, 1).run(values), CUSUM(0, 1).run(values)[0]):
        assert points.onset[points.alarms.argmax()] == 100


def test_western_electric_rules_one_by_one():
    beyond_two = np.array([0, 2.1, 0.3, 2.2, 0, 0])
    beyond_one = np.array([-1.1, -1.2, 0.5, -1.3, -1.4, 0])
    one_side = np.array([0.1] * 8 + [-0.1])
    first, second, third, fourth = western_electric(np.array([0.0, 3.1, -2.9, -3.2]))
    assert first.tolist() == [False, True, False, True]
    assert western_electric(beyond_two)[1].tolist() == [False, False, False, True, False, False]
    assert western_electric(beyond_one)[2].tolist() == [False] * 4 + [True, False]
    assert western_electric(one_side)[3].tolist() == [False] * 7 + [True, False]
    assert [int(rule.sum()) for rule in (second, third, fourth)] == [1, 0, 0]


# Montgomery, table 9.3 (slack 1/2) and table 9.11, by the shift in sigma.
@pytest.mark.parametrize(
    ("limit", "published"),
    [
        (4, {0: 168, 0.25: 74.2, 0.5: 26.6, 1: 8.38, 2: 3.34, 3: 2.19}),
        (5, {0: 465, 0.25: 139, 0.5: 38.0, 1: 10.4, 2: 4.01, 3: 2.57}),
    ],
)
def test_cusum_run_lengths_equal_the_table(limit, published):
    for shift, length in published.items():
        assert cusum_run_length(limit, 0.5, shift) == pytest.approx(length, rel=6e-3)


@pytest.mark.parametrize(
    ("weight", "width", "published"),
    [
        (0.4, 3.054, {0: 500, 0.5: 71.2, 1: 14.3, 2: 3.5}),
        (0.2, 2.962, {0: 500, 0.5: 41.8, 1: 10.5, 2: 3.7}),
        (0.1, 2.814, {0: 500, 0.5: 31.3, 1: 10.3, 2: 4.4}),
        (0.1, 2.703, {0: 370}),
        (0.05, 2.615, {0: 500, 0.5: 28.8, 1: 11.4, 2: 5.2}),
    ],
)
def test_ewma_run_lengths_equal_the_table(weight, width, published):
    for shift, length in published.items():
        assert ewma_run_length(weight, width, shift, exact=False) == pytest.approx(length, rel=0.015)


def test_shewhart_run_lengths():
    assert shewhart_run_length(3) == pytest.approx(370.4, abs=0.05)
    assert shewhart_run_length(3, shift=1) == pytest.approx(43.9, abs=0.05)  # Montgomery, table 9.1
    assert shewhart_run_length(3, shift=1, size=5) == pytest.approx(4.5, abs=0.05)  # of means of five, the same table
    assert shewhart_width(370.4) == pytest.approx(3, abs=1e-4)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_run_lengths_equal_simulation(shift):
    values = gaussian(4000, 900 if shift == 0 else 100, seed=1, shift=shift)
    rising, falling = CUSUM(0, 1, 0.5, 3).run(values)
    for lengths, expectation in (
        (first_alarms(EWMA(0, 1, 0.2, 2).run(values).alarms), ewma_run_length(0.2, 2, shift)),
        (first_alarms(rising.alarms | falling.alarms), cusum_run_length(3, 0.5, shift)),
    ):
        assert lengths.mean() == pytest.approx(expectation, abs=4 * lengths.std() / math.sqrt(len(lengths)))


def test_all_four_rules_alarm_every_92_points():
    # Champ & Woodall, Exact results for Shewhart charts with supplementary runs rules, Technometrics 1987: 91.75.
    values = gaussian(4000, 1100, seed=2)
    lengths = first_alarms(Shewhart(0, 1, 1, rules=True).run(values)[0].alarms)
    assert lengths.mean() == pytest.approx(91.75, abs=4 * lengths.std() / math.sqrt(len(lengths)))


def test_limits_are_found_for_a_wanted_run_length():
    assert ewma_run_length(0.1, ewma_width(800, 0.1)) == pytest.approx(800, rel=1e-6)
    assert cusum_run_length(cusum_limit(800), 0.5) == pytest.approx(800, rel=1e-6)
    assert cusum_run_length(cusum_limit(1e6, shift=0.1), shift=0.1) == pytest.approx(1e6, rel=1e-6)
    with pytest.raises(UsageError, match="out of reach"):
        shewhart_width(1)


def test_too_little_is_refused():
    with pytest.raises(DataError, match="do not fill a subgroup of 5"):
        Shewhart(0, 1).run(np.zeros(4))
    with pytest.raises(UsageError, match="have no spread"):
        constants(1)
