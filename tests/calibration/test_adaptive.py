"""The adaptive threshold: its bound for any scores whatever, the conformal one at first, and drifts that it follows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hizumi.calibration import Calibration
from hizumi.calibration.adaptive import AdaptiveThreshold
from hizumi.errors import DataError, UsageError


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20),
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200),
    st.sampled_from([0.02, 0.1, 0.5]),
    st.sampled_from([0.05, 0.3]),
    st.booleans(),
)
def test_the_share_of_alarms_keeps_its_bound_whatever_comes(held_out, scores, rate, step, spiteful):
    threshold = AdaptiveThreshold.after(np.array(held_out), rate, step=step, memory=30)
    alarms = 0
    for score in scores:
        if spiteful and math.isfinite(threshold.value):  # over the threshold wherever that is possible
            score = math.nextafter(threshold.value, math.inf)
        alarms += threshold.judge(score)
    assert abs(alarms / len(scores) - rate) <= (max(rate, 1 - rate) + step) / (step * len(scores)) + 1e-9


def test_it_begins_as_the_conformal_threshold_and_follows_a_drift():
    generator = np.random.default_rng(0)
    held_out = generator.normal(size=99)
    fixed = Calibration.fit(held_out, false_alarm_rate=0.05)
    threshold = AdaptiveThreshold.after(held_out, 0.05, memory=200)
    assert threshold.value == pytest.approx(fixed.threshold.value, rel=1e-5)
    drifting = generator.normal(size=4000) + np.linspace(0, 20, 4000)
    alarms = np.array([threshold.judge(score) for score in drifting.tolist()])
    assert fixed.is_anomalous(drifting).mean() > 0.8
    assert alarms[:2000].mean() == pytest.approx(0.05, abs=0.02)
    assert alarms[2000:].mean() == pytest.approx(0.05, abs=0.02)
    assert "5% of blocks raise an alarm whatever comes" in threshold.promise


def test_what_it_cannot_start_from_is_refused():
    with pytest.raises(UsageError, match="the rate is 1"):
        AdaptiveThreshold.after(np.ones(3), 1.0)
    with pytest.raises(UsageError, match="step is 0"):
        AdaptiveThreshold.after(np.ones(3), 0.1, step=0.0)
    with pytest.raises(DataError, match="calibrate first"):
        AdaptiveThreshold.after(np.ones(0), 0.1)
    with pytest.raises(DataError, match="NaN"):
        AdaptiveThreshold.after(np.ones(3), 0.1).judge(math.nan)
