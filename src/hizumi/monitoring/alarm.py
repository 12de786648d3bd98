"""An alarm: what has drifted, since when, and who has seen to it."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self

from hizumi.monitoring import words


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
    """

    id: str
    code: str
    raised_at: datetime
    since: datetime
    moved: tuple[Moved, ...]
    charts: tuple[str, ...]
    pictures: int
    acknowledged: Acknowledgement | None = None

    @property
    def words(self) -> str:
        """What has happened and where to look, in sentences."""
        changes = [words.change(each.measure, each.way, each.before, each.now) for each in self.moved]
        return words.alarm(self.code, changes)

    def acknowledge(self, acknowledgement: Acknowledgement) -> Self:
        """This alarm, seen."""
        return replace(self, acknowledged=acknowledgement)

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
            "words": self.words,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Undo `to_dict`."""
        seen = plain["acknowledged"]
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
        )
