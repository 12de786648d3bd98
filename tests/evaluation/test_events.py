"""Events and alarms: a case by hand, chance against every shift, and runs against brute force."""

import math
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hizumi.evaluation.events import EventCounts, counted_events, delays, events_by_chance, runs

flags = st.lists(st.booleans(), min_size=1, max_size=60).map(np.array)


def steps(text: str) -> np.ndarray:
    return np.array([each != "." for each in text])


def test_a_case_by_hand():
    labels = steps("....................EEEE....................E...........EEE")
    alarms = steps("A.A....A.........A....AA...A........A.AA..................A")
    # Quiet with a window of 3: steps 0 to 16, 27 to 40 and 48 to 52. False: 0 with 2, 7, 27, 36 with 38 and 39.
    counts = counted_events(alarms, labels, window=3)
    assert counts == EventCounts(events=3, found=2, delay=2 + 2, quiet=17 + 14 + 5, flagged=7, false_alarms=4)
    assert counts.event_recall == 2 / 3
    assert counts.mean_delay == 2
    assert counts.false_alarms_per_1000 == pytest.approx(1000 * 4 / 36)
    assert counts.flagged_share == pytest.approx(7 / 36)
    np.testing.assert_equal(delays(alarms, labels), [2, math.nan, 2])


@settings(max_examples=60, deadline=None)
@given(flags)
def test_runs_are_those_of_equal_neighbours(values):
    start, found = 0, []
    for flag, group in groupby(values.tolist()):
        stop = start + len(list(group))
        found += [[start, stop]] if flag else []
        start = stop
    assert runs(values).tolist() == found


@settings(max_examples=60, deadline=None)
@given(st.data(), flags, st.integers(1, 8))
def test_by_chance_is_the_mean_over_all_shifts(data, labels, window):
    alarms = data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels)).map(np.array))
    shifted = [counted_events(np.roll(alarms, by), labels, window) for by in range(len(labels))]
    expected = np.array(EventCounts.total(shifted)) / len(labels)
    np.testing.assert_allclose(events_by_chance(alarms, labels, window), expected, atol=1e-9)


def test_nothing_to_find_is_no_number():
    silent = counted_events(steps("...."), steps("...."), window=1)
    assert silent == EventCounts(0, 0, 0, 4, 0, 0)
    assert math.isnan(silent.event_recall)
    assert math.isnan(silent.mean_delay)
    assert silent.false_alarms_per_1000 == 0
    covered = counted_events(steps("A..A"), steps(".EE."), window=1)
    assert covered == EventCounts(1, 0, 0, 0, 0, 0)
    assert math.isnan(covered.false_alarms_per_1000)
    assert events_by_chance(steps("...."), steps(".EE."), window=1) == EventCounts(1, 0, 0, 0, 0, 0)
