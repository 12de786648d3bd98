"""Differences of two detectors on the same images: their intervals hold the truth, alone and in groups."""

import math

import numpy as np
import pytest
from scipy import stats

from hizumi.evaluation.metrics import auroc
from hizumi.evaluation.paired import Pair, auroc_difference


def difference_of(one, other, labels, units=None):
    return auroc_difference([Pair(one, other, labels, range(len(labels)) if units is None else units)])


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
            estimate = difference_of(one, other, labels, units)
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
    found = difference_of(one, other, labels)
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, 58) * error)


def test_two_that_rank_all_right_may_differ_by_what_so_few_images_leave_open():
    labels = np.repeat([0, 1], [8, 12])
    found = difference_of(labels + 0.0, 3.0 * labels, labels)
    assert (found.value, found.low, found.high) == pytest.approx((0, 0.025 ** (1 / 8) - 1, 1 - 0.025 ** (1 / 8)))
    one_part = difference_of(labels + 0.0, 3.0 * labels, labels, [0] * 8 + list(range(1, 13)))
    assert (one_part.low, one_part.high) == (-1, 1)
    assert math.isnan(difference_of(labels + 0.0, labels + 0.0, np.zeros_like(labels)).value)


@pytest.mark.parametrize("own_images", [False, True])
def test_several_fits_leave_open_what_images_and_seeds_do(own_images):
    """Each fit sees images in a way of its own, and tests the same ones, or others."""
    generator = np.random.default_rng(2)
    truth = np.subtract(*(stats.norm.cdf(distance / math.sqrt(2)) for distance in (1.8, 1.4)))
    covered, alone = [], []
    for _ in range(400):
        pairs, units = [], np.arange(60)
        labels = np.repeat([0, 1], 30)
        seen = generator.normal(size=60)
        for _ in range(4):
            if own_images:
                units, seen = units + 60, generator.normal(size=60)
            luck = generator.normal(0, 0.25, 2)  # of a fit
            one, other = (
                (distance + more) * labels + math.sqrt(0.7) * seen + math.sqrt(0.3) * generator.normal(size=60)
                for distance, more in zip((1.8, 1.4), luck, strict=True)
            )
            pairs.append(Pair(one, other, labels, units.tolist()))
        for found, some in ((covered, pairs), (alone, pairs[:1])):
            estimate = auroc_difference(some)
            found.append(estimate.low <= truth <= estimate.high)
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(alone) <= 0.9, "one fit knows nothing of others"


def test_equal_fits_say_as_much_as_one():
    one, other, labels, _ = drawn(np.random.default_rng(3), 30, 1, (1.5, 1.0), common=0.5)
    pair = Pair(one, other, labels, range(60))
    several, alone = auroc_difference([pair] * 3), auroc_difference([pair])
    assert (several.value, several.low, several.high) == pytest.approx((alone.value, alone.low, alone.high))
