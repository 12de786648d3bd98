"""Locks on folders, so that two processes never write into the same one."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

from hizumi.errors import SaveError, UsageError
from hizumi.storage.files import printable, save_error, write_atomically

LOCK, HOLDER = "lock", "holder.json"
SECONDS_BETWEEN_TRIES = 0.5
_OURS: ContextVar[frozenset[Path]] = ContextVar("folders that the code around holds", default=frozenset())


@contextmanager
def locked(folder: Path, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a folder, which is made where it is missing, for this block; the system frees it if the process dies.

    While another block holds it, in this process or another, raises UsageError, naming the holder; or, with `on_wait`,
    which is told the holder once, waits until it has ended.
    """
    from filelock import FileLock, Timeout  # which takes as long to import as all of this room

    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if on_wait is None:
                raise
            on_wait(_holder(folder))
            lock.acquire(poll_interval=SECONDS_BETWEEN_TRIES)
    except Timeout:
        raise UsageError(
            f"{printable(folder)} is in use by {_holder(folder)}; wait until it has ended, or name another folder"
        ) from None
    except OSError as error:
        raise save_error(str(folder / LOCK), error) from error
    try:
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        holder = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        with suppress(SaveError):  # on a full disk the holder is not named, but a station judges on
            write_atomically(folder / HOLDER, json.dumps(holder).encode())
        with entrusted(folder):
            yield
    finally:
        for name in (HOLDER, LOCK):  # both or neither: an unlinked lock is never taken for a held one
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)
        lock.release()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder as `locked` does, unless the code around does so already."""
    if folder.resolve() in _OURS.get():
        yield
    else:
        with locked(folder):
            yield


@contextmanager
def entrusted(folder: Path) -> Iterator[None]:
    """Write into a folder that another process holds, which has started this one and waits for it."""
    token = _OURS.set(_OURS.get() | {folder.resolve()})
    try:
        yield
    finally:
        _OURS.reset(token)


def refuse_locked(folder: Path) -> None:
    """Raise UsageError, naming the holder, where another process holds the folder."""
    if (folder / LOCK).exists():
        with locked(folder):
            pass


def _holder(folder: Path) -> str:
    try:
        holder = json.loads((folder / HOLDER).read_bytes())
        return printable(f"process {holder['process']} on {holder['host']} since {holder['since']}")
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # which has just begun or is just ending
