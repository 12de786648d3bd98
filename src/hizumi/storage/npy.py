"""Arrays in NumPy's format, whose size is compared with the file's before any memory is taken for them."""

import math
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy_format

LONGEST_HEADER = 10_000  # bytes; as NumPy's own limit
READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
DAMAGE = (LookupError, MemoryError, OverflowError, RecursionError, SyntaxError, TokenError, TypeError, ValueError)
"""What NumPy raises for headers that make no sense."""


class ObjectsError(ValueError):
    """The array holds Python objects, which only pickle could make."""


def read_npy(file: Any, size: int, *, mapped: bool = False) -> np.ndarray:
    """The array in an open binary file of `size` bytes, read into memory or mapped read-only.

    Raises ObjectsError for Python objects, and ValueError for damaged files and for those that are shorter or longer
    than their header says.
    """
    shape, column_first, dtype, start = _header(file)
    if dtype.hasobject:
        raise ObjectsError("it holds Python objects; save plain numbers or text")
    count: int = math.prod(shape)
    stated = count * dtype.itemsize
    if start + stated != size or (count and not stated):
        raise ValueError(f"its header states {stated:,} bytes of values, and it holds {size - start:,}")
    order: Literal["F", "C"] = "F" if column_first else "C"
    if mapped and stated:
        return np.memmap(file, dtype, "r", start, shape, order)
    content = file.read(stated)
    if len(content) != stated:
        raise ValueError("it is cut short")
    return np.ndarray(shape, dtype, bytearray(content), order=order)


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether the first axis varies fastest, type of the values, and where they begin."""
    try:
        version = npy_format.read_magic(file)
        shape, column_first, dtype = READERS[version](file, LONGEST_HEADER)
    except DAMAGE as error:
        raise ValueError("its header is damaged") from error
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("its header is damaged")
    return shape, column_first, dtype, file.tell()
