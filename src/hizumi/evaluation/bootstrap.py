"""95% intervals by resampling good and anomalous images apart (Efron, 1979); pixels of an image stay together.

So do images of one group, which are alike: whole groups are drawn (Davison and Hinkley, "Bootstrap methods and their
application", 1997, 3.8), those with images of both kinds apart from the others.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
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
from hizumi.evaluation.perfect import least_of_perfect
from hizumi.evaluation.pixels import LEVELS, Histogram, PixelCounts, areas, refuse_unpaired
from hizumi.evaluation.units import fewest, numbered, pairs_of, strata_of, trials_behind

_RESAMPLES = 1000
_QUANTILES = 512  # of the normal and of the anomalous pixels: a step is 0.2 % of either
_GROUPS = 256  # of pixels of either kind that are kept of an image at least: a few kB
_ALONE = 128  # of the highest pixels of either kind, each of which is kept
_GROWTH = 0.05  # of groups below them, in the logarithm of the number of pixels above
_BINS = 2**21  # of all images together, at most
_ROUNDING = 1e-12  # of areas that are equal in all resamples
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
    scores: Float[np.ndarray, "n"],
    labels: Integer[np.ndarray, "n"],
    *,
    units: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> tuple[Estimate, Estimate]:
    """AUROC and average precision of images with intervals; labels are 0 or 1, NaN when one class is missing.

    `units` say which images were not drawn independently of each other, such as those of one part; each was, if not
    given. Where one unit holds a whole class, intervals are from 0 to 1.
    """
    if len(set(labels.tolist())) < 2:
        return UNKNOWN, UNKNOWN
    values = _areas(image_counts(scores, labels))
    order = np.argsort(-scores, kind="stable")
    _, first = np.unique(-scores[order], return_index=True)
    anomalous = labels[order] == 1
    unit_of = numbered(order.tolist() if units is None else [units[place] for place in order])
    strata = strata_of(unit_of, ~anomalous, anomalous)
    samples = []
    for weights in resamples(strata, seed, columns=len(scores)):
        drawn = weights[:, unit_of]
        steps = [np.add.reduceat(drawn * chosen, first, axis=1) for chosen in (~anomalous, anomalous)]
        samples.append(_areas(Counts(steps[0], steps[1], np.zeros_like(steps[0]))))
    rows = zip(values, np.concatenate(samples, axis=1), strict=True)
    ratio = float((~anomalous).sum() / anomalous.sum())
    roc, precision = _estimates([_of_trials(*row, strata) for row in rows], strata, ratio)
    return roc, precision


def _of_trials(
    value: float, samples: Float[np.ndarray, "r"], strata: Integer[np.ndarray, "u"], error: float = 0.0
) -> Estimate:
    """Interval of an area by the variance of its resamples; where that is nothing, each pair of units is a trial.

    Their percentiles would hold the area behind a well-ranked sample too rarely: it is never far below them.
    """
    units = fewest(strata)
    if units < 2:  # how units of that kind differ is not known
        return Estimate(float(value), 0.0, 1.0, float(error))
    variance = float(samples.var()) * units / (units - 1)
    varies = float(np.ptp(samples)) > _ROUNDING
    trials = trials_behind(value, variance, len(strata) - len(np.unique(strata))) if varies else float(pairs_of(strata))
    low, high = binomial_interval(value * trials, trials)
    low, high = np.clip([min(low, value) - error, max(high, value) + error], 0.0, 1.0)
    return Estimate(float(value), float(low), float(high), float(error))


def _estimates(
    estimates: Sequence[Estimate], strata: Integer[np.ndarray, "u"], normal_per_anomalous: float
) -> list[Estimate]:
    """AUROC, average precision and perhaps AUPRO; where all is ranked right, the latter two may be as low as can be."""
    if estimates[0].value < 1 or fewest(strata) < 2:
        return list(estimates)
    least = (estimates[0].low, *least_of_perfect(strata, normal_per_anomalous))
    return [replace(each, low=low, high=1.0) for each, low in zip(estimates, least, strict=False)]


class PixelEstimator:
    """Estimates the pixel metrics of images that come one by one.

    Values are exact while there are few levels of scores (see `hizumi.evaluation.pixels`), and have a stated error
    beyond. Resampling uses histograms over quantiles of the pooled pixels, by which areas vary as they do themselves.
    """

    def __init__(self, most_levels: int | None = LEVELS) -> None:
        self.counts = PixelCounts(most_levels)
        self._images: list[tuple[_Thinned, Hashable]] = []

    def add(self, scores: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"], unit: Hashable = None) -> None:
        """Count one more image, whose map has no NaN and the size of the mask.

        Those of one `unit` were not drawn independently of each other; an image without is a unit of its own.
        """
        image = Histogram.of(scores, mask)
        self.counts.add(image)
        self._images.append((_Thinned.of(image), ("alone", len(self._images)) if unit is None else ("in", unit)))

    def estimates(self, *, seed: int = 0) -> PixelEstimates:
        """AUROC, average precision and AUPRO, with bootstrap intervals; NaN when one class is missing."""
        steps = self.counts.steps()
        if not steps.has_both_classes:
            return PixelEstimates(UNKNOWN, UNKNOWN, UNKNOWN)
        # The order in which pixels are summed, and images drawn, must not depend on the order of the images.
        ordered = sorted(self._images, key=lambda image: image[0].order())
        images, unit_of = [image for image, _ in ordered], numbered([unit for _, unit in ordered])
        histograms = _histograms(images)
        has_normal, has_anomalous = (np.array([len(image[kind].levels) > 0 for image in images]) for kind in (0, 1))
        strata = strata_of(unit_of, has_normal, has_anomalous)
        samples = [
            areas(Counts(*(weights[:, unit_of] @ histogram for histogram in histograms)))
            for weights in resamples(strata, seed, columns=max(len(images), histograms.normal.shape[1]))
        ]
        rows = zip(steps.areas(), np.concatenate(samples, axis=1), steps.errors(), strict=True)
        estimates = [_of_trials(value, column, strata, error) for value, column, error in rows]
        normal, anomalous = (histogram.sum(dtype=np.float64) for histogram in histograms[:2])
        return PixelEstimates(*_estimates(estimates, strata, float(normal / anomalous)))


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
