"""Manifests of .npy and .npz files."""

import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from hizumi.data.arrays import labelled, open_array
from hizumi.data.labels import split_named, split_of_word
from hizumi.data.manifest import Manifest
from hizumi.data.options import SourceOptions
from hizumi.errors import DataError, ShortageError, is_shortage
from hizumi.storage.files import few, open_regular, printable
from hizumi.storage.npy import ObjectsError, read_npy

ARRAYS_NAMED = 3
SYNONYMS = {"label": "y", "labels": "y", "target": "y", "targets": "y", "masks": "mask", "kinds": "kind"}
MEANINGS = {"x": "the items", "y": "labels", "mask": "masks", "kind": "kinds"}  # of names that files may vary
SPLIT_NAMES = ("train", "calibration", "test")
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
    unread = [key for key in keys if _known_name(key) not in read]
    if not unread:
        return ()
    return (f"arrays that are not read, as their names say nothing: {few(unread, ARRAYS_NAMED)}",)


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
        manifest = labelled(manifest, labels, options.normal_class, f"{name}: labels{ending}")
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
