"""Exact metrics of how scores and maps separate anomalous from normal; higher is more anomalous, labels are 0 or 1.

Every ranking metric here is an area under a staircase whose steps are the distinct thresholds, highest first. `Counts`
holds what each step adds; images, pixels and bootstrap resamples differ only in how they fill it.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from hizumi.calibration.limits import best_f1_threshold
from hizumi.errors import DataError, UsageError

PRO_LIMIT = 0.3


class Counts(NamedTuple):
    """What each threshold adds, highest threshold first, along the last axis.

    `overlap` is the share of each true region that is added, summed over regions; zeros where there are none.
    """

    normal: Float[np.ndarray, "... t"]
    anomalous: Float[np.ndarray, "... t"]
    overlap: Float[np.ndarray, "... t"]


def area_under_roc(counts: Counts) -> Float[np.ndarray, "..."]:
    """P(anomalous score > normal score) + P(equal) / 2."""
    found = counts.anomalous.cumsum(-1)
    area = (counts.normal * (found - counts.anomalous / 2)).sum(-1)
    return np.asarray(area / (counts.normal.sum(-1) * found[..., -1]))


def area_under_precision_recall(counts: Counts) -> Float[np.ndarray, "..."]:
    """Average precision: the sum of precision times the recall each threshold adds, without interpolation."""
    found = counts.anomalous.cumsum(-1)
    flagged = found + counts.normal.cumsum(-1)
    precision = found / np.maximum(flagged, np.finfo(np.float32).tiny)
    return np.asarray((counts.anomalous * precision).sum(-1) / found[..., -1])


def area_under_pro(counts: Counts, limit: float) -> Float[np.ndarray, "..."]:
    """Mean overlap with the regions over the false-positive rates 0 to limit, by trapezoids, divided by the limit."""
    false_rate = counts.normal.cumsum(-1) / counts.normal.sum(-1, keepdims=True)
    gained = counts.overlap / counts.overlap.sum(-1, keepdims=True)
    overlap_before = gained.cumsum(-1) - gained
    width = np.diff(false_rate, axis=-1, prepend=0.0)
    width_inside = np.clip(limit - (false_rate - width), 0.0, width)
    share_inside = np.divide(width_inside, width, out=np.zeros_like(width), where=width > 0)
    return np.asarray((width_inside * (overlap_before + gained * share_inside / 2)).sum(-1) / limit)


def auroc(scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"]) -> float:
    """Area under the ROC curve of images; NaN when one class is missing."""
    scores, labels = _paired(scores, labels)
    return float(area_under_roc(image_counts(scores, labels))) if _both_classes(labels) else math.nan


def average_precision(scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"]) -> float:
    """Average precision of images; NaN when one class is missing. Chance is the share of anomalous images."""
    scores, labels = _paired(scores, labels)
    return float(area_under_precision_recall(image_counts(scores, labels))) if _both_classes(labels) else math.nan


def best_f1(scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"]) -> float:
    """The largest F1 over all thresholds: an oracle, as it uses the labels; NaN when one class is missing."""
    scores, labels = _paired(scores, labels)
    return best_f1_threshold(scores, labels).f1 if _both_classes(labels) else math.nan


class Confusion(NamedTuple):
    """Decisions counted against labels."""

    true_alarms: int
    false_alarms: int
    missed: int
    passed: int

    @property
    def precision(self) -> float:
        """Share of alarms that are right; 0 without alarms."""
        alarms = self.true_alarms + self.false_alarms
        return self.true_alarms / alarms if alarms else 0.0

    @property
    def recall(self) -> float:
        """Share of anomalous images that were found; NaN without any."""
        anomalous = self.true_alarms + self.missed
        return self.true_alarms / anomalous if anomalous else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN without anomalous images."""
        if math.isnan(self.recall):
            return math.nan
        return 2 * self.true_alarms / (2 * self.true_alarms + self.false_alarms + self.missed)


def confusion_at(scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"], threshold: float) -> Confusion:
    """Count decisions when every score strictly above the threshold is an alarm."""
    scores, labels = _paired(scores, labels)
    alarm, anomalous = scores.astype(np.float64) > threshold, labels == 1
    return Confusion(
        true_alarms=int((alarm & anomalous).sum()),
        false_alarms=int((alarm & ~anomalous).sum()),
        missed=int((~alarm & anomalous).sum()),
        passed=int((~alarm & ~anomalous).sum()),
    )


def binomial_interval(count: float, total: float, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of the rate behind `count` events in `total` trials; (0, 1) when nothing was tried.

    Trials that are not independent count as fewer, which need not be a whole number.
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def binomial_acceptance(total: int, rate: float, confidence: float = 0.95) -> tuple[int, int]:
    """The lowest and highest number of alarms among `total` good images that agree with a rate."""
    from scipy.special import bdtr

    tail = (1 - confidence) / 2
    cumulative = bdtr(np.arange(total + 1), total, rate)
    low, high = np.searchsorted(cumulative, [tail, 1 - tail])
    return int(low), int(min(high, total))


def image_counts(scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"]) -> Counts:
    """One step for each distinct score; labels other than 0 and 1 are left out."""
    if np.isnan(scores).any():
        raise DataError("some image scores are NaN: they cannot be ranked")
    _, step = np.unique(-scores, return_inverse=True)
    normal, anomalous = (np.bincount(step, weights=labels == label) for label in (0, 1))
    return Counts(normal, anomalous, np.zeros_like(normal))


def _paired(
    scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n"], Integer[np.ndarray, "n"]]:
    """Scores and labels as arrays; UsageError where they are no pairs, as when they come in scikit-learn's order."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise UsageError(f"there are scores of shape {scores.shape} and labels of {labels.shape}; give one to one")
    others = labels[~np.isin(labels, (-1, 0, 1))]
    if len(others):
        raise UsageError(
            f"labels are 0 (normal), 1 (anomalous) or -1 (unknown), got {others[0]:g}; scores come first, then labels"
        )
    return scores, labels


def _both_classes(labels: Integer[np.ndarray, "n"]) -> bool:
    return bool((labels == 0).any() and (labels == 1).any())
