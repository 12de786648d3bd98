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
from hizumi.evaluation.pixels import Histogram


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
    expected = np.quantile(samples, (0.025, 0.975), axis=0).T
    for estimate, (low, high) in zip(image_estimates(scores, labels), expected, strict=True):
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.03)


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
    expected = np.quantile(samples, (0.025, 0.975), axis=0).T
    for estimate, metric, (low, high) in zip(pixel_estimates(maps, masks), metrics, expected, strict=True):
        assert estimate.value == metric(maps, masks)
        assert estimate.low < estimate.value < estimate.high
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.03)


@pytest.mark.parametrize(("quantiles", "tolerance"), [(512, 1e-3), (64, 0.01)])
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
        low, high = np.quantile(samples, (0.025, 0.975))
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=tolerance)


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


def test_pixel_intervals_of_a_perfect_map_are_points():
    _, masks = simulated_set(np.random.default_rng(8), good=3, defective=4)
    for estimate in pixel_estimates([mask.astype(np.float32) for mask in masks], masks):
        assert (estimate.low, estimate.value, estimate.high) == pytest.approx((1, 1, 1))


def test_pixel_estimates_take_images_of_different_sizes():
    generator = np.random.default_rng(9)
    images = [simulated_image(generator, defective=i % 2 == 0, size=12 + i) for i in range(10)]
    for estimate in pixel_estimates([scores for scores, _ in images], [mask for _, mask in images]):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
