"""Charts that run value by value, against the charts of whole streams, published limits and simulation."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from hizumi.calibration.charts import CUSUM, EWMA, Points, Shewhart
from hizumi.calibration.spread import Spread
from hizumi.monitoring.limits import SLACK, WEIGHT, Limits, Scale
from hizumi.monitoring.majority import GAIN, TOLERATED, Majority, majority_limit
from hizumi.monitoring.measure import MeasureCharts

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_limits_of_known_processes_are_the_published_ones() -> None:
    limits = Limits.of(Scale(), 500)
    # Lucas and Saccucci, Technometrics 32 (1990), table 3: weight 0.1, width 2.814 for a run length of 500.
    assert limits.ewma == pytest.approx(2.814 * math.sqrt(0.1 / 1.9), rel=1e-3)
    # Montgomery, Introduction to Statistical Quality Control: k = 1/2 and h = 5 have a run length of 465.
    assert Limits.of(Scale(), 465).cusum == pytest.approx(5, abs=0.01)
    values = np.random.default_rng(0).normal(size=(400_000, 5))
    beyond = np.abs(values.mean(1)) > limits.mean, values.std(1, ddof=1) > limits.deviation
    for found in beyond:  # one subgroup in a hundred is one value in 500
        assert found.mean() == pytest.approx(0.01, abs=5e-4)


def test_points_are_those_of_charts_of_whole_streams() -> None:
    values = np.random.default_rng(1).normal(10, 2, 100).clip(7, 13)
    charts = MeasureCharts("contrast", Scale(10, 2), Limits.of(Scale(), 1e6))
    signals = [charts.observe(START, value) for value in values.tolist()]
    assert not any(signals)
    standard = (values - 10) / 2

    def middle(start: int) -> float:
        return sorted(standard[start : start + 5])[2]

    means, _ = Shewhart(0, 1, 5, "deviation").run(standard)
    drawn_in = standard.copy()
    for start in range(0, 100, 5):  # the farthest of each five goes to the next
        nearest_first = sorted(range(start, start + 5), key=lambda place: abs(standard[place] - middle(start)))
        drawn_in[nearest_first[-1]] = standard[nearest_first[-2]]
    _, deviations = Shewhart(0, 1, 5, "deviation").run(drawn_in)
    rising, falling = CUSUM(0, 1, SLACK).run(standard)
    expected: dict[str, Points] = {
        "mean": means,
        "deviation": deviations,
        "ewma": EWMA(0, 1, WEIGHT).run(standard),
        "cusum_rising": rising,
        "cusum_falling": falling,
    }
    for name, points in expected.items():
        np.testing.assert_allclose([point.value for point in charts.points[name]], points.values, atol=1e-12)


def test_a_signal_tells_its_way_and_since_when_and_the_chart_starts_again() -> None:
    charts = MeasureCharts("contrast", Scale(), Limits.of(Scale(), 1e4))
    found = []
    for number in range(40):
        value = 0.0 if number < 20 else -2.0
        found += charts.observe(START + timedelta(seconds=number), value)
    first = found[0]
    assert (first.way, first.since) == (-1, START + timedelta(seconds=20))
    assert {"mean", "ewma", "cusum_falling"} <= {signal.chart for signal in found}
    assert charts.sums[1] <= charts.limits.cusum
    for number in range(10):
        found = charts.observe(START, 3.0 * (-1) ** number)
    assert [signal.chart for signal in found if signal.way == 0] == ["deviation"]


def test_one_value_alone_never_alarms() -> None:
    generator = np.random.default_rng(2)
    for _ in range(20):
        spread = Spread.of(generator.normal(size=(20, 1)).repeat(5, 1).ravel() + generator.normal(size=100))
        assert spread is not None
        scale = Scale.of(spread, 0.01)
        charts = MeasureCharts("contrast", scale, Limits.of(scale, 1000))
        assert not any(charts.observe(START, value) for value in [scale.centre] * 7 + [1e9] + [scale.centre] * 20)


def test_a_majority_has_the_stated_run_length_where_a_fifth_is_flawed() -> None:
    run_length = 300.0
    flaws = np.random.default_rng(3).random((40, 2500)) < TOLERATED
    alarms = 0
    for stream in flaws.tolist():
        majority = Majority(majority_limit(run_length))
        alarms += sum(majority.add(START, flawed)[1] for flawed in stream)
    assert flaws.size / max(alarms, 1) >= run_length
    majority = Majority(majority_limit(run_length))
    alarmed = [majority.add(START, True)[1] for _ in range(10)]
    assert alarmed.index(True) + 1 == math.ceil(math.log(run_length) / GAIN)
