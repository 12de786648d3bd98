"""Manifests of table files: a list of images (see `image_lists.py`) or a table of numbers."""

from dataclasses import replace
from pathlib import Path

from hizumi.data.cells import Cells, read_cells, word_of
from hizumi.data.column_files import read_columns
from hizumi.data.image_lists import open_image_list, path_column
from hizumi.data.labels import (
    are_classes,
    good_again,
    note_on_good_again,
    refuse_absent_good,
    refuse_numbered,
    with_classes,
    with_good,
)
from hizumi.data.manifest import Manifest
from hizumi.data.options import SourceOptions
from hizumi.data.table_rows import SourceTable, open_table
from hizumi.storage.files import printable


def open_csv(path: Path, options: SourceOptions) -> Manifest:
    """Read a text table (see `read_cells`).

    With a column `path`, `filename` or the like, each line is an image (see `open_image_list`). Without it, each line
    is a row of numbers (see `open_table`), except for columns named label, split, group and kind; an empty cell is a
    missing number. With `normal_class` "all", labels or kinds that name classes are all normal. Raises DataError naming
    the line and column that cannot be understood.
    """
    cells = read_cells(path)
    return _image_list(path, cells, options) or open_table(SourceTable.of_cells(cells, printable(path.stem)), options)


def open_column_file(path: Path, options: SourceOptions) -> Manifest:
    """Read a Parquet, Feather or Arrow file as `open_csv` does a text table."""
    file = read_columns(path)
    if any(values.dtype.kind not in "biuf" for values in file.columns.values()):
        columns = [map(word_of, values.tolist()) for values in file.columns.values()]
        lines = list(enumerate(map(list, zip(*columns, strict=True)), 1))
        images = _image_list(path, Cells(file.where, tuple(file.columns), has_heading=True, lines=lines), options)
        if images is not None:
            return images
    return open_table(SourceTable.of_column_file(file, printable(path.stem)), options)


def _image_list(path: Path, cells: Cells, options: SourceOptions) -> Manifest | None:
    """The images that the lines name; None where no column holds paths."""
    positions = {name.lower(): position for position, name in enumerate(cells.names)}
    column = path_column(path, positions, cells.lines)
    if column is None:
        return None
    manifest = open_image_list(path, positions, cells.lines, column)
    place = positions.get("label", positions.get("kind"))
    if place is None:
        return manifest
    words = [line[place] for _, line in cells.lines]
    good = options.good or ((str(options.normal_class),) if isinstance(options.normal_class, int) else ())
    if good:
        refuse_absent_good(words, good, cells.where)
        return replace(manifest, records=tuple(with_good(manifest.records, words, good)))
    if again := good_again(words, options.good_before):
        notes = (*manifest.notes, note_on_good_again(again))
        return replace(manifest, records=tuple(with_good(manifest.records, words, again)), notes=notes)
    if options.normal_class != "all" or not are_classes(words):
        all_defective = all(record.label == 1 for record in manifest.records)  # which numbers say of what kind
        if options.layout != "unlabelled" and not all_defective:
            refuse_numbered(words, cells.where, cells.names[place], manifest.noun)
        return manifest
    return replace(manifest, records=tuple(with_classes(manifest.records, words)))
