"""A watched folder: each file that is put into it is taken when it is complete, exactly once, even across a crash."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from hizumi.arguments import PositiveFloat
from hizumi.data.decoding import IMAGE_SUFFIXES
from hizumi.errors import HizumiError
from hizumi.station.entry import Entry
from hizumi.station.sources.files import FileRead, Signature, read_whole
from hizumi.station.sources.source import Arrival, Naming, Source, SourceSettings, TakenFor, never_taken
from hizumi.station.sources.watching import Watch, files_beneath
from hizumi.storage.files import encodable, move_beside

UNREADABLE_SECONDS = 5.0  # a file may be locked by its writer for a while
UNKEPT_SECONDS = 5.0  # before a file is judged again that the log could not keep
LOOK_SECONDS = 10.0  # between two looks through a folder that is watched


@dataclass(frozen=True, kw_only=True)
class FolderSettings(SourceSettings):
    """Keys of a source of the kind "folder".

    Attributes:
        patterns: Of the names of files to take, in any case, such as "*.png"; by default all kinds of images.
        poll: Look every `poll_seconds` instead of being told by the system, which knows nothing of what another
            machine writes on a network share.
        complete: When a file is complete. "settled": neither its size nor its time has changed for `settle_seconds`,
            which needs nothing of the writer but is fooled by one that pauses for longer. "renamed": at once, since
            the writer gives the file its name, or moves it here, when it is complete. "marker": when a file of its
            name and `marker` behind it, such as part.png.done, is there and is not older.
        after: What becomes of a file once the log has its entry; files that are left are read again at each start, to
            be recognised.
        move_to: The folder for `after = "move"`; names are never overwritten there.
        name_pattern: See `Naming`.
    """

    path: Path
    patterns: tuple[str, ...] = tuple(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
    recursive: bool = True
    poll: bool = False
    poll_seconds: PositiveFloat = 1.0
    complete: Literal["settled", "renamed", "marker"] = "settled"
    settle_seconds: PositiveFloat = 0.5
    marker: str = ".done"
    after: Literal["leave", "move", "delete"] = "leave"
    move_to: Path | None = None
    name_pattern: str | None = None

    def __post_init__(self) -> None:
        if (self.after == "move") != (self.move_to is not None):
            raise ValueError('after = "move" and move_to go together; set both or neither')
        if self.move_to is not None and self.path.resolve().is_relative_to(self.move_to.resolve()):
            raise ValueError("move_to is the watched folder, or holds it; name another")
        if not self.marker or "/" in self.marker:
            raise ValueError("marker must be the end of a file's name, such as .done")
        if self.name_pattern is not None:
            Naming(self.name_pattern)


@dataclass
class _Waiting:
    """A file that is not yet complete: how it was when last looked at, since when, and when to look again."""

    signature: Signature
    since: float
    unreadable_since: float | None = None
    not_before: float = 0.0


class FolderSource(Source):
    """See `FolderSettings`. A file counts as new when its name, its content or its time of writing is new."""

    goes_on = True

    def __init__(self, settings: FolderSettings, taken_for: TakenFor = never_taken) -> None:
        super().__init__(settings.called)
        self.settings = settings
        self._root = settings.path.absolute()
        self.looks_through = self._root if settings.recursive else None
        self._away = None if settings.move_to is None else _as_seen_from(self._root, settings.move_to)
        self._taken_for = taken_for
        self._naming = None if settings.name_pattern is None else Naming(settings.name_pattern)
        self._waiting: dict[Path, _Waiting] = {}
        self._seen: dict[Path, Signature] = {}  # files that have been dealt with, as they were then
        self._judged: dict[str, tuple[Path, Signature]] = {}  # arrivals that the log does not have yet, by key
        self._left_over: dict[Path, Signature] = {}  # files that could not be put away

    async def arrivals(self) -> AsyncIterator[Arrival]:
        """Files as they become complete, those already there first, in the order in which they were written."""
        settings = self.settings
        seconds = settings.poll_seconds if settings.poll else LOOK_SECONDS
        watch = Watch(self._root, recursive=settings.recursive, poll=settings.poll, seconds=seconds)
        try:
            while True:
                if watch.is_look_due():
                    watch.looked(await asyncio.to_thread(self._look))
                for path in await asyncio.to_thread(self._complete):
                    arrival = await asyncio.to_thread(self._take, path)
                    if arrival is not None:
                        yield arrival
                        self._offer_again(str(arrival.key))
                changed = await watch.wait(self._patience(seconds))
                await asyncio.to_thread(self._notice, changed)
        finally:
            await watch.close()

    async def done(self, arrival: Arrival, entry: Entry) -> None:
        """Leave, move or delete the file, unless another has been written over it."""
        await asyncio.to_thread(self._put_away, *self._judged.pop(str(arrival.key)))

    def _offer_again(self, key: str) -> None:
        """Have a file wait anew that the log could not keep; nothing where it could."""
        if key in self._judged:
            path, signature = self._judged.pop(key)
            self._seen.pop(path, None)
            self._waiting[path] = _Waiting(signature, time.monotonic(), not_before=time.monotonic() + UNKEPT_SECONDS)

    def _patience(self, seconds: float) -> float:
        """How long to wait at most before waiting files are looked at again; of a marker there will be notice."""
        return self.settings.settle_seconds / 2 if self._waiting and self.settings.complete != "marker" else seconds

    def _look(self) -> float:
        """Look through the whole folder; seconds that it took."""
        began = time.monotonic()
        found: set[Path] = set()
        try:
            for path in files_beneath(self._root, self.settings.recursive, self._away):
                found.add(path)
                self._consider(path)
        except OSError as error:
            self.trouble = f"the folder cannot be listed in full ({os.strerror(error.errno or 0).lower()})"
        else:
            self.trouble = ""
            self._seen = {path: signature for path, signature in self._seen.items() if path in found}
        left_over, self._left_over = self._left_over, {}
        for path, signature in left_over.items():
            self._put_away(path, signature)
        return time.monotonic() - began

    def _notice(self, changed: set[Path]) -> None:
        """Consider files that the system has named."""
        for path in changed:
            if not path.is_relative_to(self._root):  # by another name of the folder; the next look will find it
                continue
            inner = path.relative_to(self._root).parts
            hidden = any(part.startswith(".") for part in inner)
            away = self._away is not None and path.is_relative_to(self._away)
            if not hidden and not away and (self.settings.recursive or len(inner) == 1):
                self._consider(path)

    def _consider(self, path: Path) -> None:
        """Have a file wait, if it is one to take and not as it was when it was dealt with."""
        name = path.name.lower()
        if path in self._waiting or not any(fnmatchcase(name, each.lower()) for each in self.settings.patterns):
            return
        signature = _signature(path)
        if signature is not None and self._seen.get(path) != signature:
            self._waiting[path] = _Waiting(signature, time.monotonic())

    def _complete(self) -> list[Path]:
        """Waiting files that are complete now, in the order in which they were written."""
        complete = []
        for path, waiting in list(self._waiting.items()):
            signature = _signature(path)
            if signature is None:  # gone before it was taken
                del self._waiting[path]
            elif signature != waiting.signature:
                self._waiting[path] = _Waiting(signature, time.monotonic())
            elif self._is_complete(path, waiting):
                complete.append((signature.modified, path))
        return [path for _, path in sorted(complete)]

    def _is_complete(self, path: Path, waiting: _Waiting) -> bool:
        if time.monotonic() < waiting.not_before:
            return False
        match self.settings.complete:
            case "renamed":
                return True
            case "settled":
                return time.monotonic() - waiting.since >= self.settings.settle_seconds
            case "marker":
                marker = _signature(path.with_name(path.name + self.settings.marker))
                return marker is not None and marker.modified >= waiting.signature.modified

    def _take(self, path: Path) -> Arrival | None:
        """Read a complete file; None where it has to wait on, or has arrived before."""
        read = self._read(path)
        if read is None:
            return None
        key = read.key(path.relative_to(self._root))
        try:
            is_taken = key not in self._judged and self._taken_for(self.name, key) is not None
        except HizumiError as error:
            self.trouble = str(error)
            return None
        del self._waiting[path]
        self._seen[path] = read.signature
        if is_taken:  # what was to become of it was cut short by a crash
            self._put_away(path, read.signature)
            return None
        is_new = key not in self._judged  # otherwise its access rights have changed, or the like
        self._judged[key] = (path, read.signature)
        return self._arrival(path, read, key) if is_new else None

    def _read(self, path: Path) -> FileRead | None:
        waiting = self._waiting[path]
        read = read_whole(path, follow_links=False)
        if read is None or read.signature != waiting.signature:  # written to since it was found complete
            waiting.since = time.monotonic()
            return None
        if read.error:
            waiting.unreadable_since = waiting.unreadable_since or time.monotonic()
            if time.monotonic() - waiting.unreadable_since < UNREADABLE_SECONDS:
                return None
        return read

    def _arrival(self, path: Path, read: FileRead, key: str) -> Arrival:
        name = encodable(path.name)
        part, view, notes = ("", "", ()) if self._naming is None else self._naming.read(name)
        return Arrival(
            name=name,
            content=read.content,
            source=self.name,
            part=part,
            view=view,
            recipe=self.settings.recipe,
            key=key,
            notes=notes,
            error=read.error,
        )

    def _put_away(self, path: Path, signature: Signature) -> None:
        if self.settings.after == "leave" or _signature(path) != signature:
            return
        marker = path.with_name(path.name + self.settings.marker)
        try:
            self._remove(path)
            if self.settings.complete == "marker" and marker.exists():
                self._remove(marker)
        except OSError as error:
            self._left_over[path] = signature
            self.trouble = f"a file cannot be put away ({os.strerror(error.errno or 0).lower()})"

    def _remove(self, path: Path) -> None:
        if self._away is None:
            path.unlink(missing_ok=True)
        else:
            move_beside(path, self._away / path.relative_to(self._root))


def _as_seen_from(root: Path, folder: Path) -> Path:
    """The folder as a path beneath the root where it lies there, by whatever links and dots it was named."""
    resolved = folder.resolve()
    inside = resolved.is_relative_to(root.resolve())
    return root / resolved.relative_to(root.resolve()) if inside else resolved


def _signature(path: Path) -> Signature | None:
    try:
        return Signature.of(path.lstat())
    except OSError:
        return None
