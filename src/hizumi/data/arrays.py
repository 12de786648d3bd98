"""Manifests of arrays, tensors, torch data sets, and .npy and .npz files."""

import lzma
import os
import struct
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from hizumi.data.column_signs import LARGEST_EXACT
from hizumi.data.decoding import decode_picture, is_picture
from hizumi.data.labels import NormalClass, labels_of, split_named, split_of_word
from hizumi.data.manifest import Manifest, Record
from hizumi.data.options import SourceOptions
from hizumi.errors import DataError, ShortageError, UsageError, is_shortage
from hizumi.memory import free_bytes
from hizumi.storage.files import open_regular, printable
from hizumi.storage.npy import ObjectsError, read_npy

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

UNTOLD, CHANNELS_LAST = SourceOptions(), SourceOptions(channels="last")
PLAIN_CHANNELS = (1, 3, 4)  # grey, colour, colour and alpha
LARGEST_CHANNELS = 16  # that a last axis is expected to hold where the first may be one of plain channels
SYNONYMS = {"label": "y", "labels": "y", "target": "y", "targets": "y", "masks": "mask", "kinds": "kind"}
MEANINGS = {"x": "the items", "y": "labels", "mask": "masks", "kind": "kinds"}  # of names that files may vary
SPLIT_NAMES = ("train", "calibration", "test")
BYTES_OF_RECORD = 300  # at least
COLUMNS_NAMED = 3
LARGEST_RATIO = 1100  # by which deflate can shrink anything
ARCHIVE_DAMAGE = (
    EOFError,
    LookupError,
    OverflowError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile and NumPy raise for damaged files; a RuntimeError is of an encrypted one."""
ARRAY_NAMES = ("x", "y", "split", "mask", "group", "clip", "kind")


def is_tensor(data: object) -> "TypeGuard[Tensor]":
    """Whether this is a torch tensor, found without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(data, torch.Tensor)


def is_dataset(data: object) -> "TypeGuard[Dataset[Any]]":
    """Whether this is a torch data set, found without importing torch."""
    torch_data = sys.modules.get("torch.utils.data")
    return torch_data is not None and isinstance(data, torch_data.Dataset)


def open_array(array: np.ndarray, name: str = "array", options: SourceOptions = UNTOLD) -> Manifest:
    """Manifest of images (n, h, w), (n, h, w, c) or (n, c, h, w), or of vectors (n, d), all normal.

    Raises DataError for other shapes and for values that are not numbers.
    """
    notes = _notes_on_shape(array)
    array = _checked(array, name)
    if array.ndim == 4:
        first, more_notes = _channels_first([array.shape[1:]], options)
        array, notes = np.moveaxis(array, 1, -1) if first else array, (*notes, *more_notes)
    _refuse_more_than_memory(len(array), name)
    records = tuple(Record(f"row {row}", row=row) for row in range(len(array)))
    columns = tuple(f"column {position}" for position in range(array.shape[1])) if array.ndim == 2 else ()
    return Manifest(records, array, name=name, columns=columns, notes=notes)


def open_tensor(tensor: "Tensor") -> Manifest:
    """Manifest of images (n, c, h, w) or (n, h, w), or of vectors (n, d), all normal."""
    array = _as_numpy(tensor)
    return open_array(np.moveaxis(array, -3, -1) if array.ndim == 4 else array, "tensor", CHANNELS_LAST)


def open_dataset(dataset: "Dataset[Any]", options: SourceOptions) -> Manifest:
    """Manifest of a data set of (c, h, w) tensors, (h, w[, c]) arrays, images, or (d,) vectors, alone or with labels.

    Raises UsageError for a data set without a length, DataError for items of other kinds.
    """
    if not hasattr(dataset, "__len__"):
        raise UsageError("a data set without a length cannot be split and calibrated on; give one with __len__")
    items = [dataset[index] for index in range(len(dataset))]
    labelled = bool(items) and isinstance(items[0], (tuple, list)) and len(items[0]) > 1
    pictures = [item[0] if isinstance(item, (tuple, list)) else item for item in items]
    notes: Counter[str] = Counter()
    images = [_item_as_array(picture, row, notes) for row, picture in enumerate(pictures)]
    manifest = with_counted(open_images(images, type(dataset).__name__, CHANNELS_LAST), notes)
    if not labelled:
        return manifest
    labels = np.array([np.asarray(item[1]).item() for item in items])
    return _labelled(manifest, labels, options.normal_class, f"labels of {manifest.name}")


def pixels_of(item: Any, name: str, notes: Counter[str]) -> np.ndarray:
    """An item of a list or a data set as an array; of an image of Pillow's its colours, and not their numbers.

    What had to be done to it is counted in `notes`.
    """
    if not is_picture(item):
        return np.asarray(item)
    pixels, made = decode_picture(item, name=name)
    notes.update(made)
    return pixels


def with_counted(manifest: Manifest, notes: Counter[str]) -> Manifest:
    """The manifest with each of these notes once, and how many items it is about."""
    said = (f"{note}: {count} {manifest.noun}s" for note, count in notes.items())
    return replace(manifest, notes=(*manifest.notes, *said))


def open_images(images: Sequence[np.ndarray], name: str, options: SourceOptions) -> Manifest:
    """Manifest of arrays of one shape, or of images (h, w), (h, w, c) or (c, h, w) of several sizes."""
    if len({image.shape for image in images}) <= 1:
        return open_array(np.stack(images) if images else np.empty(0), name, options)
    if any(image.ndim not in (2, 3) for image in images):
        raise DataError(
            f"{name}: items have the shapes {sorted({image.shape for image in images})[:4]}; they must agree"
        )
    ragged = np.empty(len(images), dtype=object)
    first, notes = _channels_first([image.shape for image in images if image.ndim == 3], options)
    ragged[:] = [np.moveaxis(image, 0, -1) if first and image.ndim == 3 else image for image in images]
    records = tuple(Record(f"row {row}", row=row) for row in range(len(images)))
    return Manifest(records, ragged, name=name, notes=notes)


def open_npy(path: Path, options: SourceOptions) -> Manifest:
    """Manifest of the array in a .npy file, which is memory-mapped."""
    return open_array(read_array(path), printable(path.stem), options)


def read_array(path: Path) -> np.ndarray:
    """The array in a .npy file, memory-mapped; raises DataError for a damaged one."""
    with _loading(path) as file:
        if zipfile.is_zipfile(file):
            raise DataError(f"{printable(path)}: holds several arrays; give it the ending .npz")
        file.seek(0)
        return read_npy(file, os.fstat(file.fileno()).st_size, mapped=True)


def read_arrays(path: Path, wanted: Callable[[str], bool]) -> tuple[list[str], dict[str, np.ndarray]]:
    """All names in a .npz file, and the arrays whose name is `wanted`, or the only one, by names in lower case.

    Raises DataError for a damaged file, and for one without any array.
    """
    with _loading(path) as file:
        if not zipfile.is_zipfile(file) and _begins_as_npy(file):
            raise DataError(f"{printable(path)}: holds one array by itself; give it the ending .npy")
        file.seek(0)
        members, arrays = _members(path, file, wanted)
    if not members:
        raise DataError(f"{printable(path)}: holds no array")
    return list(members), arrays


def _begins_as_npy(file: BufferedReader) -> bool:
    file.seek(0)
    return file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX


def _members(
    path: Path, file: BufferedReader, wanted: Callable[[str], bool]
) -> tuple[dict[str, zipfile.ZipInfo], dict[str, np.ndarray]]:
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        members = {info.filename.removesuffix(".npy"): info for info in infos}
        doubled = len(infos) - len({name.lower() for name in members})
        if doubled:
            raise DataError(f"{printable(path)}: several of its arrays have one name; leave all but one out")
        arrays = {
            key.lower(): _member(archive, info) for key, info in members.items() if wanted(key) or len(members) == 1
        }
    return members, arrays


def open_npz(path: Path, options: SourceOptions) -> Manifest:
    """Manifest of named arrays: `x` (or the only array) with y or label, split, mask, group, clip, kind; or x_train ...

    Clips are numbered within each split: clip 1 of the training frames and clip 1 of the test frames are two groups.
    Masks are (n, h, w), or packed to bits along the last axis. Without labels, an image whose mask marks any pixel is
    anomalous. With `normal_class`, training rows of other classes are left out, with a note.
    """
    keys, found = read_arrays(path, lambda key: _known_name(key) is not None)
    name = printable(path.stem)
    arrays = {"x": next(iter(found.values()))} if len(keys) == 1 else _by_known_name(found, name)
    parts = [split for split in SPLIT_NAMES if f"x_{split}" in arrays]
    if not parts and "x" not in arrays:
        raise DataError(
            f"{printable(path)}: holds {', '.join(keys)}; name the images or vectors x, or x_train and x_test"
        )
    unread = _unread(keys, arrays, parts) if len(keys) > 1 else ()
    manifest = _joined([_part(arrays, split or None, options, name) for split in parts or [""]], name)
    return replace(manifest, notes=(*manifest.notes, *unread))


def _known_name(key: str) -> str | None:
    """The name that an array is read under, such as y_test for Labels_test or mask for masks; None for others."""
    base, _, split = key.lower().partition("_")
    base = SYNONYMS.get(base, base)
    if base not in ARRAY_NAMES or (split and split_named(split) is None):
        return None
    return f"{base}_{split_named(split)}" if split else base


def _by_known_name(found: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The arrays by the names that they are read under; raises DataError where two have one."""
    arrays: dict[str, np.ndarray] = {}
    first: dict[str, str] = {}
    for key, array in found.items():
        known = _known_name(key)
        if known is None:
            continue
        if known in arrays:
            held = MEANINGS.get(known.partition("_")[0], known)
            raise DataError(f"{name}: {first[known]} and {key} both hold {held}; leave one of them out")
        arrays[known], first[known] = array, key
    return arrays


def _unread(keys: Sequence[str], arrays: Mapping[str, np.ndarray], parts: Sequence[str]) -> tuple[str, ...]:
    """A note that names the arrays of a file that nothing is read of."""
    read = {f"{key}_{split}" if split else key for key in ARRAY_NAMES for split in parts or [""]} & arrays.keys()
    unread = [printable(key) for key in keys if _known_name(key) not in read]
    if not unread:
        return ()
    more = f" and {len(unread) - COLUMNS_NAMED} more" if len(unread) > COLUMNS_NAMED else ""
    return (f"arrays that are not read, as their names say nothing: {', '.join(unread[:COLUMNS_NAMED])}{more}",)


def _part(arrays: dict[str, np.ndarray], split: str | None, options: SourceOptions, name: str) -> Manifest:
    """Rows of one split of a .npz file (None: all rows) with their labels, groups, kinds and masks."""
    ending = f"_{split}" if split else ""
    manifest = open_array(arrays[f"x{ending}"], name, options)
    columns = {key: arrays[f"{key}{ending}"] for key in ARRAY_NAMES[1:] if f"{key}{ending}" in arrays}
    for key, values in columns.items():
        if len(values) != len(manifest):
            raise DataError(f"{name}: {key}{ending} has {len(values)} rows, x{ending} has {len(manifest)}")
    records = []
    for row, record in enumerate(manifest.records):
        own = split_of_word(str(columns["split"][row]), f"{name}: {record.name}") if "split" in columns else split
        group = str(columns["group"][row]) if "group" in columns else None
        if group is None and "clip" in columns:
            group = " ".join(filter(None, (own, f"clip {columns['clip'][row]}")))
        records.append(replace(record, split=own, group=group))
    manifest = replace(manifest, records=tuple(records))
    masks = _unpacked(columns["mask"], manifest, f"{name}: mask{ending}") if "mask" in columns else None
    labels = columns.get("y")
    if labels is None and masks is not None:
        labels = np.asarray(masks.any(axis=(1, 2)))
    if labels is not None:
        manifest = _labelled(manifest, labels, options.normal_class, f"{name}: labels{ending}")
    kinds = columns.get("kind")
    known = (
        replace(
            record,
            kind=record.kind if kinds is None or record.label == 0 else printable(kinds[record.row]),
            mask=None if masks is None else record.row,
        )
        for record in manifest.records
    )
    return replace(manifest, records=tuple(known), masks=masks)


def _labelled(manifest: Manifest, labels: np.ndarray, normal_class: NormalClass, where: str) -> Manifest:
    known = labels_of(labels, normal_class, where)
    records = [
        replace(record, label=label, kind=kind) for record, (label, kind) in zip(manifest.records, known, strict=True)
    ]
    kept = tuple(
        r for r in records if normal_class in (None, "all") or r.split not in ("train", "calibration") or r.label == 0
    )
    dropped = len(records) - len(kept)
    notes = (f"{dropped} training rows of other classes than {normal_class} were left out",) if dropped else ()
    return replace(manifest, records=kept, notes=manifest.notes + notes)


def _joined(parts: list[Manifest], name: str) -> Manifest:
    """Concatenate the manifests of several splits, with their rows and masks."""
    if len(parts) == 1:
        return parts[0]
    arrays = [part.arrays for part in parts if part.arrays is not None]
    if len({array.shape[1:] for array in arrays}) > 1 or len({array.dtype for array in arrays}) > 1:
        raise DataError(
            f"{name}: its parts differ in size or type: {', '.join(f'{a.shape} {a.dtype}' for a in arrays)}"
        )
    records, row_start, mask_start = [], 0, 0
    for part, array in zip(parts, arrays, strict=True):
        for record in part.records:
            assert record.row is not None, "arrays have rows"
            mask = record.mask + mask_start if isinstance(record.mask, int) else None
            label = f"{record.split} row {record.row}"
            records.append(replace(record, name=label, row=record.row + row_start, mask=mask))
        row_start += len(array)
        mask_start += 0 if part.masks is None else len(part.masks)
    masks = [part.masks for part in parts if part.masks is not None]
    return Manifest(
        tuple(records),
        np.concatenate(arrays),
        np.concatenate(masks) if masks else None,
        name,
        parts[0].columns,
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _checked(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}: has values of type {array.dtype}; whole or real numbers are needed")
    if array.ndim not in (2, 3, 4):
        raise DataError(f"{name}: has shape {array.shape}; give (n, d) vectors, or (n, h, w) or (n, h, w, c) images")
    if array.size == 0:
        raise DataError(f"{name}: has shape {array.shape}, so there is nothing in it")
    return array[:, :, :, np.newaxis] if array.ndim == 3 else array


def _notes_on_shape(array: np.ndarray) -> tuple[str, ...]:
    """What was read of arrays that may be one image where several items are expected, and of too large numbers."""
    if array.ndim == 3 and array.shape[2] in PLAIN_CHANNELS[1:] and array.dtype.kind in "uf":
        count, height, width = array.shape
        return (
            f"an array of shape {array.shape} was read as {count} grey images of {width}x{height} pixels; if it is one "
            "image in colour, put it in a list",
        )
    if array.ndim != 2 or not array.size:
        return ()
    if array.dtype in (np.uint8, np.uint16) and array.shape[0] == array.shape[1]:
        return (
            f"an array of shape {array.shape} was read as {len(array)} rows of numbers; if it is one grey image, put "
            "it in a list",
        )
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        beyond = np.flatnonzero((array.max(axis=0) > LARGEST_EXACT) | (array.min(axis=0) < -LARGEST_EXACT))
        return tuple(
            f"column {place} holds whole numbers beyond 2^53, whose last digits are lost; subtract what they share"
            for place in beyond[:COLUMNS_NAMED].tolist()
        )
    return ()


def _refuse_more_than_memory(count: int, name: str) -> None:
    """Raise ShortageError for more items than can be kept track of in the memory that is free."""
    if count * BYTES_OF_RECORD > free_bytes():
        needed = count * BYTES_OF_RECORD / 2**30
        raise ShortageError(
            f"{name}: to keep track of its {count:,} items takes {needed:,.0f} GiB of memory, more than is free; "
            "give fewer"
        )


def _channels_first(shapes: Sequence[tuple[int, ...]], options: SourceOptions) -> tuple[bool, tuple[str, ...]]:
    """Whether all images of these shapes are (c, h, w) and not (h, w, c), and a note where that is not plain."""
    if not shapes:
        return False, ()
    if options.channels is not None:
        return options.channels == "first", ()
    learned = [all(shape[axis] == options.image_channels for shape in shapes) for axis in (0, 2)]
    if any(learned) and not all(learned):
        return learned[0], ()
    first = all(map(_looks_channels_first, shapes))
    found = {shape[0 if first else 2] for shape in shapes}
    if not first and found <= {*PLAIN_CHANNELS}:
        return False, ()
    shape, axis, other = shapes[0], *(("first", "last") if first else ("last", "first"))
    height, width = shape[1:] if first else shape[:2]
    return first, (
        f"images of shape {shape} were read as {shape[0 if first else 2]} channels of {width}x{height} pixels, "
        f"channels {axis}; if that is wrong, say --channels {other} (channels={other!r})",
    )


def _looks_channels_first(shape: tuple[int, ...]) -> bool:
    plain = shape[0] in PLAIN_CHANNELS and shape[2] > LARGEST_CHANNELS
    return plain or (shape[0] < shape[1] == shape[2] and shape[2] not in PLAIN_CHANNELS)


def _as_numpy(tensor: "Tensor") -> np.ndarray:
    plain = tensor.detach().cpu()
    return (plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy()


def _item_as_array(item: object, row: int, notes: Counter[str]) -> np.ndarray:
    if is_tensor(item):
        array = _as_numpy(item)
        return array.transpose(1, 2, 0) if array.ndim == 3 else array
    array = pixels_of(item, f"item {row}", notes)
    if array.ndim not in (1, 2, 3) or array.dtype.kind not in "biuf":
        raise DataError(
            f"item {row} of the data set is a {type(item).__name__}; give tensors (c, h, w), images or vectors"
        )
    return array


def _unpacked(masks: np.ndarray, manifest: Manifest, where: str) -> np.ndarray:
    assert manifest.arrays is not None, "a .npz file has arrays"
    size = manifest.arrays.shape[1:3]
    if masks.ndim == 4 and masks.shape[3] == 1:
        masks = masks[:, :, :, 0]
    if masks.dtype == np.uint8 and masks.shape[1:] == (size[0], -(-size[1] // 8)) != size:
        masks = np.unpackbits(masks, axis=-1, count=size[1])
    if manifest.vectors or masks.shape[1:] != size:
        raise DataError(
            f"{where} has shape {masks.shape}, the images {manifest.arrays.shape}; save masks at their size"
        )
    return np.asarray(masks != 0)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One array of a .npz file, whose stated size is checked before it is unfolded."""
    if info.file_size > LARGEST_RATIO * info.compress_size:
        raise ValueError(f"{info.filename} states an impossible size")
    with archive.open(info) as file:
        return read_npy(file, info.file_size)


@contextmanager
def _loading(path: Path) -> Iterator[BufferedReader]:
    """The open file; errors while it is read become a DataError of one line."""
    try:
        with open_regular(path) as file:
            yield file
    except (DataError, ShortageError):
        raise
    except ObjectsError as error:
        raise DataError(f"{printable(path)}: {str(error).removeprefix('it ')}") from error
    except PermissionError as error:
        raise DataError(f"{printable(path)}: no permission to read the file; change its access rights") from error
    except (MemoryError, OSError, *ARCHIVE_DAMAGE) as error:
        if is_shortage(error):
            raise ShortageError.of(error, printable(path), "free some, or split the file") from error
        if isinstance(error, OSError):
            reason = (error.strerror or str(error)).lower()
            raise DataError(f"{printable(path)}: cannot be read ({reason}); copy it again") from error
        reason = printable(error).strip() or type(error).__name__
        raise DataError(f"{printable(path)}: is damaged or cut short ({reason}); copy it again") from error
