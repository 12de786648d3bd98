"""Sources of time series as they hold them: columns of cells, and rows of numbers that may break off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from hizumi.shapes import Bool, Float, Integer, Shaped


def counted(count: int, what: str) -> str:
    """So many of these, such as "1 row" and "1,200 rows"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


@dataclass(frozen=True, eq=False)
class SeriesTable:
    """A table as its source holds it, each column an array of numbers, of times, or of text (dtype object).

    `where` is the source in messages; `rows` numbers the rows in it, each a line or a row. `split` and `label` are what
    its folder says of all its rows, None where it says nothing, and `kind` the name of a defect.
    """

    name: str
    where: str
    columns: Mapping[str, Shaped[np.ndarray, "t"]]
    rows: Integer[np.ndarray, "t"]
    row_is: Literal["line", "row"] = "row"
    has_names: bool = True
    decimal_comma: bool = False
    split: str | None = None
    label: int | None = None
    kind: str | None = None
    notes: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """Where a row is, for messages."""
        return f"{self.where}: {self.row_is} {self.rows[row]}"

    def present(self, column: str | None) -> str | None:
        """The name, where a column has it."""
        return column if column in self.columns else None


@dataclass(frozen=True, eq=False)
class Readings:
    """Rows of one source in their order, before it is known where they break off.

    `values` are NaN where missing; `times` are nanoseconds since 1970, None where rows are merely counted; `anomalous`
    is None without labels.
    """

    name: str
    where: str
    columns: tuple[str, ...]
    values: Float[np.ndarray, "t c"]
    rows: Integer[np.ndarray, "t"]
    row_is: Literal["line", "row"] = "row"
    times: Integer[np.ndarray, "t"] | None = None
    anomalous: Bool[np.ndarray, "t"] | None = None
    split: str | None = None
    kind: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    def place(self, row: int) -> str:
        """Where a row is, for messages."""
        return f"{self.where}: {self.row_is} {self.rows[row]}"

    def span(self) -> str:
        """First and last row, such as "lines 2 to 40"."""
        first, last = self.rows[0], self.rows[-1]
        return f"{self.row_is} {first}" if len(self) == 1 else f"{self.row_is}s {first} to {last}"

    def part(self, rows: "slice | Integer[np.ndarray, 'k']") -> Self:
        """Some of the rows."""
        return replace(
            self,
            values=self.values[rows],
            rows=self.rows[rows],
            times=None if self.times is None else self.times[rows],
            anomalous=None if self.anomalous is None else self.anomalous[rows],
        )

    def parts(self, starts: Sequence[int]) -> list[Self]:
        """Pieces that begin at these rows, the first of them at 0."""
        return [self.part(slice(start, end)) for start, end in zip(starts, [*starts[1:], len(self)], strict=True)]
