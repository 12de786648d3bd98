"""Which files of a folder may be new: told by the operating system at once, and found by looking from time to time."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from watchfiles import Change, awatch

STEP_MS = 20  # the system's notices that come this close together are passed on together
LOOKING_SHARE = 0.02  # of the time, at most, is spent on looking through the folder


def files_beneath(root: Path, recursive: bool, left_out: Path | None) -> Iterator[Path]:
    """All visible files of a folder; hidden ones, and folders reached by links, are passed over.

    Raises OSError where the folder cannot be listed; a folder in it that cannot be listed raises too, at the end.
    """
    unlisted: OSError | None = None
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if not entry.is_dir(follow_symlinks=False):
                        yield folder / entry.name
                    elif recursive and folder / entry.name != left_out:
                        folders.append(folder / entry.name)
        except OSError as error:
            unlisted = error
    if unlisted is not None:
        raise unlisted


class Watch:
    """Notices of changed files, gathered between two looks; none come from network shares, hence `poll`.

    The system may lose notices, when there are many or when the folder itself is exchanged, and never sends any for
    changes that another machine makes on a share. So the folder is also looked through every `seconds`.
    """

    def __init__(self, root: Path, *, recursive: bool, poll: bool, seconds: float) -> None:
        self._root = root
        self._recursive = recursive
        self._poll = poll
        self._seconds = seconds
        self._next_look = 0.0
        self._changed: set[Path] = set()
        self._any = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._watched: tuple[int, int] | None = None

    def is_look_due(self) -> bool:
        """Whether it is time to look through the folder."""
        return time.monotonic() >= self._next_look

    def looked(self, took_seconds: float) -> None:
        """Told how long a look took; large folders are looked through less often."""
        self._next_look = time.monotonic() + max(self._seconds, took_seconds / LOOKING_SHARE)
        if self._poll:
            return
        watched, self._watched = self._watched, _identity(self._root)
        if watched != self._watched and self._task is not None:
            self._task.cancel()  # the folder has been exchanged, and the system tells only of the old one
            self._task = None
        if self._task is None or self._task.done():
            self._next_look = min(self._next_look, time.monotonic() + 1)  # the watch has only begun, or has ended
            self._task = asyncio.create_task(self._gather())

    async def wait(self, longest_seconds: float) -> set[Path]:
        """Files that have changed, as soon as there are any; none after `longest_seconds`, or when a look is due."""
        seconds = min(longest_seconds, self._next_look - time.monotonic())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._any.wait(), max(seconds, 0))
        self._any.clear()
        changed, self._changed = self._changed, set()
        return changed

    async def close(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _gather(self) -> None:
        # Where there are no more watches to be had, or no folder, looking goes on, and the watch is tried again.
        with suppress(OSError, RuntimeError):
            async for changes in awatch(
                self._root,
                watch_filter=None,
                debounce=10 * STEP_MS,
                step=STEP_MS,
                recursive=self._recursive,
                force_polling=False,
                ignore_permission_denied=True,
            ):
                self._changed |= {Path(path) for change, path in changes if change != Change.deleted}
                self._any.set()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
