"""What the log knows of a detector: its past scores, and what people said of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

import numpy as np

from hizumi.shapes import Float
from hizumi.station.batches import batches
from hizumi.station.log import Filter, Label, Log
from hizumi.station.units import Units, interval_of

RECALIBRATED, UNDONE = "bundle recalibrated", "recalibration undone"
"""Events of the audit trail; their details name the bundles `before` and `after`."""


class Reviewed(NamedTuple):
    """A picture with a verdict that somebody reviewed, by the newest word on it; the peak is that of its map.

    `part` is the number of the part that it is a view of, alone or with others.
    """

    picture_sha256: str
    score: float
    map_peak: float | None
    label: Label
    sampled: bool
    reviewed_at: datetime
    part: int


@dataclass(frozen=True)
class Consequences:
    """What a threshold makes of reviewed pictures: how many defects it misses, how many good ones it flags.

    The intervals, at 95%, are of the shares of such that are missed, or flagged; they go by parts.
    """

    defects: int
    missed: int
    good: int
    false_alarms: int
    missed_interval: tuple[float, float]
    false_alarm_interval: tuple[float, float]

    @classmethod
    def of(cls, threshold: float, reviewed: list[Reviewed]) -> Self:
        """Counted; those of which nobody was sure are left out."""
        defects = [each for each in reviewed if each.label == "defect"]
        good = [each for each in reviewed if each.label == "good"]
        missed = [each.score <= threshold for each in defects]
        false_alarms = [each.score > threshold for each in good]
        return cls(
            len(defects),
            sum(missed),
            len(good),
            sum(false_alarms),
            interval_of(missed, [each.part for each in defects]),
            interval_of(false_alarms, [each.part for each in good]),
        )


@dataclass(frozen=True, eq=False)
class Evidence:
    """All scores of one detector in a time, newest first, and the reviewed pictures among them.

    `sample_waiting` counts inspections of the audit sample that have not been reviewed, or whose reviewer was unsure.
    """

    ids: tuple[str, ...]
    scores: Float[np.ndarray, "n"]
    reviewed: tuple[Reviewed, ...]
    sample_waiting: int

    @classmethod
    def gathered(
        cls, log: Log, recipe: str, bundle_sha256: str, since: datetime | None = None, until: datetime | None = None
    ) -> Self:
        """From the log, by all bundles that share this one's detector, as they were recalibrated from one another."""
        bundles = tuple(lineage(log, bundle_sha256))
        filters = Filter(recipe=recipe, bundles=bundles, since=since, until=until, judged=True)
        ids, scores = log.judged_scores(**filters)
        reviewed = _newest_of_each_picture(_reviewed(log, filters))
        waiting = log.count(**(filters | Filter(sampled=True, reviewed=False)))
        waiting += log.count(**(filters | Filter(sampled=True, label="unsure")))
        return cls(ids, scores, tuple(reviewed), waiting)


def lineage(log: Log, bundle_sha256: str) -> set[str]:
    """The bundles that differ from this one in nothing but their calibration, as the audit trail tells, and itself."""
    edges = [
        {event.details["before"], event.details["after"]} for event in log.audit(what=RECALIBRATED, limit=1_000_000)
    ]
    known = {bundle_sha256}
    while more := [edge for edge in edges if edge & known and not edge <= known]:
        known = known.union(*more)
    return known


def _reviewed(log: Log, filters: Filter) -> Iterator[Reviewed]:
    units = Units()
    for entries in batches(log.every(**(filters | Filter(reviewed=True)))):
        reviews = log.newest_reviews([entry.id for entry in entries])
        for entry in entries:
            if entry.id in reviews and entry.score is not None and (label := reviews[entry.id].label) is not None:
                made_at = reviews[entry.id].made_at
                part = units.of(entry)
                yield Reviewed(entry.picture_sha256, entry.score, entry.map_peak, label, entry.sampled, made_at, part)


def _newest_of_each_picture(reviewed: Iterator[Reviewed]) -> list[Reviewed]:
    """One picture may have come several times; it is of the sample if it was once."""
    chosen: dict[str, Reviewed] = {}
    for each in reviewed:
        other = chosen.get(each.picture_sha256)
        newest = each if other is None or each.reviewed_at > other.reviewed_at else other
        sampled = each.sampled or (other is not None and other.sampled)
        chosen[each.picture_sha256] = newest._replace(sampled=sampled)
    return list(chosen.values())
