"""Bundles in a folder, each under its SHA-256, so that every state of a recipe can be gone back to."""

import hashlib
import re
from pathlib import Path

from hizumi.errors import BundleError, UsageError
from hizumi.storage.files import open_regular, write_atomically

SHA256 = re.compile(r"[0-9a-f]{64}")


def bundle_sha256(path: Path) -> str:
    """SHA-256 (hex) of a bundle's file; raises BundleError where it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> BundleError:
    return BundleError(f"{path}: cannot be read: {error.strerror or error}")


class Shelf:
    """A folder of bundles, which none is ever taken from that a recipe has judged by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, bundle: Path) -> str:
        """Copy a bundle here, unless it is and is whole, and give its SHA-256."""
        try:
            with open_regular(bundle) as file:
                content = file.read()  # once: the file may just be written over
        except OSError as error:
            raise _unreadable(bundle, error) from error
        digest = hashlib.sha256(content).hexdigest()
        place = self._place(digest)
        if not (place.exists() and bundle_sha256(place) == digest):
            write_atomically(place, content)
        return digest

    def held(self) -> frozenset[str]:
        """SHA-256 of all bundles here."""
        return frozenset(path.stem for path in self.folder.glob("*.hizumi"))

    def remove(self, digest: str) -> None:
        """Take away a bundle that no recipe could judge by."""
        self._place(digest).unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Where the bundle of that SHA-256 lies; raises UsageError where it is not here or was changed."""
        place = self._place(digest)
        if not place.exists():
            raise UsageError(f"the bundle {digest[:12]} is not kept any more; name its file to go back to it")
        if bundle_sha256(place) != digest:
            raise UsageError(f"the bundle {digest[:12]} was changed on the disk; name an unchanged copy of it")
        return place

    def _place(self, digest: str) -> Path:
        if not SHA256.fullmatch(digest):
            raise UsageError("a bundle is named by the 64 hexadecimal digits of its SHA-256")
        return self.folder / f"{digest}.hizumi"
