"""One verdict on a part from several views of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hizumi.station.entry import Entry
from hizumi.station.entry_record import entry_record
from hizumi.station.ids import new_id


@dataclass(frozen=True)
class PartVerdict:
    """What the views of one part say together.

    Attributes:
        anomalous: True where any view is; otherwise None where a view is missing or could not be judged.
        reason: Why the part could not be judged in full, "" where it was.
        entries: Of the views that came, in the order in which they came.
        interrupted: Whether a view is missing of a part that was waited for when the station was cut off.
    """

    recipe: str
    part: str
    anomalous: bool | None
    reason: str
    entries: tuple[Entry, ...]
    decided_at: datetime
    interrupted: bool = False
    id: str = field(default_factory=new_id)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what is delivered to sinks, but for "event"."""
        kept = ("id", "view", "anomalous", "score", "boxes", "name", "picture_sha256")
        views = [{name: record[name] for name in kept} for record in map(entry_record, self.entries)]
        return {
            "id": self.id,
            "recipe": self.recipe,
            "part": self.part,
            "anomalous": self.anomalous,
            "reason": self.reason,
            "views": views,
            "decided_at": self.decided_at.astimezone(UTC).isoformat(),
        }


@dataclass(frozen=True)
class _Waiting:
    """A part some of whose views are still to come, and the moment until which they are waited for.

    `interrupted` is whether the station was cut off meanwhile.
    """

    until: datetime
    entries: tuple[Entry, ...]
    interrupted: bool = False


class Views:
    """Waits for the views that a recipe names, and gives exactly one verdict for each part.

    No part is called good of which a view is missing, was not judged, or came twice: a view that comes again before
    the others have come belongs to another part of the same code, so the first part is decided without them.
    """

    def __init__(self, recipe: str, views: Sequence[str], limit_seconds: float) -> None:
        if not views or len(set(views)) != len(views):
            raise ValueError("name the views of a part, each once")
        self.recipe = recipe
        self.views = tuple(views)
        self.limit = timedelta(seconds=limit_seconds)
        self._waiting: dict[str, _Waiting] = {}

    def add(self, entry: Entry, now: datetime) -> tuple[PartVerdict, ...]:
        """Take one view; gives the verdicts that can be given now, those of `expired` first."""
        return (*self.expired(now), *self._taken(entry, now))

    def _taken(self, entry: Entry, now: datetime) -> tuple[PartVerdict, ...]:
        if not entry.part:
            return (self._verdict("", (entry,), now, "its part is not known"),)
        if entry.view not in self.views:
            reason = f"the view {entry.view!r} is none of {', '.join(self.views)}"
            return (self._verdict(entry.part, (entry,), now, reason),)
        verdicts: tuple[PartVerdict, ...] = ()
        before = self._waiting.pop(entry.part, _Waiting(now + self.limit, ()))
        if entry.view in {each.view for each in before.entries}:
            verdicts = (self._verdict(entry.part, before.entries, now, f"the view {entry.view} came twice"),)
            before = _Waiting(now + self.limit, ())
        entries = (*before.entries, entry)
        if len(entries) == len(self.views):
            return (*verdicts, self._verdict(entry.part, entries, now))
        self._waiting[entry.part] = replace(before, entries=entries)
        return verdicts

    def expired(self, now: datetime) -> tuple[PartVerdict, ...]:
        """Verdicts on parts whose time is over, the oldest first; also where the clock has been set back since."""
        late = [part for part, waiting in self._waiting.items() if not now < waiting.until <= now + self.limit]
        return tuple(self._incomplete(part, now) for part in sorted(late, key=lambda part: self._waiting[part].until))

    def close(self, now: datetime) -> tuple[PartVerdict, ...]:
        """Verdicts on all parts that are waited for, when the station ends."""
        return tuple(self._incomplete(part, now) for part in list(self._waiting))

    def to_dict(self) -> dict[str, Any]:
        """The parts that are waited for, ready for JSON, by the ids of their views."""
        return {
            part: {"until": waiting.until.isoformat(), "entries": [entry.id for entry in waiting.entries]}
            for part, waiting in self._waiting.items()
        }

    def restore(self, plain: Mapping[str, Any], entry_of: Callable[[str], Entry | None], now: datetime) -> None:
        """Wait on for the parts of `to_dict`, no longer than before, as codes return on other parts.

        Parts with a view that is none any more are not waited for.
        """
        for part, fields in plain.items():
            entries = tuple(entry for each in fields["entries"] if (entry := entry_of(each)) is not None)
            if entries:
                are_known = {entry.view for entry in entries} <= set(self.views)
                until = min(datetime.fromisoformat(fields["until"]), now + self.limit) if are_known else now
                self._waiting[part] = _Waiting(until, entries, interrupted=True)

    def _incomplete(self, part: str, now: datetime) -> PartVerdict:
        waiting = self._waiting.pop(part)
        came = {entry.view for entry in waiting.entries}
        missing = ", ".join(view for view in self.views if view not in came)
        meanwhile = "; the station was cut off meanwhile" if waiting.interrupted else ""
        verdict = self._verdict(part, waiting.entries, now, f"no picture came of {missing}{meanwhile}")
        return replace(verdict, interrupted=waiting.interrupted)

    def _verdict(self, part: str, entries: tuple[Entry, ...], now: datetime, reason: str = "") -> PartVerdict:
        unjudged = [f"{entry.view}: {entry.reason}" for entry in entries if entry.anomalous is None]
        reason = "; ".join([*([reason] if reason else []), *unjudged])
        anomalous = True if any(entry.anomalous for entry in entries) else None if reason else False
        return PartVerdict(self.recipe, part, anomalous, reason, entries, now)
