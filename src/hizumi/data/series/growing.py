"""Rows of a text table while it is being written: from standard input, or a file that grows."""

import codecs
import csv
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hizumi.data.cells import DECIMAL_COMMA, SEPARATORS, number_of
from hizumi.errors import DataError
from hizumi.shapes import Float
from hizumi.storage.files import printable

SECONDS_BETWEEN_LOOKS = 0.1
CHARACTERS_AT_ONCE = 2**20
BYTES_AT_ONCE = 2**16


@dataclass(eq=False)
class GrowingRows:
    """Numbers of the learned columns, by the names in the first line, from text that comes in pieces.

    Other columns are left out. `where` is the source in messages.
    """

    columns: Sequence[str]
    where: str
    line: int = field(default=0, init=False)
    _rest: str = field(default="", init=False)
    _separator: str = field(default=",", init=False)
    _places: list[int] = field(default_factory=list, init=False)
    _width: int = field(default=0, init=False)

    def feed(self, text: str, *, last: bool = False) -> Iterator[Float[np.ndarray, "n c"] | DataError]:
        """Rows of all lines that are complete now, or of all that are left where it is the last piece.

        An error stands where a line cannot be used, and the rows after it follow. Raises DataError where the first line
        does not name the learned columns.
        """
        *lines, self._rest = (self._rest + text).split("\n")
        if last:
            lines, self._rest = [*lines, self._rest], ""
        rows: list[list[float]] = []
        for line in lines:
            self.line += 1
            if not line.strip():
                continue
            if not self._places:
                self._understand(line)
                continue
            row = self._row(line)
            if isinstance(row, DataError):
                if rows:
                    yield np.array(rows)
                rows = []
                yield row
            else:
                rows.append(row)
        if rows:
            yield np.array(rows)

    def _understand(self, heading: str) -> None:
        self._separator = max(SEPARATORS, key=heading.count)
        names = [name.strip() for name in self._cells(heading.removeprefix("\ufeff"))]
        missing = [name for name in self.columns if names.count(name) != 1]
        if missing:
            raise DataError(
                f"{self.where}: its first line does not name {', '.join(map(printable, missing))} once; the names of "
                "all columns that were learned from are needed there"
            )
        self._places, self._width = [names.index(name) for name in self.columns], len(names)

    def _row(self, line: str) -> list[float] | DataError:
        cells = self._cells(line)
        if len(cells) != self._width:
            return DataError(f"{self.where}: line {self.line} has {len(cells)} cells, the first one {self._width}")
        row = []
        for name, place in zip(self.columns, self._places, strict=True):
            number = number_of(
                cells[place], self._separator != "," and bool(DECIMAL_COMMA.fullmatch(cells[place].strip()))
            )
            if number is None or not np.isfinite(number):
                what = printable(cells[place].strip()) or "missing"
                return DataError(f"{self.where}: line {self.line}, column {printable(name)!r}: {what} is no number")
            row.append(number)
        return row

    def _cells(self, line: str) -> list[str]:
        return next(csv.reader([line], delimiter=self._separator))


def growing_text(path: Path, *, wait: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """What is in a file, and then what is added to it, for ever; "" whenever there is nothing new.

    Raises DataError where it cannot be read, or has become shorter.
    """
    where = printable(path)
    try:
        with path.open(encoding="utf-8", errors="strict", newline=None) as file:
            while True:
                text = file.read(CHARACTERS_AT_ONCE)
                yield text
                if text:
                    continue
                if path.stat().st_size < file.tell():
                    raise DataError(f"{where}: has become shorter while it was followed; follow it anew")
                wait(SECONDS_BETWEEN_LOOKS)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: cannot be followed: {error}") from error


def piped_text(descriptor: int) -> Iterator[str]:
    """What comes through a pipe, piece by piece until it is closed; raises DataError for other than UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := os.read(descriptor, BYTES_AT_ONCE):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is no text in UTF-8: {error}") from error
