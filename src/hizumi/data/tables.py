"""Manifests of CSV files: a list of images (see `image_lists.py`) or a table of numbers."""

import csv
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hizumi.data.image_lists import open_image_list, path_column
from hizumi.data.labels import are_classes, labelled_record, with_classes
from hizumi.data.manifest import Manifest
from hizumi.data.options import SourceOptions
from hizumi.errors import DataError
from hizumi.storage.files import open_regular, printable

LABEL_COLUMNS = ("label", "split", "group", "kind")


def open_csv(path: Path, options: SourceOptions) -> Manifest:
    """Read a CSV file, UTF-8 or Shift-JIS, separated by commas, semicolons or tabs.

    With a column `path`, `filename` or the like, each line is an image (see `open_image_list`). Without it, each line
    is a row of numbers, except for columns named label, split, group and kind; an empty cell is a missing number. With
    `normal_class` "all", labels or kinds that name classes are all normal. Raises DataError naming the line and column
    that cannot be understood.
    """
    lines = _lines(path)
    if not lines:
        raise DataError(f"{printable(path)}: the file is empty; it needs at least one line of values")
    number, first = lines[0]
    if all(_is_number(cell) for cell in first):
        header = [f"column {position}" for position in range(1, len(first) + 1)]
    else:
        header, lines = [cell.strip() for cell in first], lines[1:]
    if not lines:
        raise DataError(f"{printable(path)}: has a heading and no line below it")
    for number, cells in lines:
        if len(cells) != len(header):
            raise DataError(f"{printable(path)}: line {number} has {len(cells)} cells, the heading {len(header)}")
    positions = {name.lower(): position for position, name in enumerate(header)}
    column = path_column(positions, lines)
    if column is None:
        manifest = _numbers(path, header, positions, lines)
    else:
        manifest = open_image_list(path, positions, lines, column)
    place = positions.get("label", positions.get("kind"))
    words = [] if place is None else [cells[place] for _, cells in lines]
    if options.normal_class != "all" or not words or not are_classes(words):
        return manifest
    return replace(manifest, records=tuple(with_classes(manifest.records, words)))


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Cells of every line that is not blank, with its number in the file."""
    try:
        with open_regular(path) as file:
            content = file.read()
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp932")
        except UnicodeDecodeError as error:
            raise DataError(f"{printable(path)}: is neither UTF-8 nor Shift-JIS text; save it as UTF-8") from error
    heading = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise DataError(f"{printable(path)}: line {reader.line_num} is not CSV ({error})") from error


def _numbers(
    path: Path, header: list[str], positions: dict[str, int], lines: Sequence[tuple[int, list[str]]]
) -> Manifest:
    special = {name: positions[name] for name in LABEL_COLUMNS if name in positions}
    places = [position for position in range(len(header)) if position not in special.values()]
    if not places:
        raise DataError(f"{printable(path)}: has no column of numbers")
    values = array("d")
    records = []
    for row, (number, cells) in enumerate(lines):
        where = f"{printable(path)}: line {number}"
        try:
            values.extend(float(cells[place] or "nan") for place in places)
        except ValueError:
            wrong = next(place for place in places if not _is_number(cells[place]))
            raise DataError(
                f"{where}, column {printable(header[wrong])!r}: {printable(cells[wrong])!r} is not a number; "
                "replace or leave out the column"
            ) from None
        fields = {name: cells[position].strip() for name, position in special.items()}
        records.append(replace(labelled_record(f"line {number}", fields, where), row=row))
    table = np.frombuffer(values, dtype=np.float64).reshape(len(records), len(places))
    columns = tuple(printable(header[place]) for place in places)
    return Manifest(tuple(records), table, name=printable(path.stem), columns=columns)


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True
