"""Tables of time series from text files, Parquet and Arrow files, data frames and arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.data.array_files import read_array, read_arrays
from hizumi.data.cells import TABLE_SUFFIXES, read_cells, word_of
from hizumi.data.column_files import COLUMN_SUFFIXES, UNNAMED_INDEX, is_column_file, read_columns
from hizumi.data.columns import refuse_doubles
from hizumi.data.series.columns import made_up
from hizumi.data.series.readings import SeriesTable
from hizumi.data.series.time_stamps import is_time_name, looks_like_times
from hizumi.errors import DataError
from hizumi.storage.files import printable

SERIES_SUFFIXES = (*TABLE_SUFFIXES, *COLUMN_SUFFIXES, ".npy", ".npz")
VALUE_NAMES = ("value", "values", "x", "data", "series")
LENGTH_NAMES, OFFSET_NAMES = ("length", "lengths"), ("offset", "offsets")
TIME_NAMES = ("time", "times", "timestamp", "timestamps", "date")
LABEL_NAMES = ("anomaly", "anomalous", "is_anomaly", "label", "labels", "y")
NAME_NAMES, COLUMN_NAMES = ("name", "names"), ("column", "columns")
ENDINGS = {"": None, "_train": "train", "_calibration": "calibration", "_test": "test"}


def tables_in_file(path: Path, name: str) -> list[SeriesTable]:
    """The recordings in a file, which are called `name`; several only in a .npz file.

    Raises DataError for files that cannot be read, MissingExtraError where a package is needed for that.
    """
    where, kind = printable(path), path.name.lower()
    if kind.endswith(TABLE_SUFFIXES):
        return [_of_text(path, name)]
    if is_column_file(path):
        return [_of_column_file(path, name)]
    if kind.endswith(".npy"):
        return [of_array(read_array(path), name, where)]
    if kind.endswith(".npz"):
        return _of_archive(path, name)
    raise DataError(f"{where}: is no recording by its name; give {', '.join(SERIES_SUFFIXES)}")


def of_frame(frame: Any, name: str) -> SeriesTable:
    """Of a data frame of pandas, polars or the like, whose index may hold time stamps."""
    names = [str(column) for column in frame.columns]
    refuse_doubles(names, name)
    index = getattr(frame, "index", None)
    if getattr(index, "nlevels", 1) > 1:
        raise DataError(
            f"{name}: its index has several levels; make them columns (reset_index), and call one of them group where "
            "it tells recordings apart"
        )
    columns = {str(column): _plain(np.asarray(frame[column])) for column in frame.columns}
    if index is not None and not isinstance(index, range):
        stamps, called = _plain(np.asarray(index)), str(getattr(index, "name", None) or "time")
        if called not in columns and (looks_like_times(stamps) or is_time_name(str(getattr(index, "name", "")))):
            columns = {called: stamps, **columns}
    return _of_columns(columns, name, name)


def of_array(array: np.ndarray, name: str, where: str) -> SeriesTable:
    """Of steps (t, c), or (t,) of one channel. Raises DataError for other shapes and for other than numbers."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: has values of type {array.dtype}; whole or real numbers are needed")
    if array.ndim not in (1, 2) or not array.size:
        raise DataError(
            f"{where}: has shape {array.shape}; give steps (t, c) or (t,), or a list of such arrays, one a recording"
        )
    array = array[:, np.newaxis] if array.ndim == 1 else array
    names = made_up(array.shape[1])
    columns = {name: array[:, place] for place, name in enumerate(names)}
    return _of_columns(columns, name, where, has_names=False)


def in_stretches(
    array: np.ndarray, lengths: Sequence[int], where: str, names: Sequence[str] | None = None
) -> list[SeriesTable]:
    """Of recordings of so many steps each that follow one another in an array. Raises DataError for other lengths."""
    if any(length < 1 for length in lengths) or sum(lengths) != len(array):
        raise DataError(
            f"{where}: the lengths of its recordings are to be 1 or more and to sum up to its {len(array)} steps; the "
            f"shortest is {min(lengths)}, and they sum up to {sum(lengths)}"
        )
    ends = np.cumsum(lengths)
    names = names or [f"recording {number}" for number in range(1, len(lengths) + 1)]
    return [
        of_array(array[end - length : end], name, f"{where}: {name}")
        for name, length, end in zip(names, lengths, ends, strict=True)
    ]


def _of_columns(columns: Mapping[str, np.ndarray], name: str, where: str, has_names: bool = True) -> SeriesTable:
    count = len(next(iter(columns.values()))) if columns else 0
    if not count:
        raise DataError(f"{where}: holds no rows")
    return SeriesTable(name, where, columns, np.arange(count), has_names=has_names)


def _of_text(path: Path, name: str) -> SeriesTable:
    cells = read_cells(path)
    refuse_doubles(cells.names, cells.where)
    lines = [number for number, _ in cells.lines]
    columns = {
        column: np.array([line[place] for _, line in cells.lines], dtype=object)
        for place, column in enumerate(cells.names)
    }
    return SeriesTable(
        name, cells.where, columns, np.array(lines), "line", cells.has_heading, cells.decimal_comma, notes=cells.notes
    )


def _of_column_file(path: Path, name: str) -> SeriesTable:
    """Of a file of columns, whose index, where pandas kept one, may hold time stamps."""
    file = read_columns(path)
    index = {column: _plain(values) for column, values in file.index.items()}
    unnamed = index.pop(UNNAMED_INDEX, None)
    if unnamed is not None and "time" not in file.columns and looks_like_times(unnamed):
        index["time"] = unnamed
    return _of_columns(index | {column: _plain(values) for column, values in file.columns.items()}, name, file.where)


def _of_archive(path: Path, name: str) -> list[SeriesTable]:
    """Recordings in a .npz file; those of its splits may be in arrays of their own, such as value_train."""
    where = printable(path)
    parts = (*VALUE_NAMES, *LENGTH_NAMES, *OFFSET_NAMES, *TIME_NAMES, *LABEL_NAMES, *NAME_NAMES, *COLUMN_NAMES)
    wanted = {f"{part}{ending}" for part in parts for ending in ENDINGS}
    keys, arrays = read_arrays(path, lambda key: key.lower() in wanted)
    if len(arrays) == 1:
        arrays = {"value": next(iter(arrays.values()))}
    tables: list[SeriesTable] = []
    for ending, split in ENDINGS.items():
        tables += _of_split(arrays, ending, split, name, where)
    if not tables:
        raise DataError(f"{where}: holds {', '.join(keys)}; name the steps value, or value_train and value_test")
    unread = sorted(set(map(str.lower, keys)) - arrays.keys())
    notes = (f"arrays that are not read: {', '.join(unread)}",) if unread and len(keys) > 1 else ()
    return [replace(tables[0], notes=notes), *tables[1:]]


def _of_split(
    arrays: Mapping[str, np.ndarray], ending: str, split: str | None, name: str, where: str
) -> list[SeriesTable]:
    def found(names: Sequence[str], endings: Sequence[str] = (ending,)) -> np.ndarray | None:
        return next((arrays[f"{each}{end}"] for each in names for end in endings if f"{each}{end}" in arrays), None)

    values = found(VALUE_NAMES)
    if values is None:
        return []
    whole = of_array(values, name, where)
    columns = _named_channels(whole.columns, found(COLUMN_NAMES, (ending, "")))
    has_names = columns is not None
    columns = dict(columns or whole.columns)
    for role, called in (("time", TIME_NAMES), ("anomaly", LABEL_NAMES)):
        array = found(called)
        if array is None:
            continue
        if array.shape != (len(values),):
            raise DataError(f"{where}: {role} has shape {array.shape}, and there are {len(values)} steps")
        columns[role] = _plain(array)
    bounds = _bounds(found(LENGTH_NAMES), found(OFFSET_NAMES), len(values), where)
    each_name = _names(found(NAME_NAMES, (ending, "")), len(bounds) - 1, name, split)
    return [
        SeriesTable(
            each,
            where if len(each_name) == 1 else f"{where}: {each}",
            {column: cells[start:end] for column, cells in columns.items()},
            np.arange(end - start),
            has_names=has_names,
            split=split,
        )
        for each, start, end in zip(each_name, bounds[:-1], bounds[1:], strict=True)
        if end > start
    ]


def _named_channels(columns: Mapping[str, np.ndarray], names: np.ndarray | None) -> dict[str, np.ndarray] | None:
    if names is None or names.dtype.kind != "U" or names.shape != (len(columns),):
        return None
    return dict(zip(map(str, names), columns.values(), strict=True))


def _bounds(lengths: np.ndarray | None, offsets: np.ndarray | None, count: int, where: str) -> list[int]:
    """Steps at which recordings begin, and the end of the last."""
    given = lengths if offsets is None else offsets
    if given is not None and given.dtype.kind not in "iu":
        raise DataError(f"{where}: lengths or offsets are of type {given.dtype}; give whole numbers of steps")
    if offsets is not None:
        bounds = [int(offset) for offset in offsets.ravel()]
        bounds = bounds if bounds and bounds[-1] == count else [*bounds, count]
    elif lengths is not None:
        bounds = [0, *np.cumsum(lengths.ravel()).tolist()]
    else:
        bounds = [0, count]
    if bounds[0] != 0 or bounds[-1] != count or any(end < start for start, end in pairwise(bounds)):
        raise DataError(f"{where}: lengths or offsets do not divide its {count} steps into recordings")
    return bounds


def _names(names: np.ndarray | None, count: int, name: str, split: str | None) -> list[str]:
    if names is not None and names.shape == (count,):
        own = [printable(each) for each in names]
    elif count == 1:
        own = [name]
    else:
        own = [f"{name}, recording {number}" for number in range(1, count + 1)]
    return [f"{split}/{each}" if split else each for each in own]


def _plain(column: np.ndarray) -> np.ndarray:
    """Numbers and times as they are, anything else as text, empty where missing."""
    if column.dtype.kind in "biufmM":
        return column
    return np.array([word_of(cell) for cell in column.tolist()], dtype=object)
