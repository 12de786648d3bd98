"""Pixel metrics against a brute force that walks every threshold and every region."""

import itertools
import math
import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from hizumi.errors import DataError, UsageError
from hizumi.evaluation import aupro, pixel_auroc, pixel_average_precision, pixel_estimates


def grow(mask, start):
    """The 8-connected region of `start`, as a set of pixels."""
    region, border = set(), [start]
    while border:
        row, column = border.pop()
        inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
        if inside and mask[row, column] and (row, column) not in region:
            region.add((row, column))
            border.extend((row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1))
    return region


def regions_of(mask):
    found = []
    for pixel in zip(*np.nonzero(mask), strict=True):
        if not any(pixel in region for region in found):
            found.append(grow(mask, pixel))
    return found


def brute_force_aupro(maps, masks, limit=0.3):
    """Every distinct score as a threshold, falling; trapezoids; the segment that crosses the limit is cut there."""
    good_pixels = sum(int((~mask).sum()) for mask in masks)
    regions = [(scores, region) for scores, mask in zip(maps, masks, strict=True) for region in regions_of(mask)]
    points = [(0.0, 0.0)]
    for threshold in sorted({float(value) for scores in maps for value in scores.ravel()}, reverse=True):
        false = sum(int(((scores >= threshold) & ~mask).sum()) for scores, mask in zip(maps, masks, strict=True))
        overlaps = [sum(scores[pixel] >= threshold for pixel in region) / len(region) for scores, region in regions]
        points.append((false / good_pixels, sum(overlaps) / len(overlaps)))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 >= limit:
            break
        if x1 > limit:
            x1, y1 = limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


def example(seed, *, decimals=None, sizes=((9, 12), (15, 7), (10, 10), (6, 6))):
    """Maps of several sizes with zero to three regions each, one pair touching at a corner."""
    generator = np.random.default_rng(seed)
    maps, masks = [], []
    for index, (height, width) in enumerate(sizes):
        mask = np.zeros((height, width), dtype=bool)
        if index % 4 != 3:
            mask[1:3, 1:4] = True
            mask[3, 4] = index == 0
            mask[5, :2] = index != 1
            mask[-1, -1] = index == 2
        scores = generator.normal(size=mask.shape) + 1.2 * mask
        maps.append((scores if decimals is None else np.round(scores, decimals)).astype(np.float32))
        masks.append(mask)
    return maps, masks


def pooled(maps, masks):
    return np.concatenate([m.ravel() for m in masks]).astype(int), np.concatenate([m.ravel() for m in maps])


@pytest.mark.parametrize("decimals", [None, 1, 0], ids=["continuous", "some ties", "many ties"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_matches_brute_force(seed, decimals, limit):
    maps, masks = example(seed, decimals=decimals)
    assert aupro(maps, masks, limit) == pytest.approx(brute_force_aupro(maps, masks, limit), abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 1, 0], ids=["continuous", "some ties", "many ties"])
@pytest.mark.parametrize("seed", range(3))
def test_pixel_auroc_and_average_precision_match_scikit_learn(seed, decimals):
    maps, masks = example(seed, decimals=decimals)
    truth, scores = pooled(maps, masks)
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert pixel_average_precision(maps, masks) == pytest.approx(average_precision_score(truth, scores), abs=1e-12)


def test_pixel_auroc_matches_counting_all_pairs():
    maps, masks = example(5, decimals=1)
    truth, scores = pooled(maps, masks)
    wins = [(p > n) + 0.5 * (p == n) for p in scores[truth == 1] for n in scores[truth == 0]]
    assert pixel_auroc(maps, masks) == pytest.approx(np.mean(wins))


def test_random_maps_score_half_the_limit():
    generator = np.random.default_rng(0)
    masks = [np.zeros((64, 64), dtype=bool) for _ in range(60)]
    for mask in masks[:40]:
        row, column = generator.integers(0, 50, 2)
        mask[row : row + 12, column : column + 9] = True
    maps = [generator.random((64, 64)) for _ in masks]
    assert aupro(maps, masks) == pytest.approx(0.15, abs=0.01)
    assert pixel_auroc(maps, masks) == pytest.approx(0.5, abs=0.01)


def test_perfect_and_reversed_maps():
    _, masks = example(0)
    perfect = [mask.astype(np.float32) for mask in masks]
    assert (pixel_auroc(perfect, masks), pixel_average_precision(perfect, masks)) == (1.0, 1.0)
    assert aupro(perfect, masks) == pytest.approx(1.0)
    assert aupro([-scores for scores in perfect], masks) == 0.0


def test_a_constant_map_is_a_diagonal():
    _, masks = example(0)
    constant = [np.ones(mask.shape) for mask in masks]
    assert pixel_auroc(constant, masks) == 0.5
    assert aupro(constant, masks) == pytest.approx(0.15)


def test_small_regions_weigh_as_much_as_large_ones():
    mask = np.zeros((20, 20), dtype=bool)
    mask[0:10, 0:10] = True
    mask[15, 15] = True
    only_the_large_one = np.where(mask, 2.0, 1.0)
    only_the_large_one[15, 15] = 0.0
    assert aupro([only_the_large_one], [mask]) == pytest.approx(0.5)
    assert pixel_average_precision([only_the_large_one], [mask]) > 0.98


def test_good_images_count():
    maps, masks = example(1)
    loud_and_good = [*maps, np.full((30, 30), 10.0, dtype=np.float32)]
    assert aupro(loud_and_good, [*masks, np.zeros((30, 30), dtype=bool)]) < aupro(maps, masks) / 2


@pytest.mark.parametrize("value", [False, True])
def test_one_class_alone_gives_nan(value):
    maps, masks = [np.ones((3, 4))], [np.full((3, 4), value)]
    for metric in (pixel_auroc, pixel_average_precision, aupro):
        assert math.isnan(metric(maps, masks))
    assert all(math.isnan(estimate.low) for estimate in pixel_estimates(maps, masks))


def test_unfit_input_is_refused():
    maps, masks = example(0)
    with pytest.raises(DataError, match="mask of image 1 is 7 x 15 but its map is 4 x 3"):
        aupro([maps[0], np.ones((3, 4), np.float32)], masks[:2])
    with pytest.raises(DataError, match="map of image 0 holds NaN"):
        pixel_auroc([np.full((9, 12), np.nan)], masks[:1])
    with pytest.raises(UsageError, match="4 maps and 3 masks"):
        pixel_auroc(maps, masks[:3])
    with pytest.raises(UsageError, match="0 maps"):
        pixel_auroc([], [])


def test_four_hundred_maps_with_intervals_take_seconds():
    generator = np.random.default_rng(0)
    masks = [np.zeros((64, 64), dtype=bool) for _ in range(400)]
    for mask in masks[::2]:
        mask[10:30, 20:25] = True
    maps = [generator.normal(size=(64, 64)).astype(np.float32) for _ in masks]
    started = time.process_time()
    pixel_estimates(maps, masks)
    assert time.process_time() - started < 6  # 0.7 s on an idle core
