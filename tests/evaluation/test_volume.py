"""Volumes under surfaces: equal to the authors' code, areas in closed form, and counts that add up."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hizumi.evaluation.volume import RangeCounts, range_counts, thresholds_of, volumes, volumes_under_surfaces


def recording(seed: int, steps: int, events: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores, with ties where the seed is odd, that are high at labelled steps and three steps later."""
    generator = np.random.default_rng(seed)
    labels = np.zeros(steps, dtype=int)
    for start in generator.integers(0, steps, events):
        labels[start : start + generator.integers(1, longest + 1)] = 1
    scores = generator.normal(size=steps) + 1.5 * labels + np.roll(labels, 3)
    return np.round(scores, 1) if seed % 2 else scores, labels.astype(bool)


@pytest.mark.parametrize(
    ("seed", "steps", "events", "longest", "buffer", "roc", "precision_recall"),
    [
        # RangeAUC_volume_opt(labels, scores, buffer, 250) of vus 0.0.6 from PyPI, which TSB-AD 1.5 equals.
        (0, 1000, 3, 40, 20, 0.9735556837461697, 0.5182026877329501),
        (1, 1000, 12, 5, 30, 0.9612842583171946, 0.5140190013636755),
        (2, 2000, 1, 300, 64, 0.9621997338534881, 0.6617441332191791),
        (3, 200, 4, 8, 9, 0.9406948711344583, 0.639725360512211),
        (4, 1500, 30, 3, 50, 0.9646431931198854, 0.641561874128398),
        (5, 600, 2, 30, 1, 0.9494941034575182, 0.6921568254406429),
        (6, 600, 2, 30, 0, 0.8922176976278198, 0.528267091973769),
        (7, 300, 6, 60, 100, 0.9813086879867169, 0.9649343280623863),
    ],
)
def test_volumes_are_those_of_the_authors_code(seed, steps, events, longest, buffer, roc, precision_recall):
    scores, labels = recording(seed, steps, events, longest)
    volume = volumes_under_surfaces(scores, labels, buffer)
    assert float(volume.roc) == pytest.approx(roc, abs=1e-12)
    assert float(volume.precision_recall) == pytest.approx(precision_recall, abs=1e-12)
    # Borders are the same on either side, so that time may run backwards.
    backwards = volumes_under_surfaces(scores[::-1].copy(), labels[::-1].copy(), buffer)
    np.testing.assert_allclose(backwards, volume, atol=1e-12)


def test_without_borders_one_event_has_the_usual_area_where_its_first_step_comes_first():
    # Once the one event is touched, recall is the usual one; with 200 steps each step is a threshold.
    labels = np.zeros(200, dtype=bool)
    labels[50:70] = True
    scores = np.random.default_rng(0).normal(size=200) + labels
    scores[55] = 9
    assert float(volumes_under_surfaces(scores, labels, 0).roc) == pytest.approx(
        roc_auc_score(labels, scores), abs=1e-12
    )


def test_counts_of_recordings_add_up_and_weigh():
    scores, labels = zip(*(recording(seed, 500 + 100 * seed, 3, 30) for seed in range(3)), strict=True)
    thresholds, widths = thresholds_of(scores), np.arange(31)
    counts = [range_counts(*pair, thresholds, widths) for pair in zip(scores, labels, strict=True)]
    total = RangeCounts.total(counts)
    # Far apart, they are one recording; what lies between is flagged by the lowest threshold alone.
    between, normal = np.full(40, thresholds[-1]), np.zeros(40, dtype=bool)
    joined = np.concatenate([each for one in scores for each in (one, between)])
    whole = range_counts(joined, np.concatenate([each for one in labels for each in (one, normal)]), thresholds, widths)
    for name in ("flagged", "found", "bordering", "touched"):
        np.testing.assert_allclose(getattr(total, name)[..., :-1], getattr(whole, name)[..., :-1], atol=1e-9)
    assert total.ranges.tolist() == whole.ranges.tolist()
    stacked = RangeCounts(*map(np.stack, zip(*counts, strict=True)))
    twice = RangeCounts.total([counts[0], counts[0], counts[2]])
    np.testing.assert_allclose(
        volumes(stacked.weighted(np.array([[2.0, 0.0, 1.0]])))[1], [volumes(twice)[1]], atol=1e-12
    )


def test_one_class_alone_has_no_volume():
    for labels in (np.zeros(50, dtype=bool), np.ones(50, dtype=bool)):
        assert all(math.isnan(each) for each in volumes_under_surfaces(np.arange(50.0), labels, 5))
