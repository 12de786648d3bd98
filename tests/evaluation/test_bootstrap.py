"""Intervals: they hold the truth as often as they say, and the fast resampling equals the slow one."""

import json
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from hizumi.evaluation import (
    Estimate,
    aupro,
    auroc,
    average_precision,
    bootstrap,
    image_estimates,
    pixel_auroc,
    pixel_average_precision,
    pixel_estimates,
)
from hizumi.evaluation.bootstrap import PixelEstimator
from hizumi.evaluation.metrics import binomial_interval
from hizumi.evaluation.pixels import Histogram
from hizumi.evaluation.units import share_interval


def as_trials(value, deviation, units, strata=2):
    """Clopper and Pearson's interval of so many trials that the share is as uncertain as its deviation says.

    `units` are those of either kind.
    """
    variance = deviation**2 * min(units) / (min(units) - 1)
    trials = value * (1 - value) / variance * (1.959964 / stats.t.ppf(0.975, sum(units) - strata)) ** 2
    found = value * trials
    return stats.beta.ppf(0.025, found, trials - found + 1), stats.beta.ppf(0.975, found + 1, trials - found)


def test_image_auroc_interval_covers_the_truth():
    generator = np.random.default_rng(0)
    truth = stats.norm.cdf(1.2 / math.sqrt(2))
    labels = np.repeat([0, 1], [60, 40])
    covered = []
    for seed in range(150):
        estimate, _ = image_estimates(generator.normal(size=100) + 1.2 * labels, labels, seed=seed)
        covered.append(estimate.low <= truth <= estimate.high)
    assert 0.89 <= np.mean(covered) <= 0.99


def test_image_interval_has_delongs_width():
    generator = np.random.default_rng(1)
    labels = np.repeat([0, 1], [300, 200])
    scores = generator.normal(size=500) + labels
    above = (scores[labels == 1][:, None] > scores[labels == 0][None, :]).astype(float)
    error = math.sqrt(above.mean(1).var(ddof=1) / 200 + above.mean(0).var(ddof=1) / 300)
    estimate, _ = image_estimates(scores, labels)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * error, rel=0.1)


@pytest.mark.parametrize("decimals", [6, 0], ids=["continuous", "ties"])
def test_image_intervals_equal_a_plain_bootstrap(decimals):
    generator = np.random.default_rng(2)
    labels = np.repeat([0, 1], [50, 30])
    scores = np.round(generator.normal(size=80) + labels, decimals)
    samples = []
    for _ in range(400):
        drawn = np.concatenate(
            [generator.choice(np.flatnonzero(labels == label), (labels == label).sum()) for label in (0, 1)]
        )
        samples.append(
            (roc_auc_score(labels[drawn], scores[drawn]), average_precision_score(labels[drawn], scores[drawn]))
        )
    for estimate, deviation in zip(image_estimates(scores, labels), np.std(samples, axis=0), strict=True):
        expected = as_trials(estimate.value, deviation, (50, 30))
        assert (estimate.low, estimate.high) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(("normal", "anomalous", "distance"), [(6, 10, 3.0), (20, 40, 3.5), (8, 4, 2.3), (30, 30, 4.0)])
def test_image_intervals_hold_the_truth_where_most_samples_are_ranked_right(normal, anomalous, distance):
    generator = np.random.default_rng(4)
    labels = np.repeat([0, 1], [normal, anomalous])
    many = np.repeat([0, 1], [200_000, 200_000 * anomalous // normal])
    scores = generator.normal(size=len(many)) + distance * many
    truth = stats.norm.cdf(distance / math.sqrt(2)), average_precision_score(many, scores)
    covered, perfect = [], []
    for seed in range(150):
        estimates = image_estimates(generator.normal(size=len(labels)) + distance * labels, labels, seed=seed)
        perfect.append(estimates[0].value == 1)
        if perfect[-1]:
            covered.append([each.low <= exact <= each.high for each, exact in zip(estimates, truth, strict=True)])
    assert np.mean(perfect) > 0.2
    assert np.mean(covered, axis=0).tolist() == [1, 1]


def test_the_least_precision_behind_a_perfect_sample_is_that_of_the_worst_order():
    labels = np.repeat([0, 1], [60, 90])
    roc, precision = image_estimates(labels + 0.0, labels)
    assert (roc.value, roc.high, precision.value, precision.high) == (1, 1, 1, 1)
    assert roc.low == pytest.approx(0.025 ** (1 / 60))
    below, above = (1 - 0.025 ** (1 / count) for count in (90, 60))
    normal = np.where(np.arange(40_000) < above * 40_000, 3, 1)
    bad = np.where(np.arange(60_000) < below * 60_000, 0, 2)
    scores = np.concatenate([normal, bad]) + np.random.default_rng(0).random(100_000) / 2  # without ties
    worst = average_precision_score(np.repeat([0, 1], [40_000, 60_000]), scores)
    assert precision.low == pytest.approx(worst, abs=2e-3)


def test_image_values_are_the_exact_ones_and_inside_their_intervals():
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, 90)
    scores = generator.normal(size=90).astype(np.float32)
    roc, precision_recall = image_estimates(scores, labels)
    assert (roc.value, precision_recall.value) == (auroc(scores, labels), average_precision(scores, labels))
    for estimate in (roc, precision_recall):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_intervals_repeat_by_their_seed():
    labels = np.arange(40) % 2
    scores = np.random.default_rng(4).normal(size=40)
    assert image_estimates(scores, labels, seed=1) == image_estimates(scores, labels, seed=1)
    assert image_estimates(scores, labels, seed=1) != image_estimates(scores, labels, seed=2)


def test_more_images_than_fit_in_one_chunk():
    labels = np.arange(6000) % 2
    scores = np.random.default_rng(5).normal(size=6000) + labels
    estimate, _ = image_estimates(scores, labels)
    assert estimate.high - estimate.low == pytest.approx(4 * 0.0055, rel=0.2)


def of_parts(generator, parts, photographs, distance, alike):
    """Scores, labels and parts of photographs whose scores share so much of their variance within a part."""
    part = np.repeat(np.arange(2 * parts), photographs)
    own, common = generator.normal(size=len(part)), generator.normal(size=2 * parts)[part]
    labels = (part >= parts).astype(np.int64)
    return math.sqrt(alike) * common + math.sqrt(1 - alike) * own + distance * labels, labels, part


@pytest.mark.parametrize(("parts", "distance"), [(15, 1.2), (6, 1.2), (20, 2.0)])
def test_intervals_by_parts_hold_the_truth_where_photographs_of_one_part_are_alike(monkeypatch, parts, distance):
    monkeypatch.setattr(bootstrap, "_RESAMPLES", 300)
    generator = np.random.default_rng(11)
    many = np.repeat([0, 1], 200_000)
    truths = (
        stats.norm.cdf(distance / math.sqrt(2)),
        average_precision(generator.normal(size=len(many)) + distance * many, many),
    )
    by_parts, by_photographs = [], []
    for seed in range(200):
        scores, labels, part = of_parts(generator, parts, 8, distance, alike=0.8)
        for covered, units in ((by_parts, part.tolist()), (by_photographs, None)):
            found = image_estimates(scores, labels, units=units, seed=seed)
            covered.append([each.low <= truth <= each.high for each, truth in zip(found, truths, strict=True)])
    assert (np.mean(by_parts, axis=0) >= 0.9).all()
    assert (np.mean(by_photographs, axis=0) <= 0.8).all()


def test_intervals_by_parts_neither_depend_on_order_nor_differ_where_each_image_is_a_part():
    scores, labels, part = of_parts(np.random.default_rng(12), 10, 3, 1.0, alike=0.5)
    shuffled = np.random.default_rng(13).permutation(len(scores))
    found = image_estimates(scores, labels, units=part.tolist())
    assert image_estimates(scores[shuffled], labels[shuffled], units=part[shuffled].tolist()) == found
    alone = [f"image {index}" for index in range(len(scores))]
    assert image_estimates(scores, labels, units=alone) == image_estimates(scores, labels) != found


def test_copies_of_each_image_tell_no_more_than_one():
    generator = np.random.default_rng(14)
    labels = np.repeat([0, 1], [30, 20])
    for distance in (1.0, 9.0):
        scores = generator.normal(size=50) + distance * labels
        once = image_estimates(scores, labels)
        units = np.tile(np.arange(50), 6).tolist()
        for one, six in zip(once, image_estimates(np.tile(scores, 6), np.tile(labels, 6), units=units), strict=True):
            assert (six.value, six.low, six.high) == pytest.approx((one.value, one.low, one.high), abs=0.01)


def test_one_part_with_all_that_is_anomalous_leaves_all_open():
    scores, labels, part = of_parts(np.random.default_rng(15), 10, 3, 1.0, alike=0.5)
    for estimate in image_estimates(scores, labels, units=np.where(labels == 1, 99, part).tolist()):
        assert (estimate.low, estimate.high) == (0, 1)


def test_parts_with_good_and_anomalous_photographs_make_as_many_pairs_as_two_of_them():
    labels = np.tile([0, 1], 9)  # nine parts, each photographed from its good side and from its other
    roc, _ = image_estimates(labels + 0.0, labels, units=np.repeat(np.arange(9), 2).tolist())
    assert roc.low == pytest.approx(0.025 ** (1 / 4))


@pytest.mark.parametrize(("distance", "good", "anomalous"), [(2.5, 20, 20), (2.0, 40, 40)])
def test_intervals_of_well_ranked_images_hold_the_truth(monkeypatch, distance, good, anomalous):
    monkeypatch.setattr(bootstrap, "_RESAMPLES", 300)
    generator = np.random.default_rng(16)
    labels = np.repeat([0, 1], [good, anomalous])
    truth = stats.norm.cdf(distance / math.sqrt(2))
    found = [image_estimates(generator.normal(size=len(labels)) + distance * labels, labels)[0] for _ in range(200)]
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.93  # of percentiles 0.88


def test_scores_that_rank_all_wrong_prove_as_little_as_those_that_rank_all_right():
    labels = np.repeat([0, 1], [6, 9])
    wrong, right = (image_estimates(sign * labels.astype(float), labels)[0] for sign in (-1, 1))
    assert (wrong.low, wrong.high) == pytest.approx((0, 1 - right.low))


@pytest.mark.parametrize(("groups", "each", "alike", "rate"), [(20, 8, 0.7, 0.1), (10, 10, 0.8, 0.3)])
def test_share_intervals_by_groups_hold_the_truth(groups, each, alike, rate):
    generator, group = np.random.default_rng(17), np.repeat(np.arange(groups), each)
    by_groups, by_items = [], []
    for _ in range(400):
        common, own = generator.normal(size=groups)[group], generator.normal(size=len(group))
        events = math.sqrt(alike) * common + math.sqrt(1 - alike) * own > stats.norm.isf(rate)
        low, high = share_interval(events, group)
        by_groups.append(low <= rate <= high)
        low, high = share_interval(events, np.arange(len(group)))
        assert (low, high) == binomial_interval(int(events.sum()), len(events))
        by_items.append(low <= rate <= high)
    assert np.mean(by_groups) >= 0.92
    assert np.mean(by_items) <= 0.8


def test_where_nothing_is_flagged_groups_count():
    group = np.repeat(np.arange(7), 5)
    assert share_interval(np.zeros(35, dtype=bool), group) == binomial_interval(0, 7)
    assert share_interval(np.ones(35, dtype=bool), group) == binomial_interval(7, 7)
    assert share_interval(np.zeros(35, dtype=bool), np.zeros(35, dtype=np.int64)) == (0, 1)


def test_one_class_alone_has_no_estimate():
    for estimate in image_estimates(np.arange(4.0), np.zeros(4, dtype=np.int64)):
        assert math.isnan(estimate.value)
        assert json.loads(json.dumps(estimate.to_dict())) == {"value": None, "low": None, "high": None}


def test_estimate_as_json():
    assert Estimate(0.5, 0.25, 0.75).to_dict() == {"value": 0.5, "low": 0.25, "high": 0.75}


def simulated_image(generator, *, defective, size=16):
    """A map whose level differs from image to image: pixels of one image are not independent."""
    mask = np.zeros((size, size), dtype=bool)
    if defective:
        row, column = generator.integers(0, size - 6, 2)
        mask[row : row + 5, column : column + 4] = True
    level = 0.7 * generator.normal()
    return (generator.normal(size=mask.shape) + level + 1.5 * mask).astype(np.float32), mask


def simulated_set(generator, good, defective):
    images = [simulated_image(generator, defective=index < defective) for index in range(good + defective)]
    return [scores for scores, _ in images], [mask for _, mask in images]


def test_pixel_intervals_equal_a_plain_bootstrap_over_images():
    generator = np.random.default_rng(6)
    maps, masks = simulated_set(generator, good=15, defective=15)
    metrics = (pixel_auroc, pixel_average_precision, aupro)
    samples = []
    for _ in range(200):
        drawn = [*generator.integers(0, 15, 15), *generator.integers(15, 30, 15)]
        some_maps, some_masks = [maps[i] for i in drawn], [masks[i] for i in drawn]
        samples.append([metric(some_maps, some_masks) for metric in metrics])
    deviations = np.std(samples, axis=0)
    for estimate, metric, deviation in zip(pixel_estimates(maps, masks), metrics, deviations, strict=True):
        assert estimate.value == metric(maps, masks)
        assert estimate.low < estimate.value < estimate.high
        expected = as_trials(estimate.value, deviation, (15, 15))
        assert (estimate.low, estimate.high) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("quantiles", "tolerance"), [(512, 1e-3), (64, 0.02)])
def test_histograms_give_what_the_pixels_of_the_same_resamples_give(monkeypatch, quantiles, tolerance):
    monkeypatch.setattr(bootstrap, "_RESAMPLES", 40)
    monkeypatch.setattr(bootstrap, "_QUANTILES", quantiles)
    images = [simulated_image(np.random.default_rng(i), defective=i < 8, size=40) for i in range(16)]
    images = [(np.exp(2 * scores), mask) for scores, mask in images]
    # Images are drawn in an order of their own, in which it does not matter how they came.
    images.sort(key=lambda image: bootstrap._Thinned.of(Histogram.of(*image)).order())
    maps, masks = [scores for scores, _ in images], [mask for _, mask in images]
    (weights,) = bootstrap.resamples(np.array([int(mask.any()) for mask in masks]), seed=0, columns=1)
    for estimate, metric in zip(
        pixel_estimates(maps, masks), (pixel_auroc, pixel_average_precision, aupro), strict=True
    ):
        samples = []
        for row in weights.astype(int):
            drawn = np.repeat(np.arange(16), row)
            assert sum(masks[i].any() for i in drawn) == 8 == len(drawn) / 2
            samples.append(metric([maps[i] for i in drawn], [masks[i] for i in drawn]))
        expected = as_trials(estimate.value, np.std(samples), (8, 8))
        assert (estimate.low, estimate.high) == pytest.approx(expected, abs=tolerance)


@pytest.mark.slow
def test_pixel_intervals_cover_the_truth(monkeypatch):
    monkeypatch.setattr(bootstrap, "_RESAMPLES", 300)
    truths = (0.8071, 0.2010, 0.5319)  # measured on 20,000 good and 20,000 defective images
    generator = np.random.default_rng(7)
    covered = []
    for seed in range(80):
        estimates = pixel_estimates(*simulated_set(generator, 30, 30), seed=seed)
        covered.append([e.low <= truth <= e.high for e, truth in zip(estimates, truths, strict=True)])
    assert (np.mean(covered, axis=0) >= 0.87).all()  # 0.92 to 0.94 in 300 runs


def test_perfect_maps_of_few_images_do_not_prove_that_all_are():
    _, masks = simulated_set(np.random.default_rng(8), good=25, defective=20)
    roc, precision, overlap = pixel_estimates([mask.astype(np.float32) for mask in masks], masks)
    assert all((each.value, each.high) == pytest.approx((1, 1)) for each in (roc, precision, overlap))
    assert roc.low == pytest.approx(0.025 ** (1 / 20))
    # Of 20 images with defects those whose map is blind may be so many, of 45 those that are bright at random so many.
    below, above = (1 - 0.025 ** (1 / count) for count in (20, 45))
    random = np.random.default_rng(0).random
    defects = [np.full((1, 500), 2 * (index >= below * 1000)) + random((1, 500)) / 2 for index in range(1000)]
    normal = [np.full((1, 1000), 3 * (index < above * 5000)) + 1 + random((1, 1000)) / 2 for index in range(5000)]
    maps = [each.astype(np.float32) for each in (*defects, *normal)]
    worst = [np.full(each.shape, index < 1000) for index, each in enumerate(maps)]
    assert overlap.low == pytest.approx(aupro(maps, worst), abs=0.01)
    share = sum(map(np.sum, masks)) / sum(mask.size for mask in masks)
    thinned = [each[:, : max(1, round(500 * 10 * share / (1 - share)))] for each in maps[:1000]] + maps[1000:]
    marked = [np.full(each.shape, index < 1000) for index, each in enumerate(thinned)]
    assert precision.low == pytest.approx(pixel_average_precision(thinned, marked), abs=0.01)


def test_images_of_one_group_count_as_one_pixel_by_pixel():
    maps, masks = simulated_set(np.random.default_rng(10), good=12, defective=12)
    singles, grouped = PixelEstimator(), PixelEstimator()
    for index, pair in enumerate(zip(maps, masks, strict=True)):
        singles.add(*pair)
        for _ in range(4):  # photographs of one part, all alike
            grouped.add(*pair, f"part {index}")
    for one, four in zip(singles.estimates(), grouped.estimates(), strict=True):
        assert (four.value, four.low, four.high) == pytest.approx((one.value, one.low, one.high), abs=0.01)


def test_pixel_estimates_take_images_of_different_sizes():
    generator = np.random.default_rng(9)
    images = [simulated_image(generator, defective=i % 2 == 0, size=12 + i) for i in range(10)]
    for estimate in pixel_estimates([scores for scores, _ in images], [mask for _, mask in images]):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
