"""Cells of a series' columns as numbers and as words."""

from collections.abc import Sequence

import numpy as np

from hizumi.data.cells import MISSING_WORDS, number_of, truths_of
from hizumi.data.columns import named
from hizumi.data.guard import LARGEST
from hizumi.data.labels import is_normal
from hizumi.data.missing import not_finite
from hizumi.data.series.readings import SeriesTable
from hizumi.errors import DataError
from hizumi.shapes import Float
from hizumi.storage.files import printable
from hizumi.words import counted


def is_empty(column: np.ndarray) -> bool:
    """Whether no cell holds anything."""
    if column.dtype.kind == "O":
        return all(word.strip().lower() in MISSING_WORDS for word in column)
    return column.dtype.kind == "f" and bool(np.isnan(column).all())


def words_of(table: SeriesTable, name: str) -> list[str]:
    """The cells of a column as text, empty where a number is missing."""
    column = table.columns[name]
    if column.dtype.kind == "f":
        return ["" if value != value else f"{value:.15g}" for value in column.tolist()]
    return [str(value) for value in column.tolist()]


def numbers_of(table: SeriesTable, name: str, *, is_needed: bool = False) -> Float[np.ndarray, "t"]:
    """A column's numbers, NaN where missing; 1 and 0 where all cells hold true or false.

    Raises DataError naming the first cell that holds another word; a column that `is_needed` cannot be left out.
    """
    column = table.columns[name]
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    words = words_of(table, name)
    plain = None if table.decimal_comma else _plain_numbers(words)
    if plain is not None:
        return plain
    numbers: Sequence[float | None] = truths_of(words) or [number_of(word, table.decimal_comma) for word in words]
    if None in numbers:
        row = numbers.index(None)
        shown = printable(name)
        fault = f"{table.place(row)}, column {shown!r}: {named([words[row].strip()])} is not a number; correct it"
        if not is_needed:
            fault += f", or leave the column out (--ignore {shown})"
            if any(map(is_normal, set(words))):
                fault += f", or if it labels steps, say --label-column {shown}"
            elif len(set(words)) <= len(words) / 2:
                fault += f", or if it tells recordings apart, say --group-column {shown}"
        raise DataError(fault)
    return np.array(numbers, dtype=np.float64)


def refuse_infinite(
    table: SeriesTable, names: Sequence[str], values: Float[np.ndarray, "t c"], *, is_needed: bool = False
) -> None:
    """Raise DataError for values that single precision cannot hold, naming the first."""
    rows, places = np.nonzero(np.abs(values) > LARGEST)
    if len(rows):
        name, number = printable(names[places[0]]), float(values[rows[0], places[0]])
        many = counted(len(rows), "such value")
        raise DataError(
            f"{table.place(int(rows[0]))}, column {name!r}: is {not_finite(number)} ({many} in all); correct them, or "
            f"leave their cells empty (--missing){'' if is_needed else f', or the column out (--ignore {name})'}"
        )


def _plain_numbers(words: Sequence[str]) -> Float[np.ndarray, "t"] | None:
    """Numbers as `number_of` reads them, in a third of the time; None where any is missing or is a word."""
    try:
        numbers = np.fromiter(map(float, words), dtype=np.float64, count=len(words))
    except ValueError:
        return None
    return None if any("_" in word for word in words) else numbers  # Python's own way to group digits
