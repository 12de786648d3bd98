"""95% intervals by resampling good and anomalous images apart (Efron, 1979); pixels of an image stay together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from hizumi.evaluation.metrics import (
    Counts,
    area_under_precision_recall,
    area_under_roc,
    binomial_interval,
    image_counts,
)
from hizumi.evaluation.pixels import LEVELS, Histogram, PixelCounts, areas, refuse_unpaired

_RESAMPLES = 1000
_QUANTILES = 512  # of the normal and of the anomalous pixels: a step is 0.2 % of either
_GROUPS = 256  # of pixels of either kind that are kept of an image at least: a few kB
_ALONE = 128  # of the highest pixels of either kind, each of which is kept
_GROWTH = 0.05  # of groups below them, in the logarithm of the number of pixels above
_BINS = 2**21  # of all images together, at most
_CHUNK = 2_000_000  # numbers held in memory at a time while resampling


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval; all three are NaN where it cannot be computed.

    `error` is how far the number may lie from the exact one, at most; the interval contains it.
    """

    value: float
    low: float
    high: float
    error: float = 0.0

    @property
    def error_bound(self) -> str:
        """The error in words, rounded up to one digit."""
        if self.error == 0:
            return "0"
        unit = 10.0 ** math.floor(math.log10(self.error))
        return f"{math.ceil(self.error / unit) * unit:.0e}"

    def to_dict(self) -> dict[str, float | None]:
        """For JSON: None in place of NaN."""
        return {"value": number(self.value), "low": number(self.low), "high": number(self.high)}


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


class PixelEstimates(NamedTuple):
    """The pixel metrics of one test set."""

    auroc: Estimate
    average_precision: Estimate
    aupro: Estimate


def number(value: float) -> float | None:
    """A float for JSON: None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def image_estimates(
    scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"], *, seed: int = 0
) -> tuple[Estimate, Estimate]:
    """AUROC and average precision of images with intervals; labels are 0 or 1, NaN when one class is missing.

    Resamples of images that are all ranked right are so, too: what is behind these is bounded by their number.
    """
    if len(set(labels.tolist())) < 2:
        return UNKNOWN, UNKNOWN
    exact = image_counts(scores, labels)
    order = np.argsort(-scores, kind="stable")
    _, first = np.unique(-scores[order], return_index=True)
    anomalous = labels[order] == 1
    samples = []
    for weights in resamples(labels[order], seed, columns=len(scores)):
        steps = [np.add.reduceat(weights * chosen, first, axis=1) for chosen in (~anomalous, anomalous)]
        samples.append(_areas(Counts(steps[0], steps[1], np.zeros_like(steps[0]))))
    roc, precision_recall = np.concatenate(samples, axis=1)
    values = _areas(exact)
    of_roc, of_precision = percentiles(values[0], values[0], roc), percentiles(values[1], values[1], precision_recall)
    if of_roc.value < 1:
        return of_roc, of_precision
    least_roc, least_precision = _least_of_perfect(int(anomalous.sum()), int((~anomalous).sum()))
    return replace(of_roc, low=least_roc), replace(of_precision, low=least_precision)


def _least_of_perfect(anomalous: int, normal: int) -> tuple[float, float]:
    """The lowest AUROC and average precision, each with 95% confidence, behind images that are all ranked right.

    Pairs of one image of either kind, no image in two of them, are each ranked right with the probability that AUROC
    is. Any score between the kinds has but a share of all anomalous images below it and one of all normal ones above
    it, of whom none was drawn; precision is lowest where the latter are above all that is anomalous, and the former
    below all that is normal.
    """
    pairs = min(anomalous, normal)
    below, above = (binomial_interval(0, count)[1] for count in (anomalous, normal))
    ratio = normal / anomalous

    def integral(recall: float, normal_share: float) -> float:
        """Of the precision r / (r + ratio * share), from 0 to this recall."""
        beside = ratio * normal_share
        return recall - beside * math.log1p(recall / beside)

    precision = integral(1 - below, above) + integral(1, 1) - integral(1 - below, 1)
    return binomial_interval(pairs, pairs)[0], precision


class PixelEstimator:
    """Estimates the pixel metrics of images that come one by one.

    Values are exact while there are few levels of scores (see `hizumi.evaluation.pixels`), and have a stated error
    beyond. Resampling uses histograms over quantiles of the pooled pixels; the error of the binning is corrected.
    """

    def __init__(self, most_levels: int | None = LEVELS) -> None:
        self.counts = PixelCounts(most_levels)
        self._images: list[_Thinned] = []

    def add(self, scores: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> None:
        """Count one more image, whose map has no NaN and the size of the mask."""
        image = Histogram.of(scores, mask)
        self.counts.add(image)
        self._images.append(_Thinned.of(image))

    def estimates(self, *, seed: int = 0) -> PixelEstimates:
        """AUROC, average precision and AUPRO, with bootstrap intervals; NaN when one class is missing."""
        steps = self.counts.steps()
        if not steps.has_both_classes:
            return PixelEstimates(UNKNOWN, UNKNOWN, UNKNOWN)
        # The order in which pixels are summed, and images drawn, must not depend on the order of the images.
        images = sorted(self._images, key=_Thinned.order)
        histograms = _histograms(images)
        binned = areas(Counts(*(histogram.sum(0, dtype=np.float64) for histogram in histograms)))
        strata = np.array([bool(len(image.anomalous.levels)) for image in images], dtype=np.int64)
        samples = [
            areas(Counts(*(weights @ histogram for histogram in histograms)))
            for weights in resamples(strata, seed, columns=histograms.normal.shape[1])
        ]
        columns = np.concatenate(samples, axis=1)
        rows = zip(steps.areas(), binned, columns, steps.errors(), strict=True)
        return PixelEstimates(*(percentiles(*row) for row in rows))


def pixel_estimates(
    maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]], *, seed: int = 0
) -> PixelEstimates:
    """Exact pixel AUROC, average precision and AUPRO, with bootstrap intervals; NaN when one class is missing."""
    refuse_unpaired(maps, masks)
    estimator = PixelEstimator(most_levels=None)
    for scores, mask in zip(maps, masks, strict=True):
        estimator.add(scores, mask)
    return estimator.estimates(seed=seed)


def _areas(counts: Counts) -> Float[np.ndarray, "2 ..."]:
    return np.stack([area_under_roc(counts), area_under_precision_recall(counts)])


def percentiles(
    value: float, binned: float, samples: Float[np.ndarray, "r"], error: float = 0.0, highest: float = 1.0
) -> Estimate:
    """Interval of a value, from 0 to `highest`, by resamples of bins, by which it would be `binned`."""
    low, high = np.quantile(samples, (0.025, 0.975)) + (value - binned)
    low, high = np.clip([min(low, value) - error, max(high, value) + error], 0.0, highest)
    return Estimate(float(value), float(low), float(high), float(error))


def resamples(strata: Integer[np.ndarray, "n"], seed: int, columns: int) -> Iterator[Float[np.ndarray, "r n"]]:
    """How often each image is drawn, in chunks of r resamples that keep r * columns small."""
    generator = np.random.default_rng(seed)
    most = max(1, _CHUNK // max(columns, len(strata)))
    for start in range(0, _RESAMPLES, most):
        rows = min(most, _RESAMPLES - start)
        weights = np.empty((rows, len(strata)))
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            drawn = generator.integers(len(members), size=(rows, len(members)))
            drawn += np.arange(rows)[:, None] * len(members)
            weights[:, members] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        yield weights


class _Levels(NamedTuple):
    """Ascending levels of pixels of one class, with the number of pixels and the overlap that each stands for."""

    levels: Integer[np.ndarray, "k"]
    counts: Integer[np.ndarray, "k"]
    overlap: Float[np.ndarray, "k"]

    @classmethod
    def of(cls, image: Histogram, chosen: Bool[np.ndarray, "p"]) -> "_Levels":
        """The chosen pixels in groups of neighbours, each at its middle level; the highest pixels stay alone.

        A group holds at most one in so many of the pixels, and few in comparison with the pixels above it.
        """
        levels, counts, sizes = image.levels[chosen], image.counts[chosen], image.sizes[chosen]
        above = counts[::-1].cumsum()[::-1] - counts
        equal = above * _GROUPS // max(1, int(counts.sum()))
        growing = np.where(above < _ALONE, above, _ALONE + np.log(np.maximum(above, 1) / _ALONE) // _GROWTH)
        first = np.flatnonzero(np.diff(equal, prepend=-1) | np.diff(growing, prepend=-1).astype(bool))
        if not len(first):
            return cls(*(np.zeros(0, dtype) for dtype in (np.uint32, np.uint32, np.float32)))
        middle = (first + np.append(first[1:], len(levels)) - 1) // 2
        overlap = np.divide(counts, sizes, out=np.zeros(len(counts)), where=sizes > 0)
        return cls(
            levels[middle].astype(np.uint32),
            np.add.reduceat(counts, first).astype(np.uint32),
            np.add.reduceat(overlap, first).astype(np.float32),
        )

    def quantiles(self, count: int) -> Integer[np.ndarray, "q"]:
        """Levels that part the pixels into about equally many."""
        up_to = self.counts.cumsum(dtype=np.int64)
        total = int(up_to[-1])
        places = np.linspace(0, total - 1, min(count, total)).astype(np.int64)
        return np.asarray(self.levels[np.searchsorted(up_to, places, side="right")])


class _Thinned(NamedTuple):
    """The pixels of one image, coarsely: enough to resample images."""

    normal: _Levels
    anomalous: _Levels

    @classmethod
    def of(cls, image: Histogram) -> "_Thinned":
        """From all pixels of the image."""
        return cls(_Levels.of(image, image.sizes == 0), _Levels.of(image, image.sizes > 0))

    def order(self) -> bytes:
        """What images are sorted by: their contents."""
        return b"".join(part.tobytes() for levels in self for part in levels)


def _histograms(images: Sequence[_Thinned]) -> Counts:
    """One row per image and one column per bin, highest scores first."""
    count = max(2, min(_QUANTILES, _BINS // len(images)))
    edges = np.unique(np.concatenate([_pooled([image[kind] for image in images]).quantiles(count) for kind in (0, 1)]))
    size = len(edges) + 1
    rows = []
    for image in images:
        normal, anomalous = (np.searchsorted(edges, part.levels, side="right") for part in image)
        columns = [
            np.bincount(normal, image.normal.counts, size),
            np.bincount(anomalous, image.anomalous.counts, size),
            np.bincount(anomalous, image.anomalous.overlap, size),
        ]
        rows.append(np.stack(columns)[:, ::-1])
    return Counts(*np.stack(rows, axis=1))


def _pooled(parts: Sequence[_Levels]) -> _Levels:
    levels, counts, overlap = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(levels, kind="stable")
    return _Levels(levels[order], counts[order], overlap[order])
