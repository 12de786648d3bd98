"""`open_source`, which opens data of every kind."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hizumi.data.array_files import open_npy, open_npz
from hizumi.data.arrays import (
    is_dataset,
    is_tensor,
    open_array,
    open_dataset,
    open_images,
    open_tensor,
    pixels_of,
    with_counted,
)
from hizumi.data.cells import is_table_file
from hizumi.data.clips import open_clips, open_videos, with_neighbours
from hizumi.data.column_files import is_column_file
from hizumi.data.columns import TableForm
from hizumi.data.decoding import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from hizumi.data.folders import open_folder
from hizumi.data.kinds import is_frame, refuse_other_kinds
from hizumi.data.labels import NormalClass
from hizumi.data.manifest import Manifest, Record, Source, Unopened
from hizumi.data.masks import without_contradictions
from hizumi.data.options import Layout, SourceOptions
from hizumi.data.places import refuse_absent
from hizumi.data.series.form import SeriesForm
from hizumi.data.series.options import SeriesOptions
from hizumi.data.signatures import LOOKED_AT, kind_of_content
from hizumi.data.table_rows import SourceTable, as_learned, open_table
from hizumi.data.tables import open_column_file, open_csv
from hizumi.errors import DataError, UsageError
from hizumi.storage.files import open_regular, printable, with_home

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset


TEXT_SUFFIXES = (".asc", ".dat", ".log", ".prn", ".text", ".txt")
PACKED_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def open_source(
    data: "str | Path | np.ndarray | Tensor | Dataset[Any] | Manifest | Sequence[Any]",
    *,
    normal_class: NormalClass = None,
    motion: bool = False,
    good: str | Sequence[str] = (),
    good_before: Sequence[str] = (),
    layout: Layout = "auto",
    recursive: bool = True,
    label_column: str | None = None,
    id_column: str | None = None,
    ignore: str | Sequence[str] = (),
    columns: str | Sequence[str] = (),
    one_hot: bool = False,
    impute: bool = False,
    table: TableForm | None = None,
    channels: Literal["first", "last"] | None = None,
    image_channels: int | None = None,
    series: SeriesOptions | bool | None = None,
    series_form: SeriesForm | None = None,
) -> Manifest:
    """Open images or numbers of any supported kind as a Manifest.

    A folder (to any depth; see `hizumi.data.layouts`), an image file, a video file, a .csv or .tsv, plain or gzip, or a
    .parquet or .feather (a manifest with a column `path`, or a table), .npy, .npz, the name of a built-in set, an array
    (n, h, w[, c]) or (n, d), a data frame, a tensor (n, c, h, w) or (n, d), a torch data set, or a list of files,
    folders or arrays.
    `normal_class` is the normal one of several classes; with "all", every class (label or folder) is normal, and a
    record's kind names its class. With `motion`, images are frames of clips, each with a neighbour (see `clips.py`),
    and folders are read as clips.

    Of folders: `good` names those of good images where their names do not say so; `good_before` those that did where
    was learned from, which do again where they are here and nothing else is said; `layout` overrules what names say:
    "flat", all are good; "kinds", folders are kinds even where they are called train or test; "splits", as by names;
    "classes", every folder is a class. Without `recursive`, folders in a folder are left out.

    Of a table: `good` are the labels that mean normal, in `label_column`; `id_column` names the rows; `columns`, or all
    but those to `ignore`, are learned from, names between commas or a list. With `one_hot`, columns of words become a
    number for each word; with `impute`, missing numbers become the mean, and a number more says where. `table` is how
    columns were understood at a fit, and leaves nothing else to say. Raises DataError, or UsageError for a name that is
    neither a path nor a built-in set, and for a column that there is not.

    `channels` says which axis of arrays holds the channels; None: the one with `image_channels`, where a fit has seen
    so many, else the last, unless the shape speaks for (n, c, h, w).

    With `series`, tables and arrays (t, c) are recordings, whose rows follow one another in time; see
    `open_recordings`. So they are in the form of those learned from, `series_form`.
    """
    options = SourceOptions(
        normal_class,
        motion,
        _names(good, None),
        tuple(good_before),
        layout,
        recursive,
        label_column=label_column,
        id_column=id_column,
        ignore=_names(ignore, ","),
        columns=_names(columns, ","),
        one_hot=one_hot,
        impute=impute,
        table=table,
        channels=channels,
        image_channels=image_channels,
    )
    if (series or series_form) and not isinstance(data, Manifest):
        told = _told(series if isinstance(series, SeriesOptions) else SeriesOptions(), options)
        options = replace(options, good=told.good, layout=told.layout, recursive=told.recursive)
        manifest = _series(data, told, options, series_form)
    else:
        manifest = _opened(data, options)
        _refuse_useless(data, options, manifest)
    if isinstance(data, (str, Path)):
        path = with_home(data)
        place = str(path.resolve()) if path.exists() else str(data)
        manifest = replace(
            manifest, source=Source(printable(place), normal_class, options.good, options.layout, options.recursive)
        )
    manifest = with_neighbours(manifest, layout=layout) if motion else manifest
    return manifest if normal_class == "all" else without_contradictions(manifest)  # "all": masked or not


def _told(series: SeriesOptions, options: SourceOptions) -> SeriesOptions:
    """What is said of series, and of columns and folders in general, which holds for theirs, and comes first."""
    shared = ("label_column", "ignore", "columns", "good", "layout", "recursive")
    said = {name: getattr(options, name) for name in shared}
    return replace(series, **{name: value for name, value in said.items() if value != getattr(SourceOptions(), name)})


def _series(data: Any, series: SeriesOptions, options: SourceOptions, form: SeriesForm | None) -> Manifest:
    """The blocks of recordings."""
    from hizumi.data.series.blocks import of_recordings  # a fifth of what opening a picture would import
    from hizumi.data.series.files import open_recordings

    useless = ("normal_class", "id_column", "one_hot", "impute", "channels", "motion")
    for name in useless:
        if getattr(options, name) is not None and getattr(options, name) is not False:  # class 0 is said, too
            raise UsageError(f"--{name.replace('_', '-')} (`{name}`) is not for time series; leave it out")
    opened = open_recordings(data, series, form)
    blocks = of_recordings(opened.recordings, opened.form, opened.name)
    return replace(blocks, notes=opened.notes, unopened=opened.unopened)


def _refuse_useless(data: Any, options: SourceOptions, manifest: Manifest) -> None:
    """Raise UsageError for what was said of tables, folders or arrays where the data are none."""
    is_folder = isinstance(data, (str, Path)) and with_home(data).is_dir()
    for_tables = ("label_column", "id_column", "ignore", "columns", "one_hot", "impute")
    useless = {name: "tables whose columns have names" for name in for_tables if manifest.table is None}
    if not is_folder and options.layout not in ("auto", "unlabelled") and not isinstance(data, (list, tuple)):
        useless["layout"] = "folders"
    if manifest.arrays is None:
        useless["channels"] = "arrays"
    for name, of in useless.items():
        if getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{manifest.name}: {option} (`{name}`) is for {of}, and these are none; leave it out")


def _names(given: str | Sequence[str], separator: str | None) -> tuple[str, ...]:
    if not isinstance(given, str):
        return tuple(given)
    return tuple(name.strip() for name in (given.split(separator) if separator else [given]))


def _opened(data: Any, options: SourceOptions) -> Manifest:
    refuse_other_kinds(data)
    if isinstance(data, Manifest):
        return data if options.table is None else as_learned(data, options.table)
    if is_frame(data):
        return open_table(SourceTable.of_frame(data), options)
    if isinstance(data, (str, Path)):
        return _open_path(data, options)
    if isinstance(data, np.ndarray):
        if data.ndim == 2 and data.size and data.dtype.kind in "biuf" and (options.table or options.impute):
            return open_table(SourceTable.of_array(data, "array"), options)
        return open_array(data, options=options)
    if is_tensor(data):
        return open_tensor(data)
    if is_dataset(data):
        return open_dataset(data, options)
    return _open_list(list(data), options)


def _open_path(data: str | Path, options: SourceOptions) -> Manifest:
    path = with_home(data)
    refuse_absent(str(data))
    if not path.exists():
        from hizumi.data.builtin_sets import builtin  # imports numpy.random

        return builtin(str(data), normal_class=options.normal_class)
    if path.is_dir():
        return open_clips(path, options) if options.motion else open_folder(path, options)
    suffix = path.suffix.lower()
    if is_table_file(path):
        return open_csv(path, options)
    if is_column_file(path):
        return open_column_file(path, options)
    if suffix == ".npz":
        return open_npz(path, options)
    if suffix == ".npy":
        return open_npy(path, options)
    if suffix in IMAGE_SUFFIXES:
        return Manifest((Record(printable(path.name), path=path),), name=printable(path.stem))
    if suffix in VIDEO_SUFFIXES:
        return with_neighbours(open_videos([(printable(path.stem), path)]), layout=options.layout)
    advice = "give an image, video, .csv, .tsv, .parquet, .npy or .npz file"
    if suffix in TEXT_SUFFIXES:
        advice = f"where it is a text table, call it .csv; else {advice}"
    if suffix in PACKED_SUFFIXES:
        advice = "unpack it, and name the folder or file that comes out"
    raise DataError(f"{printable(path)}: cannot be opened{_kind_in_words(path)}; {advice}")


def _kind_in_words(path: Path) -> str:
    """What a file is that is not read, as far as its first bytes tell."""
    try:
        with open_regular(path) as file:
            kind = kind_of_content(file.read(LOOKED_AT))
    except OSError:
        return ""
    return f", it is {kind}" if kind else ""


def _open_list(items: list[Any], options: SourceOptions) -> Manifest:
    refuse_other_kinds(items)  # what an iterator has given
    if not all(isinstance(item, (str, Path)) for item in items):
        notes: Counter[str] = Counter()
        images = [pixels_of(item, f"item {place}", notes) for place, item in enumerate(items)]
        return with_counted(open_images(images, "list", options), notes)
    film = open_videos([(printable(item), Path(item)) for item in items if _is_video(Path(item))])
    parts = [_part_of_list(path, options) for path in map(Path, items) if not _is_video(path)]
    return _together([*parts, film])


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def _together(parts: Sequence[Manifest]) -> Manifest:
    """The records of several manifests, each file once; only one of them has arrays."""
    records: dict[Path | int, Record] = {}
    masks = [part.masks for part in parts if part.masks is not None]
    unopened = [each for part in parts for each in part.unopened]
    for record in (record for part in _with_masks_in_a_row(parts) for record in part.records):
        key = record.source.resolve() if isinstance(record.source, Path) else record.source
        if records.setdefault(key, record) is not record:
            unopened.append(Unopened(record.name, "was named before", may_be_part=False))
    arrays = [part.arrays for part in parts if part.arrays is not None]
    if len(arrays) > 1:
        raise DataError("several folders of video files cannot be read as one; put them into one folder")
    notes = tuple(note for part in parts for note in part.notes)
    return Manifest(
        tuple(records.values()),
        arrays[0] if arrays else None,
        np.concatenate(masks) if masks else None,
        name="files",
        notes=notes,
        unopened=tuple(unopened),
    )


def _with_masks_in_a_row(parts: Sequence[Manifest]) -> Iterator[Manifest]:
    """The manifests, their records pointing into the masks of all, one after another."""
    before = 0
    for part in parts:
        moved = (
            replace(record, mask=record.mask + before) if isinstance(record.mask, int) else record
            for record in part.records
        )
        yield replace(part, records=tuple(moved))
        before += 0 if part.masks is None else len(part.masks)


def _part_of_list(path: Path, options: SourceOptions) -> Manifest:
    """One path of a list; names begin with that path."""
    if not path.is_dir():
        return Manifest((Record(printable(path), path=path),))
    folder = open_clips(path, options) if options.motion else open_folder(path, options)
    records = tuple(replace(record, name=f"{printable(path)}/{record.name}") for record in folder.records)
    unopened = tuple(each._replace(name=f"{printable(path)}/{each.name}") for each in folder.unopened)
    notes = tuple(f"{printable(path)}: {note}" for note in folder.notes)
    return replace(folder, records=records, notes=notes, unopened=unopened)
