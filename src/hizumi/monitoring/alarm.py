"""An alarm: what has drifted, since when, who has seen to it, and when it was over."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self

from hizumi.monitoring import words

SURE = 3.5  # standard errors from which a measure is named as moved beside those that gave alarm


@dataclass(frozen=True)
class Moved:
    """A measure that is not what it was.

    Attributes:
        way: 1 higher, -1 lower, 0 less steady.
        before, now: Its centre in the baseline and since the drift, in its unit.
        sure: Their distance in standard errors, with all that the limits allow for.
    """

    measure: str
    way: int
    before: float
    now: float
    sure: float

    def holds(self, value: float, sure: float) -> bool:
        """Whether a later centre is still away on this side: surely, or by half of what it was."""
        return self.way * sure > SURE / 2 or self.way * (value - self.before) > abs(self.now - self.before) / 2


@dataclass(frozen=True)
class Acknowledgement:
    """Who has seen an alarm, when, and what they said of it."""

    who: str
    note: str
    at: datetime


@dataclass(frozen=True)
class DriftAlarm:
    """One alarm of a watch.

    Attributes:
        code: Stable name of what leads, for translations: a measure with "_higher", "_lower" or "_unsteady", or
            "many_anomalous", or "size_changed".
        moved: What has moved, the surest first.
        charts: That gave alarm, as "measure.chart".
        pictures: Number of pictures that the watch had seen.
        ended_at: When what had moved was back to usual, or was taken as the new normal; None while it holds.
        reminders: How often it was told again, as it held and nobody had seen it; `reminded_at` is the last time.
    """

    id: str
    code: str
    raised_at: datetime
    since: datetime
    moved: tuple[Moved, ...]
    charts: tuple[str, ...]
    pictures: int
    acknowledged: Acknowledgement | None = None
    ended_at: datetime | None = None
    reminders: int = 0
    reminded_at: datetime | None = None

    @property
    def measures(self) -> frozenset[str]:
        """Of the charts that gave alarm."""
        return frozenset(name.partition(".")[0] for name in self.charts)

    @property
    def told_of(self) -> frozenset[str]:
        """Measures of which whoever has read it knows."""
        return self.measures.union(each.measure for each in self.moved)

    @property
    def words(self) -> str:
        """What has happened and where to look, in sentences."""
        changes = [words.change(each.measure, each.way, each.before, each.now) for each in self.moved]
        return words.alarm(self.code, changes)

    def acknowledge(self, acknowledgement: Acknowledgement) -> Self:
        """This alarm, seen; who saw it first stays named, as in the log."""
        return self if self.acknowledged is not None else replace(self, acknowledged=acknowledgement)

    def end(self, at: datetime | None) -> Self:
        """This alarm, over since then; None: it has begun again."""
        return replace(self, ended_at=at)

    def remind(self, at: datetime) -> Self:
        """This alarm, told again."""
        return replace(self, reminders=self.reminders + 1, reminded_at=at)

    def to_dict(self) -> dict[str, Any]:
        """Everything, with its words, ready for JSON."""
        plain = asdict(self)
        seen = self.acknowledged
        return plain | {
            "raised_at": self.raised_at.isoformat(),
            "since": self.since.isoformat(),
            "moved": [asdict(each) for each in self.moved],
            "charts": list(self.charts),
            "acknowledged": None if seen is None else {"who": seen.who, "note": seen.note, "at": seen.at.isoformat()},
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
            "reminded_at": None if self.reminded_at is None else self.reminded_at.isoformat(),
            "words": self.words,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Undo `to_dict`."""
        seen = plain["acknowledged"]
        ended_at, reminded_at = plain.get("ended_at"), plain.get("reminded_at")  # earlier states have none
        return cls(
            id=plain["id"],
            code=plain["code"],
            raised_at=datetime.fromisoformat(plain["raised_at"]),
            since=datetime.fromisoformat(plain["since"]),
            moved=tuple(Moved(**each) for each in plain["moved"]),
            charts=tuple(plain["charts"]),
            pictures=plain["pictures"],
            acknowledged=None
            if seen is None
            else Acknowledgement(seen["who"], seen["note"], datetime.fromisoformat(seen["at"])),
            ended_at=None if ended_at is None else datetime.fromisoformat(ended_at),
            reminders=plain.get("reminders", 0),
            reminded_at=None if reminded_at is None else datetime.fromisoformat(reminded_at),
        )
