"""Manifests of arrays, tensors and torch data sets in memory."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from hizumi.data.column_signs import LARGEST_EXACT
from hizumi.data.decoding import decode_picture, is_picture
from hizumi.data.labels import NormalClass, labels_of
from hizumi.data.manifest import Manifest, Record
from hizumi.data.options import SourceOptions
from hizumi.errors import DataError, UsageError
from hizumi.memory import refuse_beyond_free
from hizumi.words import counted

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

UNTOLD, CHANNELS_LAST = SourceOptions(), SourceOptions(channels="last")
PLAIN_CHANNELS = (1, 3, 4)  # grey, colour, colour and alpha
LARGEST_CHANNELS = 16  # that a last axis is expected to hold where the first may be one of plain channels
BYTES_OF_RECORD = 300  # at least
COLUMNS_NAMED = 3


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
    refuse_beyond_free(len(array) * BYTES_OF_RECORD, f"{name}: to keep track of its {len(array):,} items", "give fewer")
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
    has_labels = bool(items) and isinstance(items[0], (tuple, list)) and len(items[0]) > 1
    pictures = [item[0] if isinstance(item, (tuple, list)) else item for item in items]
    notes: Counter[str] = Counter()
    images = [_item_as_array(picture, row, notes) for row, picture in enumerate(pictures)]
    manifest = with_counted(open_images(images, type(dataset).__name__, CHANNELS_LAST), notes)
    if not has_labels:
        return manifest
    labels = np.array([np.asarray(item[1]).item() for item in items])
    return labelled(manifest, labels, options.normal_class, f"labels of {manifest.name}")


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
    said = (f"{note}: {counted(count, manifest.noun)}" for note, count in notes.items())
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


def labelled(manifest: Manifest, labels: np.ndarray, normal_class: NormalClass, where: str) -> Manifest:
    """The records with these labels (n,); of classes, those of others than the normal one leave the training."""
    known = labels_of(labels, normal_class, where)
    records = [
        replace(record, label=label, kind=kind) for record, (label, kind) in zip(manifest.records, known, strict=True)
    ]
    kept = tuple(
        r for r in records if normal_class in (None, "all") or r.split not in ("train", "calibration") or r.label == 0
    )
    dropped = len(records) - len(kept)
    rows = counted(dropped, "training row")
    notes = (f"left out: {rows} of other classes than {normal_class}",) if dropped else ()
    return replace(manifest, records=kept, notes=manifest.notes + notes)


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
