"""Reading one picture file for a source: whole, within a limit, and the same at the end as at the beginning."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hizumi.storage.files import NotRegularError, open_regular

LARGEST_BYTES = 512 * 2**20  # of one file; it is held in memory until it is judged


@dataclass(frozen=True)
class Signature:
    """What tells a file from an earlier one of the same name without reading it; times in nanoseconds."""

    size: int
    modified: int
    changed: int
    number: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        """From what the file system says."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass(frozen=True)
class FileRead:
    """The bytes of a file and its signature then; `error` says why there are none."""

    content: bytes
    signature: Signature
    error: str = ""

    def key(self, relative: Path) -> str:
        """64 hexadecimal digits for a name, content and time of writing: the same file read again has the same.

        The content is part of it since the times of some file systems are coarse, and the time since a camera whose
        lens is covered writes one picture again and again, of which each must be judged.
        """
        parts = [os.fsencode(relative), str(self.signature.modified).encode(), self.error.encode(), self.content]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()


def read_whole(path: Path, *, follow_links: bool) -> FileRead | None:
    """Read a file; None where it is gone, or was written to meanwhile.

    Where others may write into a folder, links are not to be followed: they could show any file of this machine.
    """
    try:
        named = path.stat(follow_symlinks=follow_links)
        if stat.S_ISLNK(named.st_mode):
            return FileRead(b"", Signature.of(named), "is a link, and links are not followed")
        with open_regular(path) as file:
            opened = os.fstat(file.fileno())
            before = Signature.of(opened)
            if not os.path.samestat(opened, named):
                return None
            if before.size > LARGEST_BYTES:
                return FileRead(b"", before, f"is larger than {LARGEST_BYTES >> 20} MiB")
            content = file.read(before.size + 1)
            after = Signature.of(os.fstat(file.fileno()))
    except FileNotFoundError:
        return None
    except OSError as error:
        return _unreadable(path, error)
    return FileRead(content, after) if after == before and len(content) == after.size else None


def _unreadable(path: Path, error: OSError) -> FileRead | None:
    reason = "is not a regular file" if isinstance(error, NotRegularError) else os.strerror(error.errno or 0).lower()
    try:
        return FileRead(b"", Signature.of(path.stat()), f"could not be read ({reason})")
    except OSError:
        return None
