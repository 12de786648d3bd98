"""Rows of a text table while it is being written: from standard input, or a file that grows."""

import codecs
import csv
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hizumi.data.cells import COMMENT, DECIMAL_COMMA, SEPARATORS, STATED_SEPARATOR, TRUTH, cells_of, number_of
from hizumi.data.columns import named
from hizumi.data.series.columns import stamp_columns
from hizumi.data.series.form import DateOrder
from hizumi.data.series.groups import GROUP, SPLIT
from hizumi.data.series.readings import SeriesTable
from hizumi.data.series.stamp_watch import StampWatch
from hizumi.errors import DataError
from hizumi.shapes import Float, Integer
from hizumi.storage.files import printable
from hizumi.words import counted

SECONDS_BETWEEN_LOOKS = 0.1
BYTES_AT_ONCE = 2**20


class Rows(NamedTuple):
    """Rows that follow one another, and their time stamps, in nanoseconds since 1970, where these are read.

    `first` is the number of the first one in the stream, where those that cannot be used count too.
    """

    values: Float[np.ndarray, "n c"]
    times: Integer[np.ndarray, "n"] | None = None
    first: int = 0

    def __len__(self) -> int:
        return len(self.values)

    def part(self, rows: slice) -> "Rows":
        """Some of them."""
        return Rows(self.values[rows], None if self.times is None else self.times[rows], self.first + rows.start)


class _Row(NamedTuple):
    """One row as read: its numbers, its time stamp, and its group where a column tells any apart."""

    numbers: list[float]
    time: str
    group: str | None


@dataclass(eq=False)
class GrowingRows:
    """Numbers of the learned columns, by the names in the first line, from text that comes in pieces.

    Other columns are left out, but for those that hold time stamps, as `time_column` says or as they do in a table,
    where a step is known to take `step_seconds`, and for `group_column`; those to `ignore` in any case. The first line
    has to name the learned ones, and those that a user has `said`. Rows follow one another as long as stamps do, and
    the group stays the same. `where` is the source in messages.
    """

    columns: Sequence[str]
    where: str
    step_seconds: float | None = None
    date_order: DateOrder | None = None
    group_column: str | None = None
    time_column: str | None = None
    ignore: Sequence[str] = ()
    said: Sequence[str] = ()
    line: int = field(default=0, init=False)
    row: int = field(default=0, init=False)  # number of the next one
    _rest: str = field(default="", init=False)
    _separator: str = field(default=",", init=False)
    _names: list[str] = field(default_factory=list, init=False)
    _stamps: StampWatch | None = field(default=None, init=False)
    _time_places: list[int] | None = field(default=None, init=False)  # None before the first row
    _group_place: int | None = field(default=None, init=False)
    _group: str | None = field(default=None, init=False)

    def feed(self, text: str, *, last: bool = False) -> Iterator[Rows | DataError]:
        """Rows of all lines that are complete now, or of all that are left where it is the last piece.

        An error stands where a line cannot be used, or where time stamps break off, and the rows after it follow.
        Raises DataError where the first line does not name the learned columns, and where the rate is another.
        """
        *lines, self._rest = (self._rest + text).split("\n")
        if last:
            lines, self._rest = [*lines, self._rest], ""
        rows: list[list[float]] = []
        stamps: list[tuple[int, str]] = []
        for line in lines:
            self.line += 1
            if not line.strip() or self._is_no_row(line):
                continue
            if not self._names:
                self._understand(line)
                continue
            row = self._row(line)
            if row is None:
                continue
            failure = row if isinstance(row, DataError) else self._change_of_group(row.group)
            if failure is not None:
                yield from self._stamped(rows, stamps)
                rows, stamps = [], []
                yield failure
            if not isinstance(row, DataError):
                rows.append(row.numbers)
                stamps.append((self.line, row.time))
            self.row += 1
        yield from self._stamped(rows, stamps)

    def _stamped(
        self, rows: Sequence[Sequence[float]], stamps: Sequence[tuple[int, str]]
    ) -> Iterator[Rows | DataError]:
        """The rows up to the next one with their stamps, parted where these break off."""
        if not rows:
            return
        values, first = np.array(rows), self.row - len(rows)
        if self._stamps is None:
            yield Rows(values, None, first)
            return
        for found in self._stamps.observe(stamps):
            if isinstance(found, DataError):
                yield found
            else:
                places, times = found
                yield Rows(values[places], times, first + places.start)

    def _understand(self, heading: str) -> None:
        self._separator, names = self._heading(heading)
        if missing := self._unnamed(names):
            raise DataError(
                f"{self.where}: its first line does not name {', '.join(map(printable, missing))} once; the names of "
                f"all columns that were learned from{' or are named by options' if self.said else ''} are needed there"
            )
        self._names = names
        group = self.group_column or next((name for name in names if name.lower() == GROUP), None)
        self._group_place = names.index(group) if group in names and group not in self.columns else None

    def _heading(self, line: str) -> tuple[str, list[str]]:
        """The names in a table's first line, and the separator by which all are there that were learned from."""
        line = line.removeprefix("\ufeff").lstrip("# ")
        found = [
            (separator, [name.strip() for name in next(iter(cells_of([line], separator)), [])])
            for separator in (*SEPARATORS, " ")
        ]
        return next((each for each in found if not self._unnamed(each[1])), found[0])

    def _unnamed(self, names: Sequence[str]) -> list[str]:
        return [name for name in (*self.columns, *self.said) if names.count(name) != 1]

    def _is_no_row(self, line: str) -> bool:
        """Whether a line is none of the table, as in a file; before the rows, a heading may begin as a comment does."""
        if self._names:
            return COMMENT.match(line) is not None
        line = line.removeprefix("\ufeff")
        is_extra = COMMENT.match(line) or STATED_SEPARATOR.match(f"{line}\n")
        return bool(is_extra and self._unnamed(self._heading(line)[1]))

    def _change_of_group(self, group: str | None) -> DataError | None:
        before, self._group = self._group, group
        if before in (None, group):
            return None
        now, then = printable(group or ""), printable(before)
        return DataError(f"{self.where}: line {self.line} is of {now!r}, and those before it of {then!r}")

    def _row(self, line: str) -> "_Row | DataError | None":
        """What a line says; None where all of its cells are empty."""
        try:
            cells = [cell.strip() for cell in next(iter(cells_of([line], self._separator)))]
        except csv.Error as error:
            return DataError(f"{self.where}: line {self.line} is not CSV ({error})")
        if not any(cells):
            return None
        width = len(self._names)
        if any(cells[width:]) or len(cells) < width - (self._names[-1] == ""):  # either may end in a separator
            return DataError(f"{self.where}: line {self.line} has {counted(len(cells), 'cell')}, the heading {width}")
        cells += [""] * (width - len(cells))
        by_name = dict(zip(self._names, cells, strict=False))
        row = []
        for name in self.columns:
            number = self._number(by_name[name])
            if number is None or not np.isfinite(number):
                fault = "the value is missing" if number != number else f"{named([by_name[name]])} is not a number"
                return DataError(f"{self.where}: line {self.line}, column {printable(name)!r}: {fault}")
            row.append(number)
        if self._time_places is None:
            self._time_places = self._places_of_stamps(by_name)
        group = None if self._group_place is None else cells[self._group_place]
        return _Row(row, " ".join(cells[place] for place in self._time_places), group)

    def _number(self, cell: str) -> float | None:
        is_decimal_comma = self._separator != "," and DECIMAL_COMMA.fullmatch(cell) is not None
        return TRUTH.get(cell.lower(), number_of(cell, is_decimal_comma))

    def _places_of_stamps(self, first: Mapping[str, str]) -> list[int]:
        """Where a row's time stamp is, by the names of columns and the first row, as in a table; nowhere without."""
        roles = {self.group_column, *self.ignore, *(name for name in first if name.lower() in (GROUP, SPLIT))}
        columns = {name: np.array([cell], object) for name, cell in first.items() if name not in roles}
        table = SeriesTable(self.where, self.where, columns, np.array([self.line]), "line")
        names = [] if self.step_seconds is None else stamp_columns(table, self.columns, self.time_column)
        if names and self.step_seconds is not None:
            self._stamps = StampWatch(self.where, names[-1], self.step_seconds, self.date_order)
        return [self._names.index(name) for name in names]


def growing_text(path: Path, *, wait: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """What is in a file, and then what is added to it, for ever; "" whenever there is nothing new.

    Raises DataError where it cannot be read, has become shorter, or is no longer the file of this name.
    """
    where, decoder = printable(path), _decoder()
    try:
        with path.open("rb", buffering=0) as file:
            while True:
                piece = file.read(BYTES_AT_ONCE)
                yield decoder.decode(piece)
                if piece:
                    continue
                found = path.stat()
                if not os.path.samestat(found, os.fstat(file.fileno())):
                    raise DataError(f"{where}: another file has taken its name while it was followed; follow that one")
                if found.st_size < file.tell():
                    raise DataError(f"{where}: has become shorter while it was followed; follow it anew")
                wait(SECONDS_BETWEEN_LOOKS)
    except FileNotFoundError as error:
        raise DataError(f"{where}: there is no such file, or no longer") from error
    except OSError as error:
        raise DataError(f"{where}: cannot be followed ({error.strerror}); name a text table that grows") from error
    except UnicodeDecodeError as error:
        raise DataError(_not_text(where, error)) from error


def piped_text(descriptor: int) -> Iterator[str]:
    """What comes through a pipe, piece by piece until it is closed; raises DataError for what is no text."""
    decoder = _decoder()
    try:
        while piece := os.read(descriptor, BYTES_AT_ONCE):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(_not_text("standard input", error)) from error


def _decoder() -> io.IncrementalNewlineDecoder:
    """For pieces that may end within a character or a line's end, of whichever kind that is."""
    return io.IncrementalNewlineDecoder(_MarkedDecoder(), translate=True)


class _MarkedDecoder(codecs.IncrementalDecoder):
    """UTF-16 where the first two bytes mark it, else UTF-8."""

    def __init__(self) -> None:
        super().__init__()
        self._first = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def decode(self, piece: Any, final: bool = False) -> str:
        if self._decoder is None:
            self._first += piece
            if len(self._first) < len(codecs.BOM_UTF16) and not final:
                return ""
            is_marked = self._first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            self._decoder = codecs.getincrementaldecoder("utf-16" if is_marked else "utf-8")()
            piece = self._first
        return self._decoder.decode(piece, final)


def _not_text(where: str, error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"{where}: is no text in UTF-8, nor marked as UTF-16 (byte 0x{byte:02x}); only such tables can be followed"
