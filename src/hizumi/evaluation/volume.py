"""Volumes under the surfaces of range-based ROC and precision-recall curves, for labels that need not fit to the step.

Each labelled event gets sloping borders, a step at distance d from it counting sqrt(1 - d / width) where d is at most
half the width; events whose borders meet are one range, and recall is multiplied by the share of ranges that are
touched. The volumes are the mean areas over widths from 0 up to a buffer (Paparrizos, Boniol, Palpanas, Tsay, Elmore
and Franklin, "Volume under the surface: a new accuracy evaluation measure for time-series anomaly detection", VLDB
2022). Scores of steps, higher being more anomalous, are cut at 250 thresholds, as in the authors' code.
"""

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from hizumi.evaluation.events import runs

THRESHOLDS = 250  # ranks, evenly spaced from the highest score to the lowest


class RangeCounts(NamedTuple):
    """What lies at or over each of k thresholds, highest first, for each of w widths; recordings' counts add up.

    `bordering` counts the flagged steps of the borders by their slope, `touched` the `ranges` with a flagged step.
    """

    steps: Float[np.ndarray, "..."]
    anomalous: Float[np.ndarray, "..."]
    flagged: Float[np.ndarray, "... k"]
    found: Float[np.ndarray, "... k"]
    bordering: Float[np.ndarray, "... w k"]
    touched: Float[np.ndarray, "... w k"]
    ranges: Float[np.ndarray, "... w"]

    @classmethod
    def total(cls, counts: Iterable["RangeCounts"]) -> "RangeCounts":
        """Added up over recordings."""
        return reduce(lambda one, other: cls(*map(np.add, one, other)), counts)

    def weighted(self, weights: Float[np.ndarray, "m r"]) -> "RangeCounts":
        """Sums over recordings, stacked along the first axis, for each row of their weights."""
        return RangeCounts(*(np.tensordot(weights, each, 1) for each in self))


class Volumes(NamedTuple):
    """Mean areas over all widths."""

    roc: Float[np.ndarray, "..."]
    precision_recall: Float[np.ndarray, "..."]


def volumes_under_surfaces(scores: Float[np.ndarray, "t"], labels: Bool[np.ndarray, "t"], buffer: int) -> Volumes:
    """VUS-ROC and VUS-PR of one recording; NaN when one class is missing. Chance is `volumes_by_chance`."""
    if labels.all() or not labels.any():
        return Volumes(np.array(math.nan), np.array(math.nan))
    return volumes(range_counts(scores, labels, thresholds_of([scores]), np.arange(buffer + 1)))


def volumes(counts: RangeCounts) -> Volumes:
    """Volumes over the widths that were counted."""
    flagged, true = counts.flagged[..., None, :], counts.found[..., None, :] + counts.bordering
    # Half of the borders that are flagged: so that wide borders neither forbid a recall of 1 nor give it away.
    positives = counts.anomalous[..., None, None] + counts.bordering / 2
    recall = np.minimum(true / positives, 1) * counts.touched / counts.ranges[..., None]
    false_rate = (flagged - true) / (counts.steps[..., None, None] - positives)
    precision = true / np.maximum(flagged, np.finfo(np.float64).tiny)
    ends = [(0, 0)] * (recall.ndim - 1)
    over, along = (np.pad(each, [*ends, (1, 1)], constant_values=(0, 1)) for each in (recall, false_rate))
    roc = (np.diff(along) * (over[..., 1:] + over[..., :-1]) / 2).sum(-1)
    precision_recall = (np.diff(recall, prepend=0) * precision).sum(-1)
    return Volumes(roc.mean(-1), precision_recall.mean(-1))


def thresholds_of(scores: Sequence[Float[np.ndarray, "_"]]) -> Float[np.ndarray, "k"]:
    """Descending thresholds of all recordings together."""
    ascending = np.sort(np.concatenate(scores).astype(np.float64))
    return ascending[::-1][np.linspace(0, len(ascending) - 1, THRESHOLDS).astype(int)]


def range_counts(
    scores: Float[np.ndarray, "t"],
    labels: Bool[np.ndarray, "t"],
    thresholds: Float[np.ndarray, "k"],
    widths: Integer[np.ndarray, "w"],
) -> RangeCounts:
    """Count one recording; its thresholds may be those of more."""
    events, steps = runs(labels), len(labels)
    level = np.searchsorted(-thresholds, -scores.astype(np.float64))  # the first threshold that flags a step
    border = _Borders.of(labels, events, int(widths.max()) // 2)
    bordering = np.stack([_up_to(level[border.places], border.slopes(int(width)), len(thresholds)) for width in widths])
    halves, of_width = np.unique(widths // 2, return_inverse=True)
    first_in = [_lowest_within(level, _joined(events, int(half), steps)) for half in halves]
    touched = np.stack([_up_to(first, None, len(thresholds)) for first in first_in])
    return RangeCounts(
        np.array(float(steps)),
        np.array(float(labels.sum())),
        _up_to(level, None, len(thresholds)),
        _up_to(level[labels], None, len(thresholds)),
        bordering,
        touched[of_width],
        np.array([float(len(first)) for first in first_in])[of_width],
    )


class _Borders(NamedTuple):
    """Normal steps near events: `places`, and each pair of such a step, by its position in `places`, with an edge.

    Pairs are in the order of their distance, of which the first `up_to[d]` are at most d steps.
    """

    places: Integer[np.ndarray, "m"]
    position: Integer[np.ndarray, "p"]
    distance: Integer[np.ndarray, "p"]
    up_to: Integer[np.ndarray, "h"]

    @classmethod
    def of(cls, labels: Bool[np.ndarray, "t"], events: Integer[np.ndarray, "n 2"], farthest: int) -> "_Borders":
        distance = np.arange(1, farthest + 1)[:, None]
        near = np.concatenate([events[:, 0] - distance, events[:, 1] - 1 + distance], axis=1)
        inside = (near >= 0) & (near < len(labels))
        inside[inside] = ~labels[near[inside]]
        places, position = np.unique(near[inside], return_inverse=True)
        up_to = np.append(0, inside.sum(1).cumsum())
        return cls(places, position, np.broadcast_to(distance, near.shape)[inside], up_to)

    def slopes(self, width: int) -> Float[np.ndarray, "m"]:
        """How far each place counts as anomalous, borders of several events adding up to 1 at most."""
        pairs = self.up_to[width // 2]
        slope = np.sqrt(1 - self.distance[:pairs] / max(width, 1))
        return np.minimum(np.bincount(self.position[:pairs], slope, len(self.places)), 1.0)


def _joined(events: Integer[np.ndarray, "n 2"], half: int, steps: int) -> Integer[np.ndarray, "r 2"]:
    """Ranges of events with borders of half the width, joined where they overlap or touch at a step."""
    apart = events[:-1, 1] - 1 + half < events[1:, 0] - half
    starts = events[np.append(True, apart)[: len(events)], 0] - half
    stops = events[np.append(apart, True)[: len(events)], 1] + half
    return np.stack([np.maximum(starts, 0), np.minimum(stops, steps)], axis=1)


def _lowest_within(level: Integer[np.ndarray, "t"], ranges: Integer[np.ndarray, "r 2"]) -> Integer[np.ndarray, "r"]:
    # Every second piece between the ends of ranges; the last may end where the recording does.
    return np.asarray(np.minimum.reduceat(np.append(level, level.max()), ranges.ravel())[::2])


def _up_to(
    level: Integer[np.ndarray, "n"], weights: Float[np.ndarray, "n"] | None, count: int
) -> Float[np.ndarray, "k"]:
    return np.bincount(level, weights, count).cumsum().astype(np.float64)
