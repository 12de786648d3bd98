"""Where recordings come from: a file, a folder of them, or arrays and data frames in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hizumi.data.arrays import is_tensor
from hizumi.data.files import tables_beneath
from hizumi.data.kinds import is_frame
from hizumi.data.layouts import names_tell, purposes, understood
from hizumi.data.manifest import Unopened
from hizumi.data.options import SourceOptions
from hizumi.data.places import refuse_absent
from hizumi.data.series.options import SeriesOptions
from hizumi.data.series.readings import SeriesTable
from hizumi.data.series.tables import SERIES_SUFFIXES, in_stretches, of_array, of_frame, tables_in_file
from hizumi.errors import DataError
from hizumi.storage.files import printable, with_home
from hizumi.words import counted

ADVICE = f"give a {', '.join(SERIES_SUFFIXES)} file, a folder of them, steps (t, c), a data frame, or a list of such"


class Source(NamedTuple):
    """One file, array or frame, read when it is needed."""

    name: str
    read: Callable[[], list[SeriesTable]]


@dataclass(frozen=True)
class Sources:
    """All that was given, in its order; `unopened` are files that are no recordings.

    `good_folders` are those words, in lower case, that the user calls good and that name a folder.
    """

    name: str
    each: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    unopened: tuple[Unopened, ...] = ()
    good_folders: frozenset[str] = frozenset()


def sources_of(data: Any, options: SeriesOptions) -> Sources:
    """The sources in a path, an array (t, c) or (t,), a data frame, a pair of steps and lengths, or a list of these.

    Raises DataError for data of other kinds and for folders without a recording, UsageError for a path that there is
    not.
    """
    if isinstance(data, (str, Path)):
        refuse_absent(str(data))
        path = with_home(data)
        if path.is_dir():
            return _in_folder(path, options)
        return Sources(printable(path.stem), (_file(path, printable(path.name)),))
    if _is_divided(data):
        steps, lengths = data
        return Sources("array", (Source("array", lambda: in_stretches(_array(steps, "array"), lengths, "array")),))
    if isinstance(data, (list, tuple)) and not _is_rows(data):
        return _in_list(data, options)
    return Sources("series", (_in_memory(data, "array"),))


def _file(path: Path, name: str) -> Source:
    return Source(name, lambda: tables_in_file(path, name))


def _in_memory(data: Any, name: str) -> Source:
    if hasattr(data, "to_frame") and not hasattr(data, "columns"):  # one column of a frame
        data = data.to_frame()
    if is_frame(data):
        called = "table" if name == "array" else name
        return Source(called, lambda: [of_frame(data, called)])
    return Source(name, lambda: [of_array(_array(data, name), name, name)])


def _array(data: Any, name: str) -> np.ndarray:
    if is_tensor(data):
        data = data.detach().cpu().float().numpy() if data.is_floating_point() else data.detach().cpu().numpy()
    if isinstance(data, np.ma.MaskedArray):
        return np.ma.filled(data.astype(float), np.nan)
    if not hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        raise DataError(f"{name}: {type(data).__name__} is nothing that steps can be read from; {ADVICE}")
    try:
        return np.asarray(data)
    except ValueError as error:
        raise DataError(f"{name}: its rows differ in length; {ADVICE}") from error


def _is_rows(data: Sequence[Any]) -> bool:
    """Whether a list holds the numbers of one recording, (t,) or (t, c), and not one recording an item."""
    return bool(len(data)) and all(
        isinstance(item, (int, float, np.number)) or (isinstance(item, (list, tuple)) and _is_numbers(item))
        for item in data
    )


def _is_numbers(item: Sequence[Any]) -> bool:
    return all(isinstance(number, (int, float, np.number)) for number in item)


def _is_divided(data: Any) -> bool:
    """Whether data are a pair of steps and of whole numbers, lengths of recordings, and not two recordings.

    Beside steps of several channels whole numbers of one can be nothing else; beside (t,), lengths sum up to t.
    """
    if not isinstance(data, tuple) or len(data) != 2 or not hasattr(data[0], "__array__") or is_frame(data[0]):
        return False
    steps, lengths = data
    is_whole = not is_frame(lengths) and np.ndim(lengths) == 1 and np.asarray(lengths).dtype.kind in "iu"
    if not is_whole or not len(lengths):
        return False
    return (np.ndim(steps) == 2 and np.shape(steps)[1] > 1) or int(np.sum(lengths)) == len(steps)


def _in_list(items: Sequence[Any], options: SeriesOptions) -> Sources:
    if not len(items):
        raise DataError(f"the list of recordings is empty; {ADVICE}")
    parts = []
    for number, item in enumerate(items, 1):
        if isinstance(item, (str, Path)):
            inner = sources_of(item, options)
            is_folder = with_home(item).is_dir()
            parts.append(_beneath(inner, f"{printable(item)}/") if is_folder else _called(inner, printable(item)))
        else:
            parts.append(Sources("", (_in_memory(item, f"recording {number}"),)))
    return Sources(
        "recordings",
        tuple(source for part in parts for source in part.each),
        tuple(note for part in parts for note in part.notes),
        tuple(each for part in parts for each in part.unopened),
        frozenset(word for part in parts for word in part.good_folders),
    )


def _called(sources: Sources, name: str) -> Sources:
    return replace(sources, each=tuple(_renamed(source, source.name, name) for source in sources.each))


def _beneath(sources: Sources, folder: str) -> Sources:
    return replace(
        sources,
        each=tuple(_renamed(source, "", folder) for source in sources.each),
        notes=tuple(f"{folder} {note}" for note in sources.notes),
        unopened=tuple(each._replace(name=f"{folder}{each.name}") for each in sources.unopened),
    )


def _renamed(source: Source, start: str, instead: str) -> Source:
    """A source whose tables have names that begin with `instead` and not with `start`."""

    def read() -> list[SeriesTable]:
        return [replace(table, name=f"{instead}{table.name.removeprefix(start)}") for table in source.read()]

    return Source(f"{instead}{source.name.removeprefix(start)}", read)


def _in_folder(root: Path, options: SeriesOptions) -> Sources:
    """The recordings in a folder, labelled and split by the folders in it where their names say so (see `layouts`)."""
    paths, unopened = tables_beneath(root, SERIES_SUFFIXES, recursive=options.recursive)
    if not paths:
        more = f" among its {len(unopened)} files" if unopened else ""
        raise DataError(f"{printable(root)}: holds no recording{more}; put {', '.join(SERIES_SUFFIXES)} files into it")
    parts = {part.lower() for path in paths for part in path.relative_to(root).parts[:-1]}
    good = tuple(name for name in options.good if name.lower() in parts)
    told = options.layout != "auto" or bool(good) or names_tell(root, paths)
    layout = options.layout if told else "unlabelled"
    understanding = understood(root, paths, SourceOptions(good=good, layout=layout))
    sources = []
    for record in understanding.records:
        assert record.path is not None, "a folder's record is a file"
        label = record.label if told and (parts or options.layout != "auto") else None
        split = record.split or ("test" if told and label != 0 and options.layout != "unlabelled" else None)
        kind = record.kind if label == 1 else None
        sources.append(_labelled(_file(record.path, record.name), split, label, kind))
    what = f"by their folders {purposes(understanding.records)}" if told else "whose folders say neither good nor bad"
    recordings = counted(len(paths), "recording")
    note = f"{recordings}, {what}" if parts else recordings
    good_folders = frozenset(name.lower() for name in good)
    return Sources(printable(root.resolve().name), tuple(sources), (note,), tuple(unopened), good_folders)


def _labelled(source: Source, split: str | None, label: int | None, kind: str | None) -> Source:
    def read() -> list[SeriesTable]:
        return [replace(each, split=each.split or split, label=label, kind=kind) for each in source.read()]

    return Source(source.name, read)
