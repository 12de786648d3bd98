"""Pixels that come one by one: equal to all at once, whatever their order, and never farther off than is said."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from hizumi.calibration import Calibration, Verdict
from hizumi.evaluation import Evaluator, aupro, evaluate, pixel_auroc, pixel_average_precision, pixel_estimates
from hizumi.evaluation.bootstrap import Estimate, PixelEstimator

SHAPES_OF_SCORES = {
    "normal": lambda scores: scores,
    "squares over many decades": lambda scores: scores**4 * 1e-6,
    "far from zero": lambda scores: 1000 + scores,
    "ties": lambda scores: np.round(scores, 1),
}


def example(seed, shape="normal", images=6, side=30):
    generator = np.random.default_rng(seed)
    for index in range(images):
        mask = np.zeros((side, side + index), dtype=bool)
        if index % 2:
            row, column = generator.integers(0, side - 12, 2)
            mask[row : row + 9, column : column + 7] = True
            mask[-1, -1] = index % 4 == 1
        scores = generator.normal(size=mask.shape) + 1.5 * mask + 0.3 * generator.normal()
        yield SHAPES_OF_SCORES[shape](scores).astype(np.float32), mask


def streamed(images, most_levels):
    estimator = PixelEstimator(most_levels)
    for scores, mask in images:
        estimator.add(scores, mask)
    return estimator.estimates()


def test_few_pixels_give_the_exact_figures_bit_by_bit():
    maps, masks = zip(*example(0), strict=True)
    found = streamed(zip(maps, masks, strict=True), sum(scores.size for scores in maps))
    assert found == pixel_estimates(maps, masks)
    assert [each.value for each in found] == [
        pixel_auroc(maps, masks),
        pixel_average_precision(maps, masks),
        aupro(maps, masks),
    ]
    assert all(each.error == 0 for each in found)


@pytest.mark.parametrize("most_levels", [200, 3000, 10**6])
def test_the_order_of_the_images_changes_no_bit(most_levels):
    images = list(example(1))
    orders = [np.random.default_rng(seed).permutation(len(images)) for seed in range(4)]
    first, *others = (streamed([images[place] for place in order], most_levels) for order in orders)
    assert all(other == first for other in others)


def test_the_stated_error_holds():
    for seed in range(20):
        shape = list(SHAPES_OF_SCORES)[seed % len(SHAPES_OF_SCORES)]
        maps, masks = zip(*example(seed, shape), strict=True)
        truth, pooled = np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps])
        exact = roc_auc_score(truth, pooled), average_precision_score(truth, pooled), aupro(maps, masks)
        for most_levels in (100, 1000):
            found = streamed(zip(maps, masks, strict=True), most_levels)
            for estimate, value in zip(found, exact, strict=True):
                assert abs(estimate.value - value) <= estimate.error + 1e-12
                assert estimate.low <= value <= estimate.high
                assert estimate.error < (0.3 if most_levels == 100 else 0.05)


def test_a_bound_in_words_is_rounded_up():
    words = [Estimate(0.5, 0.4, 0.6, error).error_bound for error in (0, 1e-5, 1.1e-5, 9.5e-7)]
    assert words == ["0", "1e-05", "2e-05", "1e-06"]


def verdict(index, scores):
    return Verdict(f"{index}.png", False, float(index), 0.5, 1.0, {}, scores)


def test_evaluations_say_how_exact_their_pixel_metrics_are():
    calibration = Calibration.fit(np.random.default_rng(0).normal(size=99), false_alarm_rate=0.05)
    images = list(example(3))
    evaluator = Evaluator(most_levels=1000)
    for index, (scores, mask) in enumerate(images):
        evaluator.add(verdict(index, scores), label=int(mask.any()), kind="cut", mask=mask)
    coarse = evaluator.evaluation(calibration)
    exact = evaluate(
        [verdict(index, scores) for index, (scores, _) in enumerate(images)],
        labels=[int(mask.any()) for _, mask in images],
        kinds=["cut"] * len(images),
        masks=[mask for _, mask in images],
        calibration=calibration,
    )
    assert exact.pixel_note == ""
    assert exact.to_dict()["aupro_error"] == 0
    assert 0 < abs(coarse.aupro.value - exact.aupro.value) <= coarse.to_dict()["aupro_error"]
    worst = max(coarse.pixel_auroc, coarse.pixel_average_precision, coarse.aupro, key=lambda each: each.error)
    assert f"within {worst.error_bound} of the exact one" in coarse.pixel_note
    assert "5,850 pixels were counted at 1,000 levels" in coarse.pixel_note


def test_memory_does_not_grow_with_the_number_of_images():
    generator = np.random.default_rng(0)
    mask = np.zeros((256, 256), dtype=bool)
    mask[20:40, 30:50] = True
    peaks = []
    for images in (10, 40):
        estimator = PixelEstimator(most_levels=2**16)
        tracemalloc.start()
        for index in range(images):
            estimator.add(generator.normal(size=mask.shape).astype(np.float32), mask & bool(index % 2))
        estimator.estimates()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]  # 30 maps more are 8 MB
