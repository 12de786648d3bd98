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
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error


class Shelf:
    """A folder of bundles, which nothing is ever taken from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, bundle: Path) -> str:
        """Copy a bundle here, unless it is, and give its SHA-256."""
        digest = bundle_sha256(bundle)
        place = self._place(digest)
        if not place.exists():
            write_atomically(place, bundle.read_bytes())
        return digest

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
