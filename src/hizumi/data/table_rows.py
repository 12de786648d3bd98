"""Manifests of tables: which columns are features, labels, names, counters or words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from hizumi.data.cells import MISSING_WORDS, Cells, number_of, truths_of, word_of
from hizumi.data.column_files import ColumnFile
from hizumi.data.column_signs import (
    ID_LIKE,
    are_distinct,
    as_words,
    counts,
    is_called_label,
    is_missing_all,
    is_missing_some,
    may_label,
    names_rows,
    notes_on,
    rises,
)
from hizumi.data.columns import (
    Column,
    TableForm,
    named,
    note_on_truths,
    refuse_doubles,
    refuse_for_learned,
    refuse_unknown,
)
from hizumi.data.labels import (
    are_classes,
    are_clear,
    good_again,
    is_normal,
    labelled_record,
    refuse_absent_good,
    refuse_numbered,
    refuse_other_labels,
    with_classes,
    with_good,
    words_in,
)
from hizumi.data.manifest import Manifest, Record, Unopened
from hizumi.data.options import SourceOptions
from hizumi.data.series.time_stamps import looks_like_times
from hizumi.errors import DataError, UsageError
from hizumi.storage.files import printable

ROLES = ("label", "split", "group", "kind")
MOST_WORDS = 100  # of a column that is made into numbers


@dataclass(frozen=True)
class SourceTable:
    """A table as its source holds it; `rows` names the rows in results, `places` in errors."""

    where: str
    name: str
    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    places: tuple[str, ...]
    has_names: bool = True
    notes: tuple[str, ...] = ()

    @classmethod
    def of_cells(cls, cells: Cells, name: str) -> "SourceTable":
        """Of a text file."""
        columns = [
            _column(header or f"column {place}", [line[place - 1] for _, line in cells.lines], cells.decimal_comma)
            for place, header in enumerate(cells.names, 1)
        ]
        if not cells.names[0]:
            columns[0] = replace(columns[0], name="")
        rows = tuple(f"line {number}" for number, _ in cells.lines)
        places = tuple(f"{cells.where}: {row}" for row in rows)
        return cls(cells.where, name, tuple(columns), rows, places, cells.has_heading, cells.notes)

    @classmethod
    def of_frame(cls, frame: Any) -> "SourceTable":
        """Of a data frame of pandas, polars or the like."""
        refuse_doubles([str(name) for name in frame.columns], "table")
        columns = {str(name): np.asarray(frame[name]) for name in frame.columns}
        index = [str(value) for value in getattr(frame, "index", range(len(frame)))]
        if not index:
            raise DataError("table: has no row; give one or more")
        return cls._of_arrays(columns, index, "table", "table")

    @classmethod
    def of_column_file(cls, file: ColumnFile, name: str) -> "SourceTable":
        """Of a file of columns, whose rows are named by the index that pandas kept in it."""
        levels = [map(str, values) for values in file.index.values()] or [map(str, range(len(file)))]
        return cls._of_arrays(file.columns, [", ".join(level) for level in zip(*levels, strict=True)], file.where, name)

    @classmethod
    def _of_arrays(
        cls, columns: Mapping[str, np.ndarray], index: Sequence[str], where: str, name: str
    ) -> "SourceTable":
        plain = index == [str(number) for number in range(len(index))]
        names = unique([printable(value) for value in index])
        places = [f"row {value}" for value in names]
        typed = tuple(_column_of_array(column, values, where) for column, values in columns.items())
        return cls(where, name, typed, tuple(places) if plain else names, tuple(f"{where}: {row}" for row in places))

    @classmethod
    def of_array(cls, array: np.ndarray, name: str) -> "SourceTable":
        """Of rows whose columns have no names."""
        columns = tuple(Column(f"column {place}", array[:, place].astype(float)) for place in range(array.shape[1]))
        rows = tuple(f"row {row}" for row in range(len(array)))
        return cls(name, name, columns, rows, tuple(f"{name}: {row}" for row in rows), has_names=False)

    def column(self, name: str) -> Column:
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)


def open_table(table: SourceTable, options: SourceOptions) -> Manifest:
    """Manifest of a table's rows.

    Raises UsageError for options that name no column, DataError for a table that cannot be understood without more of
    them.
    """
    refuse_doubles([column.name for column in table.columns], table.where)
    form = options.table
    if form is None:
        form, notes = _understood(table, options)
    else:
        form, said = _with_labels(form, table, options)
        table, notes = _as_learned(table, form)
        notes = [*said, *notes]
    table = replace(table, rows=_row_names(table, form.id_column))
    table, unopened = (table, ()) if options.table is None else _without_words(table, form)
    chosen = [table.column(name) for name in form.names]
    numbers = form.table(chosen, table.places)
    truths = [column.name for column in chosen if column.were_truths and column.name not in form.words]
    names = table.rows
    records = _records(table, form, names, options)
    return Manifest(
        tuple(records),
        numbers,
        name=table.name,
        columns=tuple(printable(name) for name in form.columns),
        notes=(*table.notes, *notes, *note_on_truths(truths)),
        unopened=unopened,
        table=form,
    )


def _without_words(table: SourceTable, form: TableForm) -> tuple[SourceTable, tuple[Unopened, ...]]:
    """The rows that hold numbers where numbers were learned from, and the others with their reasons.

    Raises DataError where none does.
    """
    reasons: dict[int, str] = {}
    columns = []
    for column in table.columns:
        if column.name in form.names and column.name not in form.words and column.words is not None:
            for row, (word, number) in enumerate(zip(column.words, column.numbers, strict=True)):
                if number is None:
                    reasons.setdefault(row, f"column {named([column.name])} is {named([word])}, which is no number")
            values = [np.nan if number is None else number for number in column.numbers]
            column = Column(column.name, np.array(values), cells=column.words)
        columns.append(column)
    if not reasons:
        return table, ()
    if len(reasons) == len(table.rows):
        raise DataError(f"{table.places[0]}, {reasons[0]}; give numbers, as were learned from")
    kept = [row for row in range(len(table.rows)) if row not in reasons]
    unopened = tuple(Unopened(table.rows[row], reason) for row, reason in sorted(reasons.items()))
    return replace(
        table,
        columns=tuple(_rows_of_column(column, kept) for column in columns),
        rows=tuple(table.rows[row] for row in kept),
        places=tuple(table.places[row] for row in kept),
    ), unopened


def _rows_of_column(column: Column, kept: Sequence[int]) -> Column:
    if column.words is not None:
        return Column(column.name, tuple(column.words[row] for row in kept))
    cells = [column.cells[row] for row in kept] if len(column.cells) else ()
    return replace(column, values=np.asarray(column.values)[list(kept)], cells=cells)


def as_learned(manifest: Manifest, form: TableForm) -> Manifest:
    """A manifest's rows with the columns in the order that was learned from; those without names keep their places.

    Raises DataError where columns are missing.
    """
    if not manifest.vectors or manifest.columns == form.columns or manifest.table is None or not form.has_names:
        return manifest
    order, notes = form.order_of_numbers(manifest.columns, manifest.name)
    assert manifest.arrays is not None, "rows lie in an array"
    return replace(
        manifest,
        arrays=manifest.arrays[:, order],
        columns=form.columns,
        table=form,
        notes=(*manifest.notes, *notes),
        _hashes={},
    )


def _with_labels(form: TableForm, table: SourceTable, options: SourceOptions) -> tuple[TableForm, list[str]]:
    """What was learned from, and which columns of this table label and name its rows, which the first may have lacked.

    A column called label does, and one that looks so, with a note; else rows that are labelled bad would pass for good
    ones.
    """
    _refuse_unknown(table, replace(options, columns=(), ignore=()))
    roles = ("label_column", "id_column", "ignore")
    refuse_for_learned({role: getattr(options, role) for role in roles}, form.names)
    if options.columns and set(options.columns) != set(form.names):
        raise UsageError(
            f"{table.where}: the columns learned from are {named(form.names)}, and these are read; leave out --columns "
            "(`columns`), or fit again"
        )
    others = {*form.names, *options.ignore}
    called_so = (
        column.name for column in table.columns if column.name.lower() == "label" and column.name not in others
    )
    label = options.label_column or form.label_column or next(called_so, None)
    notes = []
    if label is None and table.has_names:
        unknown = (column for column in table.columns if column.name not in {*others, *form.left_out})
        looks_so = (column for column in unknown if may_label(column) and (options.good or are_clear(as_words(column))))
        if (column := next(looks_so, None)) is not None:
            label = column.name
            notes.append(f"column {named([label])} is taken for labels ({words_in(as_words(column), 5)})")
    return replace(form, label_column=label, id_column=options.id_column or form.id_column), notes


def _as_learned(table: SourceTable, form: TableForm) -> tuple[SourceTable, list[str]]:
    """The table with columns named as those learned from, and notes."""
    if table.has_names and form.has_names:
        present = [column.name for column in table.columns if column.name.lower() not in ROLES[1:]]
        return table, form.order(present, table.where)[1]
    if len(table.columns) != len(form.names):
        raise DataError(
            f"{table.where}: has {len(table.columns)} columns without names, and {len(form.names)} were learned from: "
            f"{named(form.names)}"
        )
    renamed = tuple(replace(column, name=name) for column, name in zip(table.columns, form.names, strict=True))
    notes = ["columns without names are taken in the order that was learned from"] if form.has_names else []
    return replace(table, columns=renamed), notes


def _understood(table: SourceTable, options: SourceOptions) -> tuple[TableForm, list[str]]:
    """What the columns are, as the options say and as they look, and notes on what they look like."""
    _refuse_unknown(table, options)
    notes: list[str] = []
    explicit = set(options.columns)
    others = {*options.columns, *options.ignore}
    roles = [column.name for column in table.columns if column.name.lower() in ROLES and column.name not in others]
    if options.label_column is not None:
        roles = [name for name in roles if name.lower() != "label"]
    label = options.label_column or next((name for name in roles if name.lower() == "label"), None)
    away = {*roles, *options.ignore, options.id_column, label}
    rest = [column for column in table.columns if column.name not in away]
    kind = next((name for name in roles if name.lower() == "kind"), None)
    if label is None and kind is not None:
        _say_kinds_label(table.column(kind), table, options, notes)
    elif label is None:
        label = _label_like([column for column in rest if column.name not in explicit], table, options, notes)
        rest = [column for column in rest if column.name != label]
        if label is None and _good(options):
            said = "--good" if options.good else "--normal-class"
            notes.append(
                f"no column labels the rows, so that all count as good, whatever {said} says; if one does, name it "
                "(--label-column, `label_column`)"
            )
    set_apart = [name for name in roles if name not in (label, None if label else kind)]
    if set_apart:
        notes.append(
            f"columns that say what rows are, and are not learned from: {named(set_apart)}; to learn from them, name "
            "them among --columns"
        )
    identity = options.id_column
    if explicit:
        rest = [column for column in rest if column.name in explicit]
    else:
        rest, identity = _without_counters(rest, identity, table, notes)
    if not rest:
        raise DataError(f"{table.where}: has no column of numbers")
    notes += [note for column in rest if column.name not in explicit for note in notes_on(column)]
    names = tuple(column.name for column in rest)
    form = TableForm(
        names=names,
        words={column.name: _categories(column, table, options) for column in rest if column.words is not None},
        imputed=tuple(column.name for column in rest if options.impute and is_missing_some(column)),
        has_names=table.has_names,
        left_out=tuple(column.name for column in table.columns if column.name not in names),
        label_column=label,
        id_column=identity,
        good=_good(options),
    )
    return form, notes


def _label_like(columns: Sequence[Column], table: SourceTable, options: SourceOptions, notes: list[str]) -> str | None:
    """The column that looks like labels, by its name and its few values, or by its words."""
    for column in filter(may_label, columns):
        if not options.good and options.normal_class is None:
            refuse_other_labels(as_words(column), table.where, column.name)
        notes.append(_note_on_labels(column))
        return column.name
    return None


def _say_kinds_label(column: Column, table: SourceTable, options: SourceOptions, notes: list[str]) -> None:
    """That kinds label the rows where no other column does; raises DataError where they do not say which are good."""
    if not options.good and options.normal_class is None and options.layout != "unlabelled":
        refuse_other_labels(as_words(column), table.where, column.name)
    notes.append(_note_on_labels(column))


def _note_on_labels(column: Column) -> str:
    words = words_in(as_words(column), 5)
    return f"column {named([column.name])} is taken for labels ({words}); to learn from it, name it among --columns"


def _without_counters(
    columns: list[Column], identity: str | None, table: SourceTable, notes: list[str]
) -> tuple[list[Column], str | None]:
    """The columns without those that number or name the rows; notes on all that count."""
    kept = []
    for column in columns:
        counted, identifies = counts(column), column.name.lower() in ID_LIKE
        shown = named([column.name or "the first, without a name"])
        if identifies and (counted or are_distinct(column)):
            notes.append(f"column {shown} numbers or names the rows and is left out; to learn from it, use --columns")
            if identity is None and not counted:
                identity = column.name
            continue
        if is_missing_all(column):
            notes.append(f"column {shown} is empty and is left out")
            continue
        if rises(column):
            how = "counts the rows" if counted else "rises from row to row"
            notes.append(
                f"column {shown} {how}, so that later rows will lie outside what was learned: "
                f"leave it out by --ignore {printable(column.name)} if it is no measurement"
            )
        kept.append(column)
    return kept, identity


def _categories(column: Column, table: SourceTable, options: SourceOptions) -> tuple[str, ...]:
    words = column.words or ()
    found = sorted({printable(word) for word in words if word.lower() not in MISSING_WORDS})
    shown = printable(column.name)
    if not options.one_hot:
        place, word = next(
            (place, word)
            for place, word in zip(table.places, words, strict=True)
            if word.lower() not in MISSING_WORDS and number_of(word) is None
        )
        raise DataError(
            f"{place}, column {shown!r}: {named([word])} is not a number; {_remedy(column, word)}leave the column "
            f"out (--ignore {shown}), or {_other_use(column)}"
        )
    if len(found) > MOST_WORDS:
        raise DataError(
            f"{table.where}: column {shown!r} holds {len(found)} different words, too many to learn; leave it out "
            f"(--ignore {shown})"
        )
    return tuple(found)


def _remedy(column: Column, word: str) -> str:
    """How to write a word that holds a number, where it is to be one."""
    is_number = re.search(r"\d", word) and not looks_like_times(_cells(column)) and not names_rows(column)
    return "write it without units and marks between digits, " if is_number else ""


def _other_use(column: Column) -> str:
    """What a column of words may be, if not a measurement."""
    shown = printable(column.name)
    if looks_like_times(_cells(column)):
        return "say that rows are steps of time (--series)"
    if names_rows(column):
        return f"say that it names the rows (--id-column {shown})"
    if is_called_label(column):
        return f"say that it labels the rows (--label-column {shown})"
    return "learn which words it holds (--one-hot)"


def _cells(column: Column) -> np.ndarray:
    return np.array(column.words, dtype=object)


def _records(table: SourceTable, form: TableForm, names: Sequence[str], options: SourceOptions) -> list[Record]:
    """Records of the rows, with what the columns for labels, splits, groups and kinds say."""
    columns = [column for column in table.columns if column.name not in options.ignore]
    special = {column.name.lower(): column.written for column in columns if column.name.lower() in ROLES[1:]}
    special = {role: words for role, words in special.items() if not (set(form.names) & {role, role.title()})}
    labels = next((as_words(column) for column in table.columns if column.name == form.label_column), None)
    if labels is not None:
        special["label"] = labels
    words = special.get("label", special.get("kind"))
    good = _good(options) or form.good
    if words is not None and not _good(options) and not good_again(words, good) and any(map(is_normal, words)):
        good = ()  # another table, which says good in words of its own
    if words is not None and not good and options.normal_class is None:
        _refuse_unclear(words, table, form, options)
    records = [
        replace(labelled_record(name, {role: words[row] for role, words in special.items()}, place), row=row)
        for row, (name, place) in enumerate(zip(names, table.places, strict=True))
    ]
    if words is None:
        return records
    if good:
        if options.table is None:  # later tables need not hold all that was learned from, nor any good row
            refuse_absent_good(words, good, table.where)
        return with_good(records, words, good)
    if options.normal_class == "all" and are_classes(words):
        return with_classes(records, words)
    return records


def _refuse_unclear(words: Sequence[str], table: SourceTable, form: TableForm, options: SourceOptions) -> None:
    """Raise DataError where labels, or kinds, do not say which of them means normal, and something is judged by them.

    Later tables need not hold good rows, so that words may all be kinds of defects.
    """
    if options.table is not None and options.layout != "unlabelled":
        refuse_numbered(words, table.where, printable(form.label_column or "kind"), "row")
    elif options.table is None and form.label_column is not None:
        refuse_other_labels(words, table.where, printable(form.label_column))


def _good(options: SourceOptions) -> tuple[str, ...]:
    if options.good or not isinstance(options.normal_class, int):
        return options.good
    return (str(options.normal_class),)


def _row_names(table: SourceTable, identity: str | None) -> tuple[str, ...]:
    column = next((column for column in table.columns if column.name == identity), None)
    if column is None:
        return table.rows
    return unique([printable(word) or row for word, row in zip(column.written, table.rows, strict=True)])


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names, each once: the second "A" becomes "A (2)", or with a higher number where another has that name."""
    seen: dict[str, int] = {}
    taken = set(names)
    unique = []
    for name in names:
        own, seen[name] = name, seen.get(name, 0) + 1
        if seen[name] > 1:
            own = next(other for number in count(seen[name]) if (other := f"{name} ({number})") not in taken)
        taken.add(own)
        unique.append(own)
    return tuple(unique)


def _column(name: str, cells: Sequence[str], decimal_comma: bool) -> Column:
    """Numbers where all cells hold any, 1 and 0 where all hold true or false; words elsewhere."""
    numbers = [number_of(cell, decimal_comma) for cell in cells]
    if None not in numbers:
        return Column(name, np.array(numbers, dtype=np.float64), cells=cells)
    truths = truths_of(cells)
    if truths is not None:
        return Column(name, np.array(truths), were_truths=True, cells=cells)
    return Column(name, tuple(cell.strip() for cell in cells), tuple(numbers))


def _column_of_array(name: str, values: np.ndarray, where: str) -> Column:
    if values.ndim != 1:
        raise DataError(f"{where}: column {name!r} holds several values in each row; give each a column of its own")
    if values.dtype.kind in "biuf":
        return Column(name, values.astype(np.float64), cells=() if values.dtype.kind == "f" else values)
    return _column(name, [word_of(value) for value in values], decimal_comma=False)


def _refuse_unknown(table: SourceTable, options: SourceOptions) -> None:
    given = {
        "label_column": options.label_column,
        "id_column": options.id_column,
        "ignore": options.ignore,
        "columns": options.columns,
    }
    refuse_unknown([column.name for column in table.columns], given, table.where)
