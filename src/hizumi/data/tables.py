"""Manifests of CSV files: a list of images (see `image_lists.py`) or a table of numbers."""

from dataclasses import replace
from pathlib import Path

from hizumi.data.cells import read_cells
from hizumi.data.image_lists import open_image_list, path_column
from hizumi.data.labels import are_classes, refuse_absent_good, with_classes, with_good
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
    positions = {name.lower(): position for position, name in enumerate(cells.names)}
    column = path_column(positions, cells.lines)
    if column is None:
        return open_table(SourceTable.of_cells(cells, printable(path.stem)), options)
    manifest = open_image_list(path, positions, cells.lines, column)
    place = positions.get("label", positions.get("kind"))
    if place is None:
        return manifest
    words = [line[place] for _, line in cells.lines]
    good = options.good or ((str(options.normal_class),) if isinstance(options.normal_class, int) else ())
    if good:
        refuse_absent_good(words, good, cells.where)
        return replace(manifest, records=tuple(with_good(manifest.records, words, good)))
    if options.normal_class != "all" or not are_classes(words):
        return manifest
    return replace(manifest, records=tuple(with_classes(manifest.records, words)))
