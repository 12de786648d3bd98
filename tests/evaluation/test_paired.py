"""Differences of two detectors on the same images: their intervals hold the truth, alone and in groups."""

import math

import numpy as np
import pytest
from scipy import stats

from hizumi.evaluation.metrics import auroc
from hizumi.evaluation.paired import auroc_difference


def drawn(generator, parts, photographs, distances, common):
    """Scores of two detectors, which share so much of what they see in a photograph, and this within a part."""
    part = np.repeat(np.arange(2 * parts), photographs)
    labels = (part >= parts).astype(np.int64)
    seen = generator.normal(size=2 * parts)[part]
    own = (generator.normal(size=2 * parts)[part] for _ in distances)
    return (
        *(
            d * labels + math.sqrt(common) * seen + math.sqrt(1 - common) * e
            for d, e in zip(distances, own, strict=True)
        ),
        labels,
        part,
    )


@pytest.mark.parametrize(("distances", "photographs"), [((1.5, 1.5), 1), ((2.0, 1.2), 1), ((1.5, 1.5), 6)])
def test_intervals_of_the_difference_hold_the_truth(distances, photographs):
    generator = np.random.default_rng(0)
    truth = np.subtract(*(stats.norm.cdf(distance / math.sqrt(2)) for distance in distances))
    covered, alone = [], []
    for _ in range(400):
        one, other, labels, part = drawn(generator, 25, photographs, distances, common=0.7)
        for found, units in ((covered, part.tolist()), (alone, None)):
            estimate = auroc_difference(one, other, labels, units=units)
            assert estimate.value == pytest.approx(auroc(one, labels) - auroc(other, labels))
            found.append(estimate.low <= truth <= estimate.high)
    assert 0.92 <= np.mean(covered) <= 0.99
    assert photographs == 1 or np.mean(alone) <= 0.8


def test_the_variance_is_that_of_delong():
    generator = np.random.default_rng(1)
    one, other, labels, _ = drawn(generator, 30, 1, (1.5, 1.0), common=0.5)
    above = [(each[labels == 1][:, None] > each[labels == 0][None, :]).astype(float) for each in (one, other)]
    difference = above[0] - above[1]
    error = math.sqrt(difference.mean(1).var(ddof=1) / 30 + difference.mean(0).var(ddof=1) / 30)
    found = auroc_difference(one, other, labels)
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, 58) * error)


def test_two_that_rank_all_right_may_differ_by_what_so_few_images_leave_open():
    labels = np.repeat([0, 1], [8, 12])
    found = auroc_difference(labels + 0.0, 3.0 * labels, labels)
    assert (found.value, found.low, found.high) == pytest.approx((0, 0.025 ** (1 / 8) - 1, 1 - 0.025 ** (1 / 8)))
    one_part = auroc_difference(labels + 0.0, 3.0 * labels, labels, units=[0] * 8 + list(range(1, 13)))
    assert (one_part.low, one_part.high) == (-1, 1)
    assert math.isnan(auroc_difference(labels + 0.0, labels + 0.0, np.zeros_like(labels)).value)
