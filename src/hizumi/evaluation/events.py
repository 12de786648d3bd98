"""Alarms over time matched with labelled events: found or missed, how late, how many false; and the same by chance.

An event is a run of labelled steps. It is found when one of its steps has an alarm; its delay is the number of steps
from its onset to the first one. A score of windows cannot tell the steps of a window apart, so steps up to a window
before or after an event count neither way. On all others, the quiet ones, alarms are false, and those that follow one
another within a window are one false alarm.

By chance means that the same alarms come at another time: all of them shifted by a random number of steps, from the end
of a recording on to its start. These means over all shifts are exact. Alarms scattered at random would be no measure:
as many of them touch nearly every long event, at the price of many more false alarms.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Float, Integer


class EventCounts(NamedTuple):
    """Counts of one recording, or of several added up; by chance, means.

    `delay` is the sum over the events that were found; `flagged` are the quiet steps with an alarm.
    """

    events: int
    found: float
    delay: float
    quiet: int
    flagged: float
    false_alarms: float

    @classmethod
    def total(cls, counts: Iterable[Self]) -> Self:
        """Added up over recordings."""
        return cls(*(sum(each) for each in zip(*counts, strict=True)))

    @property
    def event_recall(self) -> float:
        """Share of events that were found; NaN without any."""
        return self.found / self.events if self.events else math.nan

    @property
    def mean_delay(self) -> float:
        """In steps, of events that were found; NaN without any."""
        return self.delay / self.found if self.found else math.nan

    @property
    def false_alarms_per_1000(self) -> float:
        """False alarms in 1,000 quiet steps; NaN without such steps."""
        return 1000 * self.false_alarms / self.quiet if self.quiet else math.nan

    @property
    def flagged_share(self) -> float:
        """Share of quiet steps with an alarm; NaN without such steps."""
        return self.flagged / self.quiet if self.quiet else math.nan


def runs(flags: Bool[np.ndarray, "t"]) -> Integer[np.ndarray, "n 2"]:
    """Start and stop of each run of True, in order; stops are exclusive."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2)


def delays(alarms: Bool[np.ndarray, "t"], labels: Bool[np.ndarray, "t"]) -> Float[np.ndarray, "n"]:
    """Steps from each event's onset to its first alarm; NaN where it has none."""
    events = runs(labels)
    times = np.append(np.flatnonzero(alarms), np.iinfo(np.int64).max)
    first = times[np.searchsorted(times, events[:, 0])]
    return np.where(first < events[:, 1], first - events[:, 0], math.nan)


def counted_events(alarms: Bool[np.ndarray, "t"], labels: Bool[np.ndarray, "t"], window: int) -> EventCounts:
    """Match the steps with alarms of one recording with its labelled steps."""
    late, quiet = delays(alarms, labels), _quiet(labels, window)
    times = np.flatnonzero(alarms & quiet)
    return EventCounts(
        events=len(late),
        found=int((~np.isnan(late)).sum()),
        delay=float(np.nansum(late)),
        quiet=int(quiet.sum()),
        flagged=len(times),
        # Quiet stretches lie more than a window apart: the event between them parts their alarms.
        false_alarms=int((np.diff(times, prepend=-math.inf) > window).sum()),
    )


def events_by_chance(alarms: Bool[np.ndarray, "t"], labels: Bool[np.ndarray, "t"], window: int) -> EventCounts:
    """The mean of `counted_events` over all shifts of the alarms of one recording."""
    steps, quiet = len(labels), _quiet(labels, window)
    times = np.flatnonzero(alarms)
    gaps, count = np.unique(np.diff(times, prepend=times[-1:] - steps), return_counts=True)  # before each alarm
    # With an onset at any of the steps of a gap, the alarm after it is the first, so many steps late.
    reached = np.minimum.outer(np.diff(runs(labels), axis=1)[:, 0], gaps)
    # An alarm begins a false one where the alarm before it is far, or is not within the same quiet stretch.
    stretches = np.diff(runs(quiet), axis=1)
    begins = np.where(gaps > window, stretches, np.minimum(stretches, gaps))
    return EventCounts(
        events=len(reached),
        found=float((reached * count).sum() / steps),
        delay=float((reached * (reached - 1) / 2 * count).sum() / steps),
        quiet=int(quiet.sum()),
        flagged=float(alarms.mean() * quiet.sum()),
        false_alarms=float((begins * count).sum() / steps),
    )


def _quiet(labels: Bool[np.ndarray, "t"], window: int) -> Bool[np.ndarray, "t"]:
    """Steps that are more than a window away from every event."""
    events, edges = runs(labels), np.zeros(len(labels) + 1, dtype=np.int64)
    np.add.at(edges, np.maximum(events[:, 0] - window, 0), 1)
    np.add.at(edges, np.minimum(events[:, 1] + window, len(labels)), -1)
    return np.asarray(edges.cumsum()[:-1] == 0)
