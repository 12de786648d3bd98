"""Pictures and maps in a folder, each under the SHA-256 of its bytes, so that equal ones lie there once."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from hizumi.errors import DataError, SaveError
from hizumi.storage.files import open_regular, write_atomically

KEY = re.compile(r"[0-9a-f]{64}(\.[a-z0-9]{1,8})?", re.ASCII)


class Removed(NamedTuple):
    """How many files were removed, and how many bytes they took."""

    files: int
    freed_bytes: int


class Pictures:
    """A folder of contents; a key is a SHA-256, with the suffix that the content was kept with, such as ".png".

    Several threads and processes may use it at once. What is no key leads nowhere, so nothing outside is ever touched.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, content: bytes, suffix: str = "", *, sha256: str | None = None) -> str:
        """Write a content, unless it is there, and give its key; `sha256` is its own, where the caller knows it.

        Raises SaveError, and DataError for another suffix.
        """
        key = (sha256 or hashlib.sha256(content).hexdigest()) + suffix
        place = self._place(key)
        if place is None:
            raise DataError(f"pictures are kept with suffixes such as .png, not {suffix[:20]!r}")
        with suppress(OSError):  # where there is none, or it is another user's, it is written anew
            os.utime(place)  # or a pruning that has just found it unused would remove it
            if os.stat(place).st_size == len(content):  # noqa: PTH116 - a Path interns its parts, new ones each time
                return key
        try:
            write_atomically(Path(place), content)
        except SaveError as error:
            reason = getattr(error.__cause__, "strerror", None) or "no reason known"
            raise SaveError(f"a picture could not be kept: {reason.lower()}; free space for pictures") from error
        return key

    def read(self, key: str) -> bytes | None:
        """The content of a key, None where it is not kept; raises DataError where it was damaged."""
        path = self._path(key)
        if path is None:
            return None
        try:
            with open_regular(path) as file:
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"the picture {key[:12]} cannot be read: {error.strerror or 'no reason known'}") from error
        if hashlib.sha256(content).hexdigest() != key[:64]:
            raise DataError(f"the picture {key[:12]} was damaged on the disk; restore the folder of pictures")
        return content

    def size_bytes(self, key: str) -> int:
        """How much a content takes; 0 where it is not kept."""
        path = self._path(key)
        try:
            return 0 if path is None else path.stat().st_size
        except OSError:
            return 0

    def keys(self) -> Iterator[str]:
        """All keys, in no order."""
        for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            if KEY.fullmatch(path.name):
                yield path.name

    def remove(self, keys: Iterable[str], untouched_since: datetime) -> Removed:
        """Remove contents that nobody has kept anew since then; raises SaveError."""
        files = freed = 0
        for path in filter(None, map(self._path, keys)):
            try:
                status = path.stat()
                if status.st_mtime < untouched_since.timestamp():
                    path.unlink()
                    files, freed = files + 1, freed + status.st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                reason = (error.strerror or "no reason known").lower()
                raise SaveError(f"a picture could not be removed: {reason}; give the station its pictures") from error
        return Removed(files, freed)

    def _path(self, key: str) -> Path | None:
        place = self._place(key)
        return None if place is None else Path(place)

    def _place(self, key: str) -> str | None:
        return os.path.join(self.root, key[:2], key[2:4], key) if KEY.fullmatch(key) else None  # noqa: PTH118
