"""95 % intervals by resampling good and anomalous images apart (Efron, 1979); pixels of an image stay together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from hizumi.evaluation.metrics import (
    PRO_LIMIT,
    Counts,
    PixelPool,
    area_under_precision_recall,
    area_under_pro,
    area_under_roc,
    image_counts,
    region_weights,
)

_RESAMPLES = 1000
_QUANTILES = 512  # of the normal and of the anomalous pixels: a step is 0.2 % of either
_CHUNK = 2_000_000  # numbers held in memory at a time while resampling


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; all three are NaN where it cannot be computed."""

    value: float
    low: float
    high: float

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
    """AUROC and average precision of images with intervals; labels are 0 or 1, NaN when one class is missing."""
    if len(set(labels.tolist())) < 2:
        return UNKNOWN, UNKNOWN
    exact = image_counts(scores, labels)
    order = np.argsort(-scores, kind="stable")
    _, first = np.unique(-scores[order], return_index=True)
    anomalous = labels[order] == 1
    samples = []
    for weights in _resamples(labels[order], seed, columns=len(scores)):
        steps = [np.add.reduceat(weights * chosen, first, axis=1) for chosen in (~anomalous, anomalous)]
        samples.append(_areas(Counts(steps[0], steps[1], np.zeros_like(steps[0]))))
    roc, precision_recall = np.concatenate(samples, axis=1)
    values = _areas(exact)
    return _percentiles(values[0], values[0], roc), _percentiles(values[1], values[1], precision_recall)


def pixel_estimates(
    maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]], *, seed: int = 0
) -> PixelEstimates:
    """Exact pixel AUROC, average precision and AUPRO, with bootstrap intervals; NaN when one class is missing.

    Resampling uses histograms over quantiles of the pooled pixels; the error of the binning is corrected.
    """
    pool = PixelPool.of(maps, masks)
    if not pool.has_both_classes:
        return PixelEstimates(UNKNOWN, UNKNOWN, UNKNOWN)
    values = _areas(pool.counts(), PRO_LIMIT)
    histograms = _histograms(pool, maps, masks)
    binned = _areas(Counts(*(histogram.sum(0, dtype=np.float64) for histogram in histograms)), PRO_LIMIT)
    strata = np.array([mask.any() for mask in masks], dtype=np.int64)
    samples = [
        _areas(Counts(*(weights @ histogram for histogram in histograms)), PRO_LIMIT)
        for weights in _resamples(strata, seed, columns=histograms.normal.shape[1])
    ]
    columns = np.concatenate(samples, axis=1)
    return PixelEstimates(*(_percentiles(*row) for row in zip(values, binned, columns, strict=True)))


def _areas(counts: Counts, pro_limit: float | None = None) -> Float[np.ndarray, "metrics ..."]:
    areas = [area_under_roc(counts), area_under_precision_recall(counts)]
    return np.stack(areas if pro_limit is None else [*areas, area_under_pro(counts, pro_limit)])


def _percentiles(value: float, binned: float, samples: Float[np.ndarray, "r"]) -> Estimate:
    low, high = np.clip(np.quantile(samples, (0.025, 0.975)) + (value - binned), 0.0, 1.0)
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def _resamples(strata: Integer[np.ndarray, "n"], seed: int, columns: int) -> Iterator[Float[np.ndarray, "r n"]]:
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


def _histograms(
    pool: PixelPool, maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]]
) -> Counts:
    """One row per image and one column per bin, highest scores first."""
    edges = np.unique(np.concatenate([_quantiles(pool.normal), _quantiles(pool.anomalous)]))
    size = len(edges) + 1
    rows = []
    for scores, mask in zip(maps, masks, strict=True):
        bins = np.searchsorted(edges, scores, side="right")
        inside = bins[mask]
        normal, anomalous = np.bincount(bins[~mask], minlength=size), np.bincount(inside, minlength=size)
        overlap = np.bincount(inside, weights=region_weights(mask), minlength=size)
        rows.append(np.stack([normal, anomalous, overlap])[:, ::-1])
    return Counts(*np.stack(rows, axis=1))


def _quantiles(ascending: Float[np.ndarray, "n"]) -> Float[np.ndarray, "q"]:
    return ascending[np.linspace(0, len(ascending) - 1, min(_QUANTILES, len(ascending))).astype(np.int64)]
