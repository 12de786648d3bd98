"""Memory-mapped cache of decoded pixels on disk: each image is decoded once.

A cache folder holds segments: `<id>.bin`, the pixels of one image after another, and `<id>.json`, the index of their
offsets. The index is written last and renamed into place, so a run that dies leaves no partial segment behind, and
runs that share a folder never touch each other's files.
"""

import json
import os
import shutil
import tempfile
import uuid
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hizumi.data.images import Decoded
from hizumi.errors import SaveError
from hizumi.storage.files import printable

VERSION = 1  # increased whenever decoding or sizing changes the pixels


class PixelCache:
    """Decoded images by key, in `folder`, or in a temporary folder that is deleted with the cache.

    Added images can be read after `finish`. Raises SaveError when the folder cannot be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._views: dict[str, Decoded] = {}
        self._added: dict[str, list[Any]] = {}
        self._file: BinaryIO | None = None
        if folder is not None and folder.is_dir():
            for index_path in sorted(folder.glob("*.json")):
                self._map(index_path)

    def get(self, key: str) -> Decoded | None:
        """The image with this key, its pixels a read-only view of the file; None when it is not cached."""
        return self._views.get(key)

    def holds(self, key: str) -> bool:
        """Whether the image is cached, or added and not yet finished."""
        return key in self._views or key in self._added

    def add(self, key: str, decoded: Decoded) -> None:
        """Append one image to this run's segment."""
        pixels = np.ascontiguousarray(decoded.pixels)
        try:
            file = self._segment()
            offset = file.tell()
            file.write(pixels.data)
        except OSError as error:
            raise self._save_error(error) from error
        self._added[key] = [offset, pixels.shape, pixels.dtype.name, decoded.notes]

    def finish(self) -> None:
        """Make the added images readable, by this cache and by later ones in the same folder."""
        if self._file is None:
            return
        segment = Path(self._file.name)
        index_path = segment.with_suffix(".json")
        temporary = segment.with_suffix(".tmp")
        try:
            with self._file as file:
                file.flush()
                os.fsync(file.fileno())
            temporary.write_text(json.dumps({"version": VERSION, "entries": self._added}), encoding="utf-8")
            temporary.replace(index_path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise self._save_error(error) from error
        self._file, self._added = None, {}
        self._map(index_path)

    def discard(self) -> None:
        """Drop the images added since the last `finish`."""
        if self._file is not None:
            with suppress(OSError):  # closing writes what is buffered, for which a full disk has no room
                self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
        self._file, self._added = None, {}

    def _segment(self) -> BinaryIO:
        if self._file is None:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="hizumi-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = (self._folder / f"{uuid.uuid4().hex}.bin").open("wb")
        return self._file

    def _map(self, index_path: Path) -> None:
        """Map the images of one segment; a segment that is damaged or of another version is ignored."""
        try:
            index = json.loads(index_path.read_text(encoding="utf-8"))
            if index["version"] != VERSION:
                return
            mapped = np.asarray(np.memmap(index_path.with_suffix(".bin"), dtype=np.uint8, mode="r"))
            views = {key: _view(mapped, *entry) for key, entry in index["entries"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return
        self._views.update(views)

    def _save_error(self, error: OSError) -> SaveError:
        folder = self._folder or Path(tempfile.gettempdir())
        size = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for _, shape, dtype, _ in self._added.values())
        self.discard()
        return SaveError(
            f"{printable(folder)}: decoded images cannot be written there ({error.strerror}) after {size / 2**20:.1f} "
            "MiB; make room, or name another cache folder (TMPDIR where none was given)"
        )


def _view(mapped: np.ndarray, offset: int, shape: list[int], dtype: str, notes: list[str]) -> Decoded:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return Decoded(mapped[offset : offset + size].view(dtype).reshape(shape), tuple(notes))
