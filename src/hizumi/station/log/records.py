"""What the log keeps beside inspections; times have a zone."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from hizumi.errors import UsageError
from hizumi.station.entry import Entry
from hizumi.station.ids import new_id

LONGEST_REST = timedelta(hours=1)  # of one message that a receiver refuses while it takes others
FARTHEST_PIXELS = 1_000_000  # of a corner from a picture's first pixel
Label = Literal["good", "defect", "unsure"]
Region = tuple[tuple[float, float], ...]
"""Corners (x, y) of a polygon, three or more, in pixels of the picture."""


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Review:
    """A person's word on an inspection; of several, the newest counts. Raises UsageError for one that makes no sense.

    Attributes:
        label: None takes earlier words back.
        kind: Of defect, as the person calls it.
        regions: Where the defect is; None: nothing was drawn.
    """

    inspection_id: str
    label: Label | None
    who: str
    kind: str = ""
    note: str = ""
    regions: tuple[Region, ...] | None = None
    made_at: datetime = field(default_factory=now)

    def __post_init__(self) -> None:
        if self.label not in (*get_args(Label), None):
            raise UsageError(f"a review says {', '.join(get_args(Label))}, or nothing to take it back")
        if not self.who.strip():
            raise UsageError("a review is somebody's: say whose")
        for region in self.regions or ():
            if len(region) < 3:
                raise UsageError(f"a region of {len(region)} corners was drawn; it takes three or more")
            if not all(abs(place) <= FARTHEST_PIXELS for corner in region for place in corner):
                raise UsageError(f"a region has a corner that lies beyond {FARTHEST_PIXELS:,} pixels, or nowhere")


@dataclass(frozen=True)
class AuditEvent:
    """Something that a person, or the station on its own, did; `details` are values of JSON."""

    who: str
    what: str
    why: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    happened_at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class Delivery:
    """A message that a sink still has to deliver.

    Attributes:
        inspection_id: None where the message is about no single inspection, such as a drift alarm.
        attempts: Failed ones.
        retry_at: Before then it is not due.
        error: Of the last attempt, "" before the first.
    """

    sink: str
    payload: dict[str, Any]
    inspection_id: str | None = None
    made_at: datetime = field(default_factory=now)
    attempts: int = 0
    retry_at: datetime = field(default_factory=now)
    error: str = ""
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class Taken:
    """A file of a source, by its key there, that belongs to one inspection and to no other."""

    source: str
    key: str
    inspection_id: str


@dataclass(frozen=True)
class Alarm:
    """A drift alarm; `details` are values of JSON. Until somebody has acknowledged it, those fields are None.

    `ended_at` is when the drift was over, None: it is not, or that was not kept.
    """

    recipe: str
    words: str
    details: dict[str, Any] = field(default_factory=dict)
    raised_at: datetime = field(default_factory=now)
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    ended_at: datetime | None = None
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class Counts:
    """How many inspections ended in which verdict, and the ids of the `newest` of them, the newest first."""

    normal: int
    anomalous: int
    unjudged: int
    newest: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Some inspections, newest first; `next` is the `before` of the page after, None on the last one."""

    entries: tuple[Entry, ...]
    next: str | None
