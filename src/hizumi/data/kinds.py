"""What data in memory are: rows of numbers, images, a data frame, or nothing that can be read."""

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.data.arrays import is_dataset, is_tensor
from hizumi.data.decoding import is_picture
from hizumi.data.manifest import Manifest
from hizumi.errors import DataError

ADVICE = "give a path, rows of numbers (n, d), images (n, h, w[, c]), a data frame, or a list of files or images"


def is_frame(data: Any) -> bool:
    """Whether this is a data frame, found without importing what makes them."""
    return hasattr(data, "__array__") and hasattr(data, "__getitem__") and hasattr(data, "columns")


def is_table(data: Any) -> bool:
    """Whether this is rows of numbers in memory, such as a list of lists, and not images or a path.

    Raises as `refuse_other_kinds`.
    """
    refuse_other_kinds(data)
    if isinstance(data, (str, Path, Manifest, Iterator)) or is_tensor(data) or is_dataset(data):
        return False
    if isinstance(data, (list, tuple)) and len(data):
        return not all(isinstance(item, (str, Path)) or np.ndim(item) > 1 for item in data)
    return is_frame(data) or np.asarray(data).ndim <= 2


def rows_of(data: Any) -> np.ndarray:
    """Rows of numbers in memory, in double precision; raises DataError for words, and for rows of several lengths."""
    try:
        return np.asarray(data, dtype=np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"the rows are not all of equally many numbers ({reason})") from error


def refuse_other_kinds(data: Any) -> None:
    """Raise DataError for what can be no data, and for what would be taken for something else than it is."""
    kind = type(data).__name__
    if hasattr(data, "column_names") and hasattr(data, "to_pandas"):  # a table of Arrow's
        raise DataError(f"{kind} is no data frame; make it one (.to_pandas())")
    if hasattr(data, "read") and hasattr(data, "seek"):  # an open file, which would give its lines
        raise DataError(f"{kind} is nothing that data can be read from; give the path of the file")
    if isinstance(data, (str, Path, Manifest, Iterator)) or is_dataset(data) or is_frame(data):
        return
    if isinstance(data, (list, tuple)):
        _refuse_other_items(data)
        return
    if is_tensor(data):
        if data.is_meta or str(data.layout) != "torch.strided":
            raise DataError("the tensor is sparse or holds no values; give a dense one on a device (.to_dense())")
        if data.is_quantized or data.is_nested:
            raise DataError("the tensor is quantised or nested; give plain ones (.dequantize(), or a list of them)")
        return
    if hasattr(data, "toarray"):
        raise DataError(f"{kind}: sparse data are not read; give a dense array (.toarray())")
    if isinstance(data, (bytes, Mapping, Set)) or not hasattr(data, "__array__"):
        raise DataError(f"{kind} is nothing that data can be read from; {_advice(data)}")
    _refuse_other_arrays(data)


def _advice(data: Any) -> str:
    if hasattr(data, "collect"):
        return "collect it first (.collect())"
    if hasattr(data, "dataset"):
        return "give its data set (.dataset)"
    return "put it in a list" if is_picture(data) else ADVICE


def _refuse_other_items(items: Sequence[Any]) -> None:
    if not len(items):
        raise DataError("the list of data is empty; give at least one file or array")
    of_paths = isinstance(items[0], (str, Path))
    for place, item in enumerate(items):
        if isinstance(item, (str, Path)) != of_paths or item is None or isinstance(item, (bytes, Mapping, Set)):
            mixed = "" if place == 0 else f", and item 0 is {type(items[0]).__name__}"
            raise DataError(f"item {place} of the list is {type(item).__name__}{mixed}; {ADVICE}")
        _refuse_masked(item, f"item {place}")
        sides = [len(each.shape) for each in (items[0], item) if hasattr(each, "shape")]
        if len({*sides}) == 2 and not {*sides} <= {2, 3}:  # such as images with their labels
            raise DataError(
                f"item {place} of the list has shape {tuple(item.shape)}, and item 0 {tuple(items[0].shape)}; give "
                "images, or rows, alone"
            )


def _refuse_masked(data: Any, called: str) -> None:
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        count = int(np.ma.getmaskarray(data).sum())
        raise DataError(f"{count} values of {called} are masked; fill them in, or give NaN for them (.filled(np.nan))")


def _refuse_other_arrays(data: Any) -> None:
    _refuse_masked(data, "the array")
    if isinstance(data, np.matrix):
        raise DataError("matrices are not read; give an array (numpy.asarray)")
    array = np.asarray(data)
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported: give whole or real numbers")
    if array.dtype.kind in "mMV":
        raise DataError(f"the array has values of type {array.dtype}; whole or real numbers are needed")
    if array.ndim == 1 and array.dtype.kind in "OUT":
        raise DataError("the array holds no numbers; give files, or images of several sizes, as a list (.tolist())")
    if array.ndim < 2:
        raise DataError(
            f"the array has shape {array.shape}; Reshape your data: (-1, 1) for rows of one number, (1, -1) for one row"
        )
