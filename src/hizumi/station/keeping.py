"""Pictures and entries are kept together, many at a time: under load a verdict waits for one commit, not for many."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import NamedTuple, final

from hizumi.errors import LogError, SaveError
from hizumi.station.batching import Together
from hizumi.station.entry import Entry
from hizumi.station.log import Delivery, Log, Taken
from hizumi.station.pictures import Pictures

AT_MOST = 64  # entries in one commit
PICTURE_NOT_KEPT = "its picture could not be kept"


class ToKeep(NamedTuple):
    """An entry with the bytes that belong to it, and the file that it was taken from, to be taken once."""

    entry: Entry
    content: bytes
    overlay: bytes | None = None
    taken: Taken | None = None


class Kept(NamedTuple):
    """The entry as it stands in the log, or would stand there."""

    entry: Entry
    is_kept: bool


@dataclass
class Losses:
    """What could not be kept since the start, and why at last, in words without paths."""

    entries: int = 0
    pictures: int = 0
    reason: str = ""


@final
class Keeper:
    """Writes to the log and the folder of pictures. Where they cannot be written, verdicts are given all the same."""

    def __init__(
        self, log: Log, pictures: Pictures, deliveries_for: Callable[[Entry], Sequence[Delivery]], losses: Losses
    ) -> None:
        self._log = log
        self._pictures = pictures
        self._deliveries_for = deliveries_for
        self._losses = losses
        self._together: Together[ToKeep, Kept] = Together(self._keep, at_most=AT_MOST, name="keeper")

    def submit(self, item: ToKeep) -> "Future[Kept]":
        """The kept entry to come."""
        return self._together.submit(item)

    def close(self) -> None:
        """Keep what waits, then end."""
        self._together.close()

    def _keep(self, items: Sequence[ToKeep]) -> list[Kept]:
        entries = [self._with_pictures(item) for item in items]
        try:
            self._log.add(
                entries,
                deliveries=[delivery for entry in entries for delivery in self._deliveries_for(entry)],
                taken=[item.taken for item in items if item.taken is not None],
            )
        except LogError as error:
            self._losses.entries += len(entries)
            self._losses.reason = str(error)
            return [Kept(entry, is_kept=False) for entry in entries]
        return [Kept(entry, is_kept=True) for entry in entries]

    def _with_pictures(self, item: ToKeep) -> Entry:
        """The entry, which names what is kept of its picture and map: nothing where there is no room for them."""
        try:
            if item.content:
                self._pictures.keep(item.content)
            if item.overlay is None:
                return item.entry
            return replace(item.entry, map_key=self._pictures.keep(item.overlay, ".png"))
        except SaveError:
            self._losses.pictures += 1
            self._losses.reason = "there is no room for pictures, or their folder cannot be written"
            notes = (*item.entry.notes, PICTURE_NOT_KEPT)
            return replace(item.entry, notes=notes, pruned_at=item.entry.inspected_at)
