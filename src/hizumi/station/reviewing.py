"""Which inspections a person should look at first; functions of the entries alone, each value from 0 to 1.

Ranks are taken among the entries of one bundle, as scores and terms of different detectors have different units.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Literal

import numpy as np

from hizumi.shapes import Float
from hizumi.station.entry import Entry
from hizumi.station.log import Log

Order = Literal["all", "doubt", "disagreement", "novelty"]
AMONG = 2000  # newest inspections of a recipe, from which the queue is made


@dataclass(frozen=True)
class Queued:
    """An inspection that waits for a review, and what speaks for looking at it."""

    entry: Entry
    doubt: float
    disagreement: float
    novelty: float

    def worth(self, order: Order) -> float:
        """What the queue is ordered by; "all" is the mean of the three."""
        values = {"doubt": self.doubt, "disagreement": self.disagreement, "novelty": self.novelty}
        return sum(values.values()) / 3 if order == "all" else values[order]


def review_queue(
    log: Log, *, recipe: str | None = None, order: Order = "all", limit: int = 50, since: datetime | None = None
) -> tuple[Queued, ...]:
    """Those to be reviewed next: the audit sample, then what could not be judged, then by worth.

    Whatever is of the sample comes, however old; others only of the newest inspections.
    """
    newest = log.find(recipe=recipe, since=since, limit=AMONG).entries
    reviewed = log.newest_reviews([entry.id for entry in newest])
    sampled = log.find(recipe=recipe, since=since, sampled=True, reviewed=False, limit=limit).entries
    entries = list({entry.id: entry for entry in (*newest, *sampled)}.values())
    return queue(entries, reviewed, order)[:limit]


def queue(entries: Sequence[Entry], reviewed: Collection[str], order: Order = "all") -> tuple[Queued, ...]:
    """Entries without those that were reviewed or have lost their pictures, in the order of `review_queue`."""
    doubts = _by_bundle(entries, doubt)
    disagreements = _by_bundle(entries, disagreement)
    novelties = _by_bundle(entries, lambda group: novelty(group, reviewed))
    waiting = [
        Queued(entry, doubts[entry.id], disagreements[entry.id], novelties[entry.id])
        for entry in entries
        if entry.id not in reviewed and entry.pruned_at is None
    ]

    def place(each: Queued) -> tuple[bool, bool, float]:
        return not each.entry.sampled, each.entry.anomalous is not None, -each.worth(order)

    newest_first = sorted(waiting, key=lambda each: each.entry.id, reverse=True)
    return tuple(sorted(newest_first, key=place))


def doubt(entries: Sequence[Entry]) -> list[float]:
    """How near to the limit each verdict of a bundle was: 1 at the limit, 0 for what could not be judged.

    It is the smaller of two closenesses. That of p-values is min(p, l) / max(p, l), where l, the limit, is the
    geometric mean of the largest p-value that was flagged and the smallest that was not: p-values count in ratios. That
    of scores is exp(-d / m), where d is the distance from the threshold and m the median of the distances: above the
    largest held-out score all p-values are equal, although a score just above it is in doubt, and one far above is not.
    """
    judged = [entry for entry in entries if entry.anomalous is not None and entry.p_value]
    if not judged:
        return [0.0] * len(entries)
    flagged = [entry.p_value for entry in judged if entry.anomalous and entry.p_value]
    passed = [entry.p_value for entry in judged if not entry.anomalous and entry.p_value]
    limit = math.sqrt(max(flagged or [min(passed or [1.0])]) * min(passed or [max(flagged or [1.0])]))
    spread = median(map(_distance, judged))
    return [_doubt(entry, limit, spread) for entry in entries]


def disagreement(entries: Sequence[Entry]) -> list[float]:
    """How far the terms of each score are apart: the largest less the smallest of their ranks among the entries.

    A rank is the share of entries with a smaller value, half of the equal ones counted in. Terms that agree say the
    same of a part; one that is high alone is a kind of defect that the score may drown, or a nuisance that it should.
    0 where there are fewer than two terms.
    """
    ranks = [dict(zip(names, row, strict=True)) for names, row in _ranked_terms(entries)]
    return [max(each.values()) - min(each.values()) if len(each) > 1 else 0.0 for each in ranks]


def novelty(entries: Sequence[Entry], reviewed: Collection[str]) -> list[float]:
    """How unlike each entry is to all that were reviewed, whose labels therefore say little of it.

    It is the distance to the nearest reviewed entry, the largest of the differences of these ranks: of the score, of
    each term, and of the place of the strongest region; entries with a region and without are 1 apart. 1 where nothing
    was reviewed, 0 for what could not be judged.
    """
    places = _places(entries)
    known = places[[n for n, entry in enumerate(entries) if entry.id in reviewed and entry.anomalous is not None]]
    if not len(known):
        return [float(entry.anomalous is not None) for entry in entries]
    from scipy.spatial import KDTree

    distances, _ = KDTree(known).query(places, p=math.inf)
    return [
        float(distance) if entry.anomalous is not None else 0.0
        for entry, distance in zip(entries, distances, strict=True)
    ]


def _by_bundle(entries: Sequence[Entry], measure: Callable[[Sequence[Entry]], Sequence[float]]) -> Mapping[str, float]:
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.recipe, entry.bundle_sha256), []).append(entry)
    return {entry.id: value for group in groups.values() for entry, value in zip(group, measure(group), strict=True)}


def _distance(entry: Entry) -> float:
    assert entry.score is not None, "a verdict has a score"
    assert entry.threshold is not None, "a verdict has a threshold"
    return abs(entry.score - entry.threshold)


def _doubt(entry: Entry, limit: float, spread: float) -> float:
    if entry.anomalous is None or not entry.p_value:
        return 0.0
    distance = _distance(entry)
    near = math.exp(-distance / spread) if spread > 0 and math.isfinite(distance) else float(distance == 0)
    return min(min(entry.p_value, limit) / max(entry.p_value, limit), near)


def _ranks(values: Sequence[float]) -> Float[np.ndarray, "n"]:
    """Of each value the share of smaller ones, half of the equal ones counted in."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return ((counts.cumsum() - counts / 2) / max(1, len(values)))[places]


def _ranked_terms(entries: Sequence[Entry]) -> list[tuple[list[str], list[float]]]:
    """Names and ranks of each entry's terms."""
    names = sorted({name for entry in entries for name in entry.terms})
    found: list[tuple[list[str], list[float]]] = [([], []) for _ in entries]
    for name in names:
        holders = [number for number, entry in enumerate(entries) if name in entry.terms]
        for number, rank in zip(holders, _ranks([entries[n].terms[name] for n in holders]), strict=True):
            found[number][0].append(name)
            found[number][1].append(float(rank))
    return found


def _places(entries: Sequence[Entry]) -> Float[np.ndarray, "n k"]:
    """Ranks of score, terms, and the middle of the strongest region; 0.5 stands for what an entry has not."""
    names = sorted({name for entry in entries for name in entry.terms})
    scores = [entry.score or 0.0 for entry in entries]
    columns = [_ranks(scores)]
    ranked = [dict(zip(*each, strict=True)) for each in _ranked_terms(entries)]
    columns += [np.array([each.get(name, 0.5) for each in ranked]) for name in names]
    boxes = [max(entry.boxes, key=lambda box: box.peak, default=None) for entry in entries]
    with_box = [number for number, box in enumerate(boxes) if box is not None]
    found = [box for box in boxes if box is not None]
    for middles in ([b.left + b.width / 2 for b in found], [b.top + b.height / 2 for b in found]):
        column = np.full(len(entries), 0.5)
        column[with_box] = _ranks(middles) if found else []
        columns.append(column)
    columns.append(np.array([float(box is not None) for box in boxes]))
    return np.stack(columns, 1)
