"""Columns of a table: which of them are learned from, and how they become numbers, at the fit and ever after."""

import difflib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hizumi.errors import DataError, UsageError
from hizumi.shapes import Float
from hizumi.storage.files import few, printable

OTHER = "other"
MISSING = 0.5  # above which the number that says so, 0 or 1 in data, means that a value is missing
LONGEST_SHOWN = 60  # characters of a name or a cell in a message


@dataclass(frozen=True)
class Column:
    """One column of a source: its numbers, NaN where missing, or its words.

    Of words, `numbers` are what they say where some of them are numbers, and None for the others. `were_truths` of
    numbers that were true and false in the source. Of numbers, `cells` are what the source holds where that says more,
    as 007 does.
    """

    name: str
    values: Float[np.ndarray, "n"] | tuple[str, ...]
    numbers: tuple[float | None, ...] = ()
    were_truths: bool = False
    cells: Sequence[object] | np.ndarray = ()

    @property
    def words(self) -> tuple[str, ...] | None:
        """The words; None for numbers."""
        return self.values if isinstance(self.values, tuple) else None

    @property
    def written(self) -> tuple[str, ...]:
        """Each cell as the source writes it; nothing where a number is missing."""
        if isinstance(self.values, tuple):
            return self.values
        cells = self.cells if len(self.cells) else [f"{value:.15g}" for value in self.values]
        written = zip(cells, self.values, strict=True)
        return tuple("" if value != value else str(cell).strip() for cell, value in written)


@dataclass(frozen=True)
class TableForm:
    """What the columns of the training data were, stored with what was fitted on them.

    `names` are the columns learned from, in order. A column in `words` becomes one number for each of its words, 1
    where the row holds it, and one for all others. One in `imputed` is followed by a number that is 1 where the value
    is missing. The other fields name the columns that are known and not learned from.
    """

    names: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    imputed: tuple[str, ...] = ()
    has_names: bool = True  # else columns are told apart by their places
    left_out: tuple[str, ...] = ()
    label_column: str | None = None
    id_column: str | None = None
    good: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers that a row becomes."""
        return tuple(name for column in self.names for name in self._numbers_of(column))

    @property
    def may_miss(self) -> tuple[bool, ...]:
        """Which of these numbers may be missing."""
        return tuple(name in self.imputed for name in self.columns)

    def table(self, columns: Sequence[Column], places: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """The numbers of rows whose columns are those in `names`, in any order.

        `places` names the rows. Raises DataError for words where numbers are needed.
        """
        by_name = {column.name: column for column in columns}
        parts: list[np.ndarray] = []
        for name in self.names:
            column = by_name[name]
            if name in self.words:
                words = [printable(word) for word in column.written]
                parts += [np.array([word == known for word in words], float) for known in self.words[name]]
                parts.append(np.array([word not in self.words[name] for word in words], float))
                continue
            values = _numbers(column, places)
            parts.append(values)
            if name in self.imputed:
                parts.append(np.isnan(values).astype(float))
        return np.stack(parts, axis=1)

    def written(self, numbers: Float[np.ndarray, "d"]) -> dict[str, float | str | None]:
        """A row of these numbers as a source has it: `table` undone, also where a model made them up.

        A column's word is the one whose number is largest; a value is None where it is rather missing than not.
        """
        row: dict[str, float | str | None] = {}
        left = numbers.tolist()
        for name in self.names:
            count = len(self._numbers_of(name))
            own, left = left[:count], left[count:]
            if name in self.words:
                row[name] = (*self.words[name], OTHER)[int(np.argmax(own))]
            else:
                row[name] = None if name in self.imputed and own[1] > MISSING else own[0]
        return row

    def order(self, names: Sequence[str], where: str) -> tuple[list[int], list[str]]:
        """Places of the columns learned from among these names, and notes on order and on columns left out.

        Raises DataError naming those that are not there.
        """
        return in_order(self.names, names, {*self.left_out, self.label_column, self.id_column}, where)

    def order_of_numbers(self, names: Sequence[str], where: str) -> tuple[list[int], list[str]]:
        """`order` for a table that has been made into numbers before."""
        return in_order(self.columns, names, {*self.left_out}, where)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}
        return plain | {"words": {name: list(words) for name, words in self.words.items()}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`."""
        given: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in plain.items()}
        return cls(**{**given, "words": {name: tuple(words) for name, words in plain["words"].items()}})

    def _numbers_of(self, column: str) -> list[str]:
        if column in self.words:
            return [f"{column}={word}" for word in (*self.words[column], OTHER)]
        return [column, f"{column} is missing"] if column in self.imputed else [column]


def named(names: Sequence[str], most: int = 10) -> str:
    """Names or cells in quotes for a message, the first few of many, each cut short where it is a whole text."""
    cut = (name if len(name) <= LONGEST_SHOWN else f"{name[: LONGEST_SHOWN - 3]}..." for name in names)
    return few([repr(printable(name)) for name in cut], most)


def note_on_truths(names: Iterable[str]) -> list[str]:
    """That these columns hold true and false, where there are any."""
    found = list(names)
    return [f"{named(found)}: true and false are read as 1 and 0"] if found else []


def refuse_doubles(names: Sequence[str], where: str) -> None:
    """Raise DataError where several columns have one name."""
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise DataError(f"{where}: several columns are called {named(doubles)}; rename them")


def refuse_unknown(names: Sequence[str], given: Mapping[str, str | Sequence[str] | None], where: str) -> None:
    """Raise UsageError for a column that an option names (`given`, by option) and that there is not."""
    for option, value in given.items():
        for name in (value,) if isinstance(value, str) else value or ():
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {named(names)}"
                raise UsageError(f"{where}: has no column {name!r} ({option}); {hint}")


def refuse_for_learned(given: Mapping[str, str | Sequence[str] | None], learned: Sequence[str]) -> None:
    """Raise UsageError where an option (`given`, by option) leaves out a column learned from, or uses it otherwise."""
    for option, value in given.items():
        for name in (value,) if isinstance(value, str) else value or ():
            if name in learned:
                raise UsageError(
                    f"column {printable(name)!r} was learned from, so it is measured; leave it out of "
                    f"--{option.replace('_', '-')} (`{option}`)"
                )


def in_order(
    wanted: Sequence[str], found: Sequence[str], known: Set[str | None], where: str, first: str | None = None
) -> tuple[list[int], list[str]]:
    """Places of the wanted columns among those found, and notes on order and on columns neither wanted nor known.

    `first` names the source that the wanted ones come from where it is one of several read at once, not the training
    data. Raises DataError naming those that are not there.
    """
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted and name not in known]
    if missing:
        instead = f"; instead there is {named(extra)}" if extra else ""
        origin, advice = (f"{first} has", "alike") if first else ("was learned from", "as before")
        raise DataError(f"{where}: has no column {named(missing)}, which {origin}{instead}; name the columns {advice}")
    order = [found.index(name) for name in wanted]
    notes = [f"columns left out, which {f'{first} lacks' if first else 'were not learned from'}: {named(extra)}"]
    notes = notes if extra else []
    if order != sorted(order):
        other = f"{first} has them" if first else "was learned from"
        notes.append(f"the columns come in another order than {other}, and were put into that order")
    return order, notes


def _numbers(column: Column, places: Sequence[str]) -> Float[np.ndarray, "n"]:
    if column.words is not None:
        wrong = next((row for row, number in enumerate(column.numbers) if number is None), 0)
        word = named(column.words[wrong : wrong + 1])
        raise DataError(f"{places[wrong]}, column {named([column.name])}: {word} is not a number")
    assert isinstance(column.values, np.ndarray)
    return column.values
