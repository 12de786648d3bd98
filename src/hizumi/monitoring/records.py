"""What a watch remembers beside its charts, and what it says of itself."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from hizumi.calibration import Statement
from hizumi.data.appearance import Look


class Row(NamedTuple):
    """One picture, as a baseline may be learned from it."""

    at: datetime
    score: float | None
    unusual: bool
    look: Look | None

    def to_list(self) -> list[Any]:
        """Everything, ready for JSON."""
        return [self.at.isoformat(), self.score, self.unusual, None if self.look is None else list(self.look)]

    @classmethod
    def from_list(cls, plain: Sequence[Any]) -> "Row":
        """Undo `to_list`."""
        at, score, unusual, look = plain
        return cls(datetime.fromisoformat(at), score, unusual, None if look is None else Look(*look))


@dataclass(frozen=True)
class BaselineChange:
    """A new normal: who accepted it, when and why, after which alarm."""

    at: datetime
    who: str
    note: str
    alarm_id: str | None

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self) | {"at": self.at.isoformat()}


@dataclass(frozen=True)
class WatchStatus:
    """What is watched, how many pictures of those needed have been learned from, and both in sentences."""

    watched: tuple[str, ...]
    learned: int | None
    needed: int
    said: tuple[Statement, ...]

    @property
    def words(self) -> str:
        """The sentences in English."""
        return " ".join(each.words for each in self.said)
