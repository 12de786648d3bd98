"""Measures of what is known of a step at once: the score of the newest window, which ends there, not of later ones."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from hizumi.evaluation.bootstrap import number
from hizumi.evaluation.events import EventCounts, counted_events
from hizumi.evaluation.metrics import average_precision
from hizumi.evaluation.volume import RangeCounts, range_counts, thresholds_of, volumes


@dataclass(frozen=True)
class CausalMeasures:
    """Of all recordings together, NaN where a class is missing; without intervals, and without a promise.

    The threshold is that of means over windows, of which a single window's score lies over more often. Delays are those
    at which alarms are known. `steps` are those from the end of each recording's first window on.
    """

    steps: int
    vus_pr: float
    average_precision: float
    events: EventCounts

    def to_dict(self) -> dict[str, Any]:
        """Stable keys for JSON: None in place of NaN."""
        rates = {name: getattr(self.events, name) for name in ("event_recall", "false_alarms_per_1000", "mean_delay")}
        plain = asdict(self) | {"events": self.events._asdict()} | rates
        return {name: number(value) if isinstance(value, float) else value for name, value in plain.items()}


def causal_measures(
    scores: Sequence[Float[np.ndarray, "_"]],
    labels: Sequence[Shaped[np.ndarray, "_"]],
    threshold: float,
    length: int,
) -> CausalMeasures | None:
    """Measure the newest windows' scores of the steps of recordings, NaN at steps at which none has ended.

    Where windows lie several steps apart, that is the last one that has. None where no recording has a window.
    """
    known = [_from_first_window(*pair) for pair in zip(scores, labels, strict=True) if not np.isnan(pair[0]).all()]
    if not known:
        return None
    alarms = [(each > threshold, truth) for each, truth in known]
    together = np.concatenate([truth for _, truth in known])
    both = together.any() and not together.all()
    all_scores = np.concatenate([each for each, _ in known])
    return CausalMeasures(
        steps=len(together),
        vus_pr=_volume(known, length) if both else math.nan,
        average_precision=average_precision(all_scores, together.astype(np.int64)) if both else math.nan,
        events=EventCounts.total(counted_events(*pair, length) for pair in alarms),
    )


def _volume(known: Sequence[tuple[Float[np.ndarray, "_"], Bool[np.ndarray, "_"]]], length: int) -> float:
    thresholds, widths = thresholds_of([each for each, _ in known]), np.arange(length + 1)
    counts = RangeCounts.total(range_counts(*pair, thresholds, widths) for pair in known)
    return float(volumes(counts).precision_recall)


def _from_first_window(
    scores: Float[np.ndarray, "t"], labels: Shaped[np.ndarray, "t"]
) -> tuple[Float[np.ndarray, "s"], Bool[np.ndarray, "s"]]:
    """Each step with the newest score that there is, from the first on that has one."""
    ended: Integer[np.ndarray, "t"] = np.where(np.isnan(scores), 0, np.arange(len(scores)))
    first = int(np.flatnonzero(~np.isnan(scores))[0])
    newest = np.maximum.accumulate(ended)
    return scores[newest][first:].astype(np.float64), np.asarray(labels[first:] == 1)
