"""Pictures and entries are kept together, many at a time: under load a verdict waits for one commit, not for many."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple, Self, final

from hizumi.data.appearance import Look
from hizumi.errors import LogError, SaveError
from hizumi.monitoring import DriftAlarm
from hizumi.station.batching import Together
from hizumi.station.consequences import Consequences, Following, Seen
from hizumi.station.entry import Entry
from hizumi.station.entry_record import entry_record
from hizumi.station.events import Event
from hizumi.station.log import Log, Taken
from hizumi.station.pictures import Pictures

AT_MOST = 64  # entries in one commit
TRIED = "log tried"  # a state: when, after it had refused something
PICTURE_NOT_KEPT = "its picture could not be kept"


class ToKeep(NamedTuple):
    """An entry with the bytes that belong to it, the file that it was taken from, to be taken once, and its look."""

    entry: Entry
    content: bytes
    overlay: bytes | None = None
    taken: Taken | None = None
    look: Look | None = None


class Kept(NamedTuple):
    """The entry as it stands in the log, or would stand there; the record of it for JSON; what listeners are told."""

    entry: Entry
    is_kept: bool
    record: dict[str, Any]
    events: tuple[Event, ...]

    @classmethod
    def lost(cls, entry: Entry) -> Self:
        """An entry that could not even be handed to the log; nobody else is told of it."""
        return cls(entry, False, {**entry_record(entry), "kept": False}, ())


@dataclass
class Losses:
    """What could not be kept since the start, and why at last, in words without paths.

    Attributes:
        log_refuses: Whether the log could not take what came last, so that no sink hears of it either.
    """

    entries: int = 0
    pictures: int = 0
    reason: str = ""
    log_refuses: bool = False


@final
class Keeper:
    """Writes to the log and the folder of pictures. Where they cannot be written, verdicts are given all the same."""

    def __init__(self, log: Log, pictures: Pictures, consequences: Consequences, losses: Losses) -> None:
        self._log = log
        self._pictures = pictures
        self._consequences = consequences
        self._losses = losses
        self._writing = Lock()  # what is decided first is written first
        self._together: Together[ToKeep, Kept] = Together(self._keep, at_most=AT_MOST, name="keeper")

    def submit(self, item: ToKeep, kept: "Future[Kept] | None" = None) -> "Future[Kept]":
        """The kept entry to come, in `kept` where there is one already."""
        return self._together.submit(item, kept)

    def open(self) -> None:
        """Keep what follows from the start, before any picture comes; raises LogError."""
        with self._writing:
            self._add((), self._consequences.of_the_start())

    def keep_ends(self, recipe: str, alarms: Sequence[DriftAlarm]) -> list[Event]:
        """Drift alarms that somebody has ended, with the watch of the recipe; gives what listeners are told.

        Raises LogError: whoever ended them is at hand, and hears of it.
        """
        with self._writing:
            following = self._consequences.of_ends(recipe, alarms)
            self._add((), following)
        return [event for events in following.events for event in events]

    def keep_late_views(self) -> list[Event]:
        """Decide on parts of which a view did not come in time; gives what listeners are told."""
        return self._beside(self._consequences.of_late_views)

    def try_the_log(self) -> None:
        """Where it refused what came last, find out whether it takes something again, though no picture comes."""
        if self._losses.log_refuses:
            with self._writing, suppress(LogError):
                self._log.add((), states={TRIED: datetime.now(UTC).isoformat()})
                self._losses.log_refuses = False

    def close(self) -> list[Event]:
        """Keep what waits, decide on parts of which views are to come, then end; gives what listeners are told."""
        self._together.close()
        return self._beside(self._consequences.of_the_end)

    def _keep(self, items: Sequence[ToKeep]) -> list[Kept]:
        entries = [self._with_pictures(item) for item in items]
        seen = [Seen(entry, entry_record(entry), item.look) for entry, item in zip(entries, items, strict=True)]
        with self._writing:
            following = self._consequences.of(seen)
            is_kept = self._write(entries, following, [item.taken for item in items if item.taken is not None])
        kept = []
        for (entry, record, _), events in zip(seen, following.events, strict=True):
            answer = {**record, "kept": is_kept}
            kept.append(Kept(entry, is_kept, answer, (Event("inspection", answer), *events)))
        return kept

    def _beside(self, following_from: Callable[[], Following]) -> list[Event]:
        with self._writing:
            following = following_from()
            if following.states:
                self._write((), following)
        return [event for events in following.events for event in events]

    def _write(self, entries: Sequence[Entry], following: Following, taken: Sequence[Taken] = ()) -> bool:
        """Whether the log has taken all of it; where it has not, that is counted."""
        try:
            self._add(entries, following, taken)
        except LogError as error:
            self._losses.entries += len(entries) or 1
            self._losses.reason = str(error)
            self._losses.log_refuses = True
            return False
        self._losses.log_refuses = False
        return True

    def _add(self, entries: Sequence[Entry], following: Following, taken: Sequence[Taken] = ()) -> None:
        deliveries, alarms, notes = following.deliveries, following.alarms, following.notes
        self._log.add(entries, deliveries, taken, alarms=alarms, notes=notes, states=following.states)

    def _with_pictures(self, item: ToKeep) -> Entry:
        """The entry, which names what is kept of its picture and map: nothing where there is no room for them."""
        try:
            if item.content:
                self._pictures.keep(item.content, sha256=item.entry.picture_sha256)
            if item.overlay is None:
                return item.entry
            return replace(item.entry, map_key=self._pictures.keep(item.overlay, ".png"))
        except SaveError:
            self._losses.pictures += 1
            self._losses.reason = "there is no room for pictures, or their folder cannot be written"
            notes = (*item.entry.notes, PICTURE_NOT_KEPT)
            return replace(item.entry, notes=notes, pruned_at=item.entry.inspected_at)
