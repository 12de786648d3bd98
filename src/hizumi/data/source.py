"""`open_source`, which opens data of every kind."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hizumi.data.arrays import (
    is_dataset,
    is_tensor,
    open_array,
    open_dataset,
    open_images,
    open_npy,
    open_npz,
    open_tensor,
)
from hizumi.data.builtin_sets import BUILTIN_NAMES, builtin
from hizumi.data.clips import open_clips, with_neighbours
from hizumi.data.decoding import IMAGE_SUFFIXES
from hizumi.data.folders import open_folder
from hizumi.data.labels import NormalClass
from hizumi.data.manifest import Manifest, Record, Source
from hizumi.data.options import SourceOptions
from hizumi.data.tables import open_csv
from hizumi.data.video import VIDEO_SUFFIXES, open_video
from hizumi.errors import DataError, UsageError
from hizumi.storage.files import printable

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset


def open_source(
    data: "str | Path | np.ndarray | Tensor | Dataset[Any] | Manifest | Sequence[Any]",
    *,
    normal_class: NormalClass = None,
    motion: bool = False,
    channels: Literal["first", "last"] | None = None,
) -> Manifest:
    """Open images or numbers of any supported kind as a Manifest.

    A folder (flat and all good; good/ beside defects; MVTec AD), an image file, a video file, a .csv (a manifest with a
    column `path`, or a table), .npy, .npz, the name of a built-in set, an array (n, h, w[, c]) or (n, d), a tensor
    (n, c, h, w) or (n, d), a torch data set, or a list of files, folders or arrays. `normal_class` is the normal one
    of several classes; with "all", every class (label or folder) is normal, and a record's kind names its class. With
    `motion`, images are frames of clips, each with a neighbour (see `clips.py`), and folders are read as clips. Raises
    DataError, or UsageError for a name that is neither a path nor a built-in set.

    `channels` says which axis of arrays holds the channels; None: the last, unless the shape speaks for (n, c, h, w).
    """
    options = SourceOptions(normal_class, motion, channels=channels)
    manifest = _opened(data, options)
    if isinstance(data, (str, Path)):
        path = Path(data).expanduser()
        place = str(path.resolve()) if path.exists() else str(data)
        manifest = replace(manifest, source=Source(printable(place), normal_class))
    return with_neighbours(manifest) if motion else manifest


def is_table(data: Any) -> bool:
    """Whether this is rows of numbers in memory, such as a list of lists, and not images or a path."""
    if isinstance(data, (str, Path, Manifest)) or is_tensor(data) or is_dataset(data):
        return False
    if isinstance(data, (list, tuple)) and len(data):
        return not all(isinstance(item, (str, Path)) or np.ndim(item) > 1 for item in data)
    return np.asarray(data).ndim <= 2


def _opened(data: Any, options: SourceOptions) -> Manifest:
    if isinstance(data, Manifest):
        return data
    if isinstance(data, (str, Path)):
        return _open_path(data, options)
    if isinstance(data, np.ndarray):
        return open_array(data, channels=options.channels)
    if is_tensor(data):
        return open_tensor(data)
    if is_dataset(data):
        return open_dataset(data, options)
    return _open_list(list(data), options)


def _open_path(data: str | Path, options: SourceOptions) -> Manifest:
    path = Path(data).expanduser()
    if not path.exists():
        if str(data) in BUILTIN_NAMES:
            return builtin(str(data), normal_class=options.normal_class)
        raise UsageError(_not_found(str(data)))
    if path.is_dir():
        return open_clips(path) if options.motion else open_folder(path, options)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return open_csv(path, options)
    if suffix == ".npz":
        return open_npz(path, options)
    if suffix == ".npy":
        return open_npy(path, options)
    if suffix in IMAGE_SUFFIXES:
        return Manifest((Record(printable(path.name), path=path),), name=printable(path.stem))
    if suffix in VIDEO_SUFFIXES:
        return open_video(path)
    raise DataError(f"{printable(path)}: cannot be opened; give an image, video, .csv, .npy or .npz file")


def _not_found(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), BUILTIN_NAMES, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"built-in sets are {', '.join(BUILTIN_NAMES)}"
    return f"{printable(name)}: there is no such file or folder; {hint}"


def _open_list(items: list[Any], options: SourceOptions) -> Manifest:
    if not items:
        raise DataError("the list of data is empty; give at least one file or array")
    if not all(isinstance(item, (str, Path)) for item in items):
        return open_images([np.asarray(item) for item in items], "list", options.channels)
    records: list[Record] = []
    notes: list[str] = []
    for path in map(Path, items):
        if path.is_dir():
            folder = open_clips(path) if options.motion else open_folder(path, options)
            records += [replace(record, name=f"{printable(path)}/{record.name}") for record in folder.records]
            notes += folder.notes
        else:
            records.append(Record(printable(path), path=path))
    return Manifest(tuple(records), name="files", notes=tuple(notes))
