"""Measures of recordings: chance is what random scores get, intervals hold the truth, pooled is one long recording."""

import math

import numpy as np
import pytest

from hizumi.errors import DataError
from hizumi.evaluation.series import series_measures
from hizumi.evaluation.volume import volumes_under_surfaces

LENGTH = 32


def recording(seed: int, steps: int = 2000, events: int = 4, shift: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.zeros(steps, dtype=bool)
    for start in generator.integers(0, steps - 40, events):
        labels[start : start + 40] = True
    return generator.normal(size=steps) + shift * labels, labels


def measured(count: int, shift: float = 2.0, first: int = 0, threshold: float = 2.5):
    scores, labels = zip(*(recording(first + seed, shift=shift) for seed in range(count)), strict=True)
    return series_measures(scores, labels, threshold, LENGTH)


def test_random_scores_measure_as_chance_says():
    result = measured(12, shift=0.0)
    for name, measure in result.measures().items():
        assert measure.pooled.low <= measure.pooled_by_chance <= measure.pooled.high, name
        assert measure.median_by_chance == pytest.approx(measure.pooled_by_chance, rel=0.2), name
    for measure in (result.vus_pr, result.vus_roc, result.average_precision):
        assert measure.pooled.value == pytest.approx(measure.pooled_by_chance, rel=0.1)


def test_of_one_recording_pooled_and_median_are_its_own():
    scores, labels = recording(3)
    result = series_measures([scores], [labels.astype(int)], 2.5, LENGTH)
    roc, precision_recall = volumes_under_surfaces(scores, labels, LENGTH)
    assert result.vus_pr.pooled.value == pytest.approx(float(precision_recall), abs=1e-12)
    assert result.vus_roc.median.value == pytest.approx(float(roc), abs=1e-12)
    assert (result.recordings, result.steps, result.anomalous_steps) == (1, 2000, int(labels.sum()))
    for measure in result.measures().values():
        assert measure.median.value == measure.pooled.value
        assert measure.pooled.low <= measure.pooled.value <= measure.pooled.high
        assert measure.median.low == 0  # of how recordings differ, one says nothing


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 12])  # resampled around events, and by recordings
def test_intervals_hold_what_many_more_recordings_measure(count):
    truth = measured(60, first=1000)
    held = [
        {
            name: measure.pooled.low <= truth.measures()[name].pooled.value <= measure.pooled.high
            for name, measure in measured(count, first=100 * repeat).measures().items()
        }
        for repeat in range(20)
    ]
    assert all(sum(each[name] for each in held) >= 15 for name in held[0])


def test_a_recording_without_events_counts_for_false_alarms_alone():
    (scores, labels), (quiet, _) = recording(0), recording(1, shift=0.0)
    nothing = np.zeros(len(quiet), dtype=bool)
    with_it = series_measures([scores, quiet], [labels, nothing], 2.5, LENGTH)
    alone = series_measures([scores], [labels], 2.5, LENGTH)
    assert with_it.event_recall.pooled == alone.event_recall.pooled
    assert with_it.vus_pr.median == alone.vus_pr.median
    assert with_it.vus_pr.pooled.value < alone.vus_pr.pooled.value
    assert with_it.events.quiet == alone.events.quiet + len(quiet)
    normal = series_measures([quiet], [nothing], 2.5, LENGTH).to_dict()
    assert normal["vus_pr"]["pooled"]["value"] is None
    assert normal["event_recall"]["pooled"] == {"value": None, "low": None, "high": None}
    assert normal["false_alarms_per_1000"]["pooled"]["value"] > 0


def test_what_cannot_be_measured_is_refused():
    scores, labels = recording(0)
    with pytest.raises(DataError, match="number 1 has 3 scores and 2000 labels"):
        series_measures([scores, np.zeros(3)], [labels, labels], 2.5, LENGTH)
    with pytest.raises(DataError, match="number 0 has 1 scores that are NaN"):
        series_measures([np.append(scores[1:], math.nan)], [labels], 2.5, LENGTH)
    with pytest.raises(DataError, match="labels other than 0 and 1"):
        series_measures([scores], [labels - 1.0], 2.5, LENGTH)
    with pytest.raises(DataError, match="no recording has scores"):
        series_measures([], [], 2.5, LENGTH)
