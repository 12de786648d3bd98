"""What is known of a step at once: the newest window's score, held until the next one has ended."""

import math

import numpy as np
import pytest

from hizumi.evaluation import causal_measures, volumes_under_surfaces
from hizumi.evaluation.metrics import average_precision


def test_steps_have_the_score_of_the_last_window_that_ended() -> None:
    generator = np.random.default_rng(0)
    labels = np.zeros(200, dtype=int)
    labels[80:120] = 1
    every = np.repeat(generator.normal(size=49) + 2 * (np.arange(49) > 17), 4)  # one ends at step 4, 8, 12 ...
    known = np.full(200, math.nan)
    known[4::4] = every[::4]
    found = causal_measures([known], [labels], threshold=2.0, length=8)
    assert found is not None
    assert found.steps == 196
    assert found.average_precision == pytest.approx(average_precision(every, labels[4:]))
    volume = volumes_under_surfaces(every, labels[4:] == 1, 8).precision_recall
    assert found.vus_pr == pytest.approx(float(volume))
    first = np.flatnonzero((every > 2) & (labels[4:] == 1))
    assert (found.events.events, found.events.found) == (1, 1)
    assert found.events.mean_delay == first[0] - 76
    assert found.to_dict()["event_recall"] == 1.0


def test_recordings_without_a_window_are_left_out_and_one_class_has_no_ranking() -> None:
    unknown = np.full(10, math.nan)
    assert causal_measures([unknown], [np.zeros(10)], 1.0, 4) is None
    found = causal_measures([unknown, np.arange(10.0)], [np.ones(10), np.zeros(10)], 7.0, 4)
    assert found is not None
    assert found.steps == 10
    assert math.isnan(found.vus_pr)
    assert found.to_dict()["vus_pr"] is None
    assert found.events.flagged == 2
