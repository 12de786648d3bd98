"""Promises over blocks in words, and a watch that finds drifts and keeps its bound on false ones."""

import numpy as np
import pytest

from hizumi.calibration import Calibration
from hizumi.calibration.blocks import EVER, BlockWatch, duration, promise_over_blocks


def test_a_promise_over_blocks_counts_alarms_blocks_and_time():
    ten = Calibration.fit(np.arange(10.0), false_alarm_rate=0.01).threshold
    assert promise_over_blocks(ten, 10, 128, 1.0) == (
        "10 blocks of 128 steps: at most 1 alarm in 11 blocks on average, or one in 23.5 min, as long as what comes is "
        "like what was held out."
    )
    many = Calibration.fit(np.arange(399.0), false_alarm_rate=0.01).threshold
    assert promise_over_blocks(many, 399, 128, None) == (
        "399 blocks of 128 steps: at most 4 alarms in 400 blocks on average, as long as what comes is like what was "
        "held out."
    )
    assert promise_over_blocks(Calibration.fit(np.arange(9.0), rule="quantile").threshold, 9, 128, None) == ""
    assert [duration(seconds) for seconds in (0.0005, 2, 90, 7200, 200_000)] == [
        "0.5 ms",
        "2 s",
        "1.5 min",
        "2 h",
        "2.31 days",
    ]


def first_drift(watch: BlockWatch, scores: np.ndarray):
    return next((drift for score in scores.tolist() if (drift := watch.observe(score)) is not None), None)


def test_blocks_like_those_held_out_are_hardly_ever_called_drifted():
    generator = np.random.default_rng(0)
    streams = 60
    alarms = 0
    for seed in range(streams):
        held_out, stream = generator.exponential(size=15).round(1), generator.exponential(size=200).round(1)
        alarms += first_drift(BlockWatch.after(held_out, seed=seed), stream) is not None
    assert alarms <= streams * EVER + 3 * np.sqrt(streams * EVER)


def test_a_drift_is_found_and_said_with_its_beginning_and_way():
    generator = np.random.default_rng(1)
    sinces = []
    for seed in range(20):
        held_out, stream = generator.normal(size=40), generator.normal(size=300)
        stream[100:] += 1.5
        drift = first_drift(BlockWatch.after(held_out, seed=seed), stream)
        assert drift is not None
        assert drift.higher
        assert 100 < drift.known < 250
        sinces.append(drift.since)
    assert np.median(sinces) == pytest.approx(100, abs=10)
    assert f"the last {drift.known - drift.since} of {drift.known} blocks rank higher" in drift.words
    lower = first_drift(BlockWatch.after(held_out), stream[:100] - 2)
    assert lower is not None
    assert "lower" in lower.words
