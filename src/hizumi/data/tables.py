"""Manifests of CSV files: a list of images (with a column `path`) or a table of numbers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hizumi.data.cells import read_cells
from hizumi.data.labels import are_classes, labelled_record, with_classes, with_good
from hizumi.data.manifest import Manifest
from hizumi.data.options import SourceOptions
from hizumi.data.table_rows import SourceTable, open_table
from hizumi.errors import DataError
from hizumi.storage.files import printable


def open_csv(path: Path, options: SourceOptions) -> Manifest:
    """Read a text table (see `read_cells`).

    With a column `path`, each line is an image: path (relative to the CSV's folder) and optionally label, split, mask,
    group and kind. Without it, each line is a row of numbers (see `open_table`), except for columns named label, split,
    group and kind; an empty cell is a missing number. With `normal_class` "all", labels or kinds that name classes are
    all normal. Raises DataError naming the line and column that cannot be understood.
    """
    cells = read_cells(path)
    positions = {name.lower(): position for position, name in enumerate(cells.names)}
    if "path" not in positions:
        return open_table(SourceTable.of_cells(cells, printable(path.stem)), options)
    manifest = _images(path, positions, cells.lines)
    place = positions.get("label", positions.get("kind"))
    if place is None:
        return manifest
    words = [line[place] for _, line in cells.lines]
    good = options.good or ((str(options.normal_class),) if isinstance(options.normal_class, int) else ())
    if good:
        return replace(manifest, records=tuple(with_good(manifest.records, words, good, cells.where)))
    if options.normal_class != "all" or not are_classes(words):
        return manifest
    return replace(manifest, records=tuple(with_classes(manifest.records, words)))


def _images(path: Path, positions: dict[str, int], lines: Sequence[tuple[int, list[str]]]) -> Manifest:
    records = []
    for number, cells in lines:
        where = f"{printable(path)}: line {number}"
        fields = {name: cells[position].strip() for name, position in positions.items()}
        if not fields["path"]:
            raise DataError(f"{where} has no path")
        mask = path.parent / fields["mask"] if fields.get("mask") else None
        if mask is not None and not mask.is_file():
            raise DataError(f"{where}: there is no mask file {printable(mask)}")
        record = labelled_record(printable(fields["path"]), fields, where)
        records.append(replace(record, path=path.parent / fields["path"], mask=mask))
    return Manifest(tuple(records), name=printable(path.stem))
