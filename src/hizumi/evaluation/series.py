"""Measures of time series: of how scores rank steps, and of events at the calibrated threshold.

Each is given over all recordings together and as the median over recordings, beside what chance gives. Intervals
resample recordings, or where there are few, the stretches around events, from half-way to half-way between them. F1
after point adjustment is not among them: random scores win it (docs/point-adjustment.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from hizumi.errors import DataError, UsageError
from hizumi.evaluation.bootstrap import UNKNOWN, Estimate, number, percentiles, resamples
from hizumi.evaluation.events import EventCounts, counted_events, delays, events_by_chance, runs
from hizumi.evaluation.metrics import Counts, area_under_precision_recall, average_precision, binomial_interval
from hizumi.evaluation.volume import (
    THRESHOLDS,
    RangeCounts,
    range_counts,
    thresholds_of,
    volumes,
    volumes_under_surfaces,
)

FEW_RECORDINGS = 10  # fewer say little of how recordings differ
_DRAWS = 10  # of random scores
_WIDTHS = 9  # of borders, for random scores and resamples: areas are smooth in the width
_RESAMPLES = 1000
_RANKINGS = ("vus_pr", "vus_roc", "average_precision")


@dataclass(frozen=True)
class SeriesMeasure:
    """One measure of all recordings together, and its median over those that have it, so many, each beside chance."""

    pooled: Estimate
    median: Estimate
    pooled_by_chance: float
    median_by_chance: float
    recordings: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON: None in place of NaN."""
        return {
            "pooled": self.pooled.to_dict(),
            "median": self.median.to_dict(),
            "pooled_by_chance": number(self.pooled_by_chance),
            "median_by_chance": number(self.median_by_chance),
            "recordings": self.recordings,
        }


@dataclass(frozen=True)
class SeriesMeasures:
    """All measures of recordings, NaN where a class is missing.

    `length` is that of a window in steps: the buffer of the volumes, and what merges alarms. Chance is random scores
    for rankings, and for events the same alarms at another time (see `hizumi.evaluation.events`). `mean_delay` is in
    steps, from onset to first alarm of the events that were found.
    """

    recordings: int
    steps: int
    anomalous_steps: int
    length: int
    threshold: float
    events: EventCounts
    vus_pr: SeriesMeasure
    vus_roc: SeriesMeasure
    average_precision: SeriesMeasure
    event_recall: SeriesMeasure
    false_alarms_per_1000: SeriesMeasure
    mean_delay: SeriesMeasure

    def measures(self) -> dict[str, SeriesMeasure]:
        """By name, in the order of tables."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, SeriesMeasure)}

    def to_dict(self) -> dict[str, Any]:
        """Stable keys for JSON."""
        plain = {
            name: getattr(self, name) for name in ("recordings", "steps", "anomalous_steps", "length", "threshold")
        }
        measures = {name: measure.to_dict() for name, measure in self.measures().items()}
        return {**plain, "events": self.events._asdict(), **measures}


def series_measures(
    scores: Sequence[Float[np.ndarray, "_"]],
    labels: Sequence[Shaped[np.ndarray, "_"]],
    threshold: float,
    length: int,
    *,
    seed: int = 0,
) -> SeriesMeasures:
    """Measure the scores of the steps of recordings against their labels, 0 or False for normal, 1 or True for not.

    `length` is that of a window in steps; a score over the threshold is an alarm. Raises DataError for scores that are
    NaN and labels that do not fit.
    """
    _refuse_unfit(scores, labels)
    anomalous = [each == 1 for each in labels]
    alarms = [each.astype(np.float64) > threshold for each in scores]
    each = [counted_events(*pair, length) for pair in zip(alarms, anomalous, strict=True)]
    chance = [events_by_chance(*pair, length) for pair in zip(alarms, anomalous, strict=True)]
    total = EventCounts.total(each)
    late = np.concatenate([delays(*pair) for pair in zip(alarms, anomalous, strict=True)])
    pooled = {
        "event_recall": _share(int(total.found), total.events),
        "false_alarms_per_1000": _rate_per_1000(int(total.false_alarms), total.quiet),
        "mean_delay": _resampled(late[~np.isnan(late)], np.mean, seed, highest=math.inf),
    }
    of_events = {
        name: _beside_chance(
            estimate,
            getattr(EventCounts.total(chance), name),
            np.array([getattr(counts, name) for counts in each]),
            np.array([getattr(counts, name) for counts in chance]),
            seed,
            1.0 if name == "event_recall" else math.inf,
        )
        for name, estimate in pooled.items()
    }
    return SeriesMeasures(
        recordings=len(scores),
        steps=sum(map(len, scores)),
        anomalous_steps=int(sum(each.sum() for each in anomalous)),
        length=length,
        threshold=threshold,
        events=total,
        **_rankings(scores, anomalous, length, seed),
        **of_events,
    )


def _rankings(
    scores: Sequence[Float[np.ndarray, "_"]], labels: Sequence[Bool[np.ndarray, "_"]], buffer: int, seed: int
) -> dict[str, SeriesMeasure]:
    """Volumes and average precision of steps."""
    together = np.concatenate(labels)
    if together.all() or not together.any():
        return dict.fromkeys(_RANKINGS, SeriesMeasure(UNKNOWN, UNKNOWN, math.nan, math.nan, 0))
    thresholds, widths = thresholds_of(scores), np.arange(buffer + 1)
    all_counts = RangeCounts.total(range_counts(*pair, thresholds, widths) for pair in zip(scores, labels, strict=True))
    precision = average_precision(np.concatenate(scores), together.astype(np.int64))
    values = np.array([volumes(all_counts).precision_recall, volumes(all_counts).roc, precision])
    intervals = _intervals(values, scores, labels, thresholds, buffer, seed)
    each = np.array([_of_one(*pair, buffer) for pair in zip(scores, labels, strict=True)]).T
    pooled_by_chance, each_by_chance = _rankings_by_chance(labels, buffer, seed)
    return {
        name: _beside_chance(intervals[row], pooled_by_chance[row], each[row], each_by_chance[row], seed)
        for row, name in enumerate(_RANKINGS)
    }


def _of_one(scores: Float[np.ndarray, "t"], labels: Bool[np.ndarray, "t"], buffer: int) -> tuple[float, float, float]:
    roc, precision_recall = volumes_under_surfaces(scores, labels, buffer)
    return float(precision_recall), float(roc), average_precision(scores, labels.astype(np.int64))


def _areas(counts: RangeCounts) -> Float[np.ndarray, "3 ..."]:
    """In the order of their names; average precision as if scores between two thresholds were equal."""
    steps = [np.diff(each, prepend=0) for each in (counts.flagged - counts.found, counts.found)]
    ranked = area_under_precision_recall(Counts(steps[0], steps[1], np.zeros_like(steps[0])))
    roc, precision_recall = volumes(counts)
    return np.stack([precision_recall, roc, ranked])


def _intervals(
    values: Float[np.ndarray, "3"],
    scores: Sequence[Float[np.ndarray, "_"]],
    labels: Sequence[Bool[np.ndarray, "_"]],
    thresholds: Float[np.ndarray, "k"],
    buffer: int,
    seed: int,
) -> list[Estimate]:
    """Bootstrap over recordings, or the stretches around events; those with and without an event apart."""
    units = [
        (scores[index][start:stop], labels[index][start:stop])
        for index, each in enumerate(labels)
        for start, stop in ([(0, len(each))] if len(labels) >= FEW_RECORDINGS else _around_events(each))
    ]
    strata = np.array([int(each.any()) for _, each in units])
    if strata.sum() < 2:
        return [Estimate(float(value), 0.0, 1.0) for value in values]
    counts = _stacked([range_counts(*unit, thresholds, _few(buffer)) for unit in units])
    binned = _areas(counts.weighted(np.ones((1, len(units)))))[:, 0]
    drawn = [_areas(counts.weighted(weights)) for weights in resamples(strata, seed, columns=_WIDTHS * THRESHOLDS)]
    return [percentiles(*row) for row in zip(values, binned, np.concatenate(drawn, axis=1), strict=True)]


def _around_events(labels: Bool[np.ndarray, "t"]) -> list[tuple[int, int]]:
    """Stretches with one event each, cut half-way between events."""
    events = runs(labels)
    cuts = [0, *((events[:-1, 1] + events[1:, 0]) // 2).tolist(), len(labels)]
    return list(pairwise(cuts))


def _rankings_by_chance(
    labels: Sequence[Bool[np.ndarray, "_"]], buffer: int, seed: int
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 r"]]:
    """Mean over draws of random scores, of all recordings together and of each; average precisions are exact."""
    generator, share = np.random.default_rng(seed), np.array([each.mean() for each in labels])
    both = (share > 0) & (share < 1)
    together, apart = np.zeros(3), np.full((3, len(labels)), math.nan)
    apart[:, both] = 0
    for _ in range(_DRAWS):
        scores = [generator.random(len(each)) for each in labels]
        thresholds = thresholds_of(scores)
        counts = _stacked([range_counts(*pair, thresholds, _few(buffer)) for pair in zip(scores, labels, strict=True)])
        together += _areas(counts.weighted(np.ones((1, len(labels)))))[:, 0] / _DRAWS
        apart[:, both] += _areas(counts.weighted(np.eye(len(labels))[both])) / _DRAWS
    together[2], apart[2, both] = np.concatenate(labels).mean(), share[both]
    return together, apart


def _few(buffer: int) -> Integer[np.ndarray, "w"]:
    return np.linspace(0, buffer, _WIDTHS).round().astype(np.int64)


def _stacked(counts: Sequence[RangeCounts]) -> RangeCounts:
    return RangeCounts(*(np.stack(each) for each in zip(*counts, strict=True)))


def _beside_chance(
    pooled: Estimate,
    pooled_by_chance: float,
    each: Float[np.ndarray, "r"],
    each_by_chance: Float[np.ndarray, "r"],
    seed: int,
    highest: float = 1.0,
) -> SeriesMeasure:
    """With the median over the recordings that have the measure; chance is of the same ones."""
    known = ~np.isnan(each)
    median = _resampled(each[known], np.median, seed, highest)
    by_chance = each_by_chance[known]
    middle = float(np.median(by_chance)) if len(by_chance) else math.nan
    return SeriesMeasure(pooled, median, float(pooled_by_chance), middle, len(by_chance))


def _resampled(values: Float[np.ndarray, "n"], statistic: Any, seed: int, highest: float) -> Estimate:
    """A statistic of independent values with its bootstrap interval; of one value alone nothing is known."""
    if not len(values):
        return UNKNOWN
    value = float(statistic(values))
    if len(values) == 1:
        return Estimate(value, 0.0, highest)
    drawn = np.random.default_rng(seed).choice(values, (_RESAMPLES, len(values)))
    return percentiles(value, value, statistic(drawn, axis=1), highest=highest)


def _share(count: int, total: int) -> Estimate:
    return Estimate(count / total, *binomial_interval(count, total)) if total else UNKNOWN


def _rate_per_1000(count: int, steps: int) -> Estimate:
    """A rate with Garwood's exact interval (1936) for counts of rare events that do not hang together."""
    if not steps:
        return UNKNOWN
    from scipy.special import gammaincinv

    low = float(gammaincinv(count, 0.025)) if count else 0.0
    unit = 1000 / steps
    return Estimate(count * unit, low * unit, float(gammaincinv(count + 1, 0.975)) * unit)


def _refuse_unfit(scores: Sequence[Float[np.ndarray, "_"]], labels: Sequence[Shaped[np.ndarray, "_"]]) -> None:
    if len(scores) != len(labels):
        raise UsageError(f"{len(labels)} rows of labels were given for the scores of {len(scores)} recordings")
    if not len(scores):
        raise DataError("there is nothing to measure: no recording has scores")
    for index, (each, truth) in enumerate(zip(scores, labels, strict=True)):
        if each.shape != truth.shape:
            raise DataError(f"recording number {index} has {len(each)} scores and {len(truth)} labels: give one a step")
        if np.isnan(each).any():
            raise DataError(f"recording number {index} has {int(np.isnan(each).sum())} scores that are NaN: leave out")
        if not np.isin(truth, (0, 1)).all():
            raise DataError(f"recording number {index} has labels other than 0 and 1: leave steps without a label out")
