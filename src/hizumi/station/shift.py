"""A shift or a lot in numbers, counted from the log."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from hizumi.evaluation.metrics import binomial_interval
from hizumi.station.batches import batches
from hizumi.station.entry import Entry
from hizumi.station.log import Alarm, AuditEvent, Filter, Log, Review

LISTED = 200  # inspections of a kind, or events, that are named one by one
BARS = 48  # of the chart over time, at most
STEPS_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 10080)


@dataclass(frozen=True)
class Rate:
    """A count of some, and of how many."""

    count: int
    total: int

    @property
    def share(self) -> float:
        """0 where there are none."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper-Pearson interval, at 95%, of the share behind it; (0, 1) where there are none."""
        return binomial_interval(self.count, self.total)


@dataclass
class Tally:
    """Verdicts counted."""

    good: int = 0
    anomalous: int = 0
    unjudged: int = 0
    thresholds: set[float] = field(default_factory=set)

    def add(self, entry: Entry) -> None:
        """Count one more."""
        self.good += entry.anomalous is False
        self.anomalous += entry.anomalous is True
        self.unjudged += entry.anomalous is None
        if entry.threshold is not None:
            self.thresholds.add(entry.threshold)

    @property
    def total(self) -> int:
        """All of them."""
        return self.good + self.anomalous + self.unjudged

    @property
    def flagged(self) -> Rate:
        """The anomalous among those judged."""
        return Rate(self.anomalous, self.good + self.anomalous)


@dataclass
class Words:
    """What people said of inspections that have a verdict, against it."""

    good: int = 0
    false_alarms: int = 0
    defects: int = 0
    missed: int = 0
    unsure: int = 0

    def add(self, entry: Entry, review: Review) -> None:
        """Count one more."""
        self.good += review.label == "good"
        self.false_alarms += review.label == "good" and entry.anomalous is True
        self.defects += review.label == "defect"
        self.missed += review.label == "defect" and entry.anomalous is False
        self.unsure += review.label == "unsure"

    @property
    def false_alarm_rate(self) -> Rate:
        """Good ones that were flagged."""
        return Rate(self.false_alarms, self.good)

    @property
    def miss_rate(self) -> Rate:
        """Defects that were not."""
        return Rate(self.missed, self.defects)


class Case(NamedTuple):
    """An inspection with the word that counts on it."""

    entry: Entry
    review: Review | None


@dataclass
class Shift:
    """What a report tells; of each list of cases the newest 200 are kept."""

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
        shift = cls()
        for entries in batches(log.every(**filters)):
            reviews = log.newest_reviews([entry.id for entry in entries])
            for entry in entries:
                shift._add(Case(entry, reviews.get(entry.id)))
        since, until = filters.get("since"), filters.get("until")
        shift.events = log.audit(since=since, until=until, limit=LISTED)
        shift.alarms = log.alarms(recipe=filters.get("recipe"), since=since, until=until)
        shift.abandoned = {sink: abandoned for sink, (_, abandoned) in log.backlog().items() if abandoned}
        return shift

    def bars(self) -> tuple[int, list[tuple[datetime, Tally]]]:
        """Verdicts over time: the length of a step in minutes, and each step's beginning and counts, none left out."""
        if not self.by_minute:
            return STEPS_MINUTES[0], []
        first, last = min(self.by_minute), max(self.by_minute)
        span = (last - first) / timedelta(minutes=1)
        step = next((each for each in STEPS_MINUTES if span / each < BARS - 1), STEPS_MINUTES[-1])
        midnight = first.replace(hour=0, minute=0)
        places = {moment: int((moment - midnight) / timedelta(minutes=step)) for moment in self.by_minute}
        found = {place: Tally() for place in range(min(places.values()), max(places.values()) + 1)}
        for moment, place in places.items():
            found[place] = _sum(found[place], self.by_minute[moment])
        return step, [(midnight + place * timedelta(minutes=step), tally) for place, tally in sorted(found.items())]

    def _add(self, case: Case) -> None:
        entry, review = case
        minute = entry.inspected_at.replace(second=0, microsecond=0)
        self.whole.add(entry)
        self.by_bundle.setdefault((entry.recipe, entry.bundle_sha256), Tally()).add(entry)
        self.by_minute.setdefault(minute, Tally()).add(entry)
        self.pictures_removed += entry.pruned_at is not None
        self.sample_size += entry.sampled
        if entry.anomalous is None:
            _keep(self.unjudged, case)
        elif entry.anomalous:
            _keep(self.flagged, case)
        if review is not None and review.label is not None:
            self._add_review(entry, review)

    def _add_review(self, entry: Entry, review: Review) -> None:
        self.reviewers.setdefault(review.who, Counter())[str(review.label)] += 1
        self.reviewed.add(entry, review)
        if entry.sampled:
            self.sample_reviewed += 1
            self.sampled.add(entry, review)
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
