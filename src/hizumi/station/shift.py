"""A shift or a lot in numbers, counted from the log."""

from array import array
from collections import Counter
from collections.abc import MutableSequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple, Self

from hizumi.station.batches import batches
from hizumi.station.entry import Entry
from hizumi.station.log import Alarm, AuditEvent, Filter, Log, Review
from hizumi.station.units import Units, interval_of

LISTED = 200  # inspections of a kind, or events, that are named one by one
BARS = 48  # of the chart over time, at most
STEPS_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 10080)


@dataclass
class Rate:
    """A count of some, and of how many; `marks` says of each whether it counts, and `units` of which part it is."""

    marks: bytearray = field(default_factory=bytearray)
    units: MutableSequence[int] = field(default_factory=lambda: array("q"))

    def add(self, unit: int, *, counts: bool) -> None:
        """One more."""
        self.marks.append(counts)
        self.units.append(unit)

    @property
    def count(self) -> int:
        """Of those that count."""
        return sum(self.marks)

    @property
    def total(self) -> int:
        """Of all."""
        return len(self.marks)

    @property
    def share(self) -> float:
        """0 where there are none."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Interval, at 95%, of the share behind it, by parts, whose views are alike; (0, 1) where there are none."""
        return interval_of(self.marks, self.units)


@dataclass
class Tally:
    """Verdicts counted; `flagged` are the anomalous among those judged."""

    good: int = 0
    anomalous: int = 0
    unjudged: int = 0
    thresholds: set[float] = field(default_factory=set)
    flagged: Rate = field(default_factory=Rate)

    def add(self, entry: Entry, unit: int) -> None:
        """Count one more, of a part."""
        self.good += entry.anomalous is False
        self.anomalous += entry.anomalous is True
        self.unjudged += entry.anomalous is None
        if entry.anomalous is not None:
            self.flagged.add(unit, counts=entry.anomalous)
        if entry.threshold is not None:
            self.thresholds.add(entry.threshold)

    @property
    def total(self) -> int:
        """All of them."""
        return self.good + self.anomalous + self.unjudged


@dataclass
class Words:
    """What people said of inspections that have a verdict: how many good ones were flagged, and defects were not."""

    false_alarm_rate: Rate = field(default_factory=Rate)
    miss_rate: Rate = field(default_factory=Rate)

    def add(self, entry: Entry, review: Review, unit: int) -> None:
        """Count one more, of a part, that has a verdict; one of which somebody was unsure is neither."""
        if review.label == "good":
            self.false_alarm_rate.add(unit, counts=entry.anomalous is True)
        if review.label == "defect":
            self.miss_rate.add(unit, counts=entry.anomalous is False)


class Case(NamedTuple):
    """An inspection with the word that counts on it."""

    entry: Entry
    review: Review | None


@dataclass
class Shift:
    """What a report tells; of each list of cases the newest 200 are kept.

    The sample is that of inspections with a verdict, and reviewed is what somebody was sure of: the others may be those
    that are hard to tell.
    """

    whole: Tally = field(default_factory=Tally)
    by_bundle: dict[tuple[str, str], Tally] = field(default_factory=dict)
    by_minute: dict[datetime, Tally] = field(default_factory=dict)
    reviewed: Words = field(default_factory=Words)
    sampled: Words = field(default_factory=Words)
    reviewers: dict[str, Counter[str]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    sample_reviewed: int = 0
    sample_size: int = 0
    pictures_removed: int = 0
    flagged: list[Case] = field(default_factory=list)
    missed: list[Case] = field(default_factory=list)
    unjudged: list[Case] = field(default_factory=list)
    events: tuple[AuditEvent, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    abandoned: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, log: Log, filters: Filter) -> Self:
        """Counted from the log, of which few entries lie in memory; events are of the time, alarms of recipe too."""
        shift, units = cls(), Units()
        for entries in batches(log.every(**filters)):
            reviews = log.newest_reviews([entry.id for entry in entries])
            for entry in entries:
                shift._add(Case(entry, reviews.get(entry.id)), units.of(entry))
        since, until = filters.get("since"), filters.get("until")
        shift.events = log.audit(since=since, until=until, limit=LISTED)
        shift.alarms = log.alarms(recipe=filters.get("recipe"), since=since, until=until)
        shift.abandoned = {sink: abandoned for sink, (_, abandoned) in log.backlog().items() if abandoned}
        return shift

    def bars(self, zone: tzinfo | None = None) -> tuple[int, list[tuple[datetime, Tally]]]:
        """Verdicts over time: the length of a step in minutes, and each step's beginning and counts, none left out.

        Days begin at midnight in `zone`, None: that of this computer; after its clock was changed, an hour beside it.
        """
        if not self.by_minute:
            return STEPS_MINUTES[0], []
        first, last = min(self.by_minute), max(self.by_minute)
        span = (last - first) / timedelta(minutes=1)
        step = next((each for each in STEPS_MINUTES if span / each < BARS - 1), STEPS_MINUTES[-1])
        midnight = first.astimezone(zone).replace(hour=0, minute=0).astimezone(UTC)
        places = {moment: int((moment - midnight) / timedelta(minutes=step)) for moment in self.by_minute}
        found = {place: Tally() for place in range(min(places.values()), max(places.values()) + 1)}
        for moment, place in places.items():
            found[place] = _sum(found[place], self.by_minute[moment])
        return step, [(midnight + place * timedelta(minutes=step), tally) for place, tally in sorted(found.items())]

    def _add(self, case: Case, unit: int) -> None:
        entry, review = case
        minute = entry.inspected_at.replace(second=0, microsecond=0)
        self.whole.add(entry, unit)
        self.by_bundle.setdefault((entry.recipe, entry.bundle_sha256), Tally()).add(entry, unit)
        self.by_minute.setdefault(minute, Tally()).add(entry, unit)
        self.pictures_removed += entry.pruned_at is not None
        self.sample_size += entry.sampled and entry.anomalous is not None
        if entry.anomalous is None:
            _keep(self.unjudged, case)
        elif entry.anomalous:
            _keep(self.flagged, case)
        if review is not None and review.label is not None:
            self._add_review(entry, review, unit)

    def _add_review(self, entry: Entry, review: Review, unit: int) -> None:
        self.reviewers.setdefault(review.who, Counter())[str(review.label)] += 1
        if entry.anomalous is not None:
            self.reviewed.add(entry, review, unit)
        if entry.anomalous is not None and entry.sampled:
            self.sample_reviewed += review.label != "unsure"
            self.sampled.add(entry, review, unit)
        if review.label == "defect":
            self.kinds[review.kind] += 1
            if entry.anomalous is False:
                _keep(self.missed, Case(entry, review))


def _sum(one: Tally, other: Tally) -> Tally:
    counts = (one.good + other.good, one.anomalous + other.anomalous, one.unjudged + other.unjudged)
    return Tally(*counts, one.thresholds | other.thresholds)


def _keep(cases: list[Case], case: Case) -> None:
    if len(cases) < LISTED:
        cases.append(case)
