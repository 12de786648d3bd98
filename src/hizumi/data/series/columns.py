"""Which columns of a series hold time stamps, labels and measurements, and the numbers in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hizumi.data.cells import number_of, truths_of
from hizumi.data.columns import in_order, named, note_on_truths, refuse_for_learned
from hizumi.data.labels import words_in
from hizumi.data.series.numbers import is_empty, numbers_of, refuse_infinite, words_of
from hizumi.data.series.options import SeriesOptions
from hizumi.data.series.readings import Readings, SeriesTable
from hizumi.data.series.step_labels import label_column, labels_of
from hizumi.data.series.time_stamps import is_time_name, joined, looks_like_times, stamps_of
from hizumi.errors import DataError
from hizumi.shapes import Float
from hizumi.storage.files import printable
from hizumi.words import counted

COUNTER_NAMES = ("", "index", "id", "no", "no.", "nr", "row", "unnamed: 0", "level_0", "__index_level_0__")
LEAST_COUNTED = 5  # rows by which a counter is told from a measurement


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are for, and notes on what was assumed."""

    measured: tuple[str, ...]
    time: str | None
    label: str | None
    notes: tuple[str, ...] = ()


def made_up(count: int) -> tuple[str, ...]:
    """Names of channels whose source has none."""
    return tuple(f"channel {number}" for number in range(1, count + 1))


def readings_of(
    table: SeriesTable,
    options: SeriesOptions,
    learned: tuple[str, ...] | None,
    first: str | None = None,
    *,
    is_counted: bool = False,
) -> tuple[Readings, list[str]]:
    """The rows of a table: its measured columns, in the order of those learned from, its time stamps and labels.

    `first` names the source that they come from where it is one of several read at once. Where steps are counted, time
    stamps are not read. Also notes on what was assumed, none on what `options` say. Raises DataError for columns that
    are missing or hold other than numbers.
    """
    table, notes = _with_whole_times(table)
    roles = _roles(table, options, learned)
    measured, more = _measured(table, roles, options, learned, first)
    notes += [*table.notes, *roles.notes, *more]
    times = None
    if roles.time is not None and is_counted:
        notes.append("time stamps are not read, since steps were counted in what was learned from")
    elif roles.time is not None:
        times, said = stamps_of(table, roles.time, options.date_order)
        notes += said
    anomalous = labels_of(table, roles.label, options, notes)
    if roles.label is None and table.label == 1:
        notes.append("has no labels, so that all of its steps are anomalous, as its folder says")
    is_needed = learned is not None and first is None
    values = np.stack([numbers_of(table, name, is_needed=is_needed) for name in measured], axis=1)
    refuse_infinite(table, measured, values, is_needed=is_needed)
    notes += note_on_truths(name for name in measured if _were_truths(table, name))
    if learned is None:
        notes += _notes_on_counters(measured, values)
    columns = made_up(len(measured)) if learned is None and not table.has_names else learned or measured
    readings = Readings(
        table.name,
        table.where,
        tuple(map(printable, columns)),
        values,
        table.rows,
        table.row_is,
        times,
        anomalous,
        table.split,
        table.kind,
    )
    return readings, notes


def stamp_columns(table: SeriesTable, learned: Sequence[str], time_column: str | None) -> list[str]:
    """The columns of a table that hold its time stamps: none, one, or one of dates and one of times of day."""
    whole, _ = _with_whole_times(table)
    free = [name for name in whole.columns if name not in learned]
    chosen, _ = _time_column(whole, free, SeriesOptions(time_column=time_column), [])
    if chosen is None or whole.columns[chosen] is table.columns[chosen]:
        return [] if chosen is None else [chosen]
    return [name for name in table.columns if name not in whole.columns] + [chosen]


def refuse_other_use(options: SeriesOptions, learned: Sequence[str]) -> None:
    """Raise UsageError for a column that was learned from and that the options leave out or use otherwise."""
    roles = ("label_column", "time_column", "group_column", "ignore")
    refuse_for_learned({role: getattr(options, role) for role in roles}, learned)


def _roles(table: SeriesTable, options: SeriesOptions, learned: tuple[str, ...] | None) -> Roles:
    notes: list[str] = []
    explicit = {*(learned or ()), *options.columns}
    free = [name for name in table.columns if name not in options.ignore and name not in explicit]
    time, other_times = _time_column(table, free, options, notes)
    free = [name for name in free if name != time]
    label, other_labels = label_column(table, free, options, notes)
    away = {*options.ignore, time, label, *other_times, *other_labels}
    rest = [name for name in table.columns if name not in away]
    if options.columns:
        rest = [name for name in rest if name in options.columns]
    return Roles(tuple(rest), time, label, tuple(notes))


def _time_column(
    table: SeriesTable, free: Sequence[str], options: SeriesOptions, notes: list[str]
) -> tuple[str | None, set[str]]:
    """The column of time stamps, by its name or by what is in it, and others that are not measured either."""
    of_times = [name for name in free if looks_like_times(table.columns[name])]
    called_so = [name for name in free if is_time_name(name)]
    both = [name for name in called_so if name in of_times]
    chosen = table.present(options.time_column) or next(iter([*both, *called_so, *of_times]), None)
    if chosen not in (None, options.time_column) and chosen not in called_so:
        notes.append(f"column {printable(chosen)!r} holds times, and is taken for the time stamps")
    others = {*called_so, *of_times} - {chosen}
    if others:
        notes.append(f"{named(sorted(others))} hold times too, and are left out; --columns says otherwise")
    return chosen, others


def _measured(
    table: SeriesTable, roles: Roles, options: SeriesOptions, learned: tuple[str, ...] | None, first: str | None
) -> tuple[tuple[str, ...], list[str]]:
    """The columns measured, in the order of those learned from, and notes."""
    if learned is not None and (not table.has_names or learned == made_up(len(learned))):
        if len(roles.measured) != len(learned):
            is_turned = len(roles.measured) > len(learned) == len(table.rows)
            raise DataError(
                f"{table.where}: has {counted(len(roles.measured), 'channel')}, and "
                f"{f'{first} has {len(learned)}' if first else f'{len(learned)} were learned from'}: {named(learned)}"
                f"{'; steps come first, (t, c): transpose it' if is_turned else ''}"
            )
        return roles.measured, ["channels are taken in the order that was learned from"] if table.has_names else []
    if learned is not None:
        order, notes = in_order(learned, roles.measured, set(), table.where, first)
        return tuple(roles.measured[place] for place in order), notes
    kept, notes = [], []
    for name in roles.measured:
        reason = None if name in options.columns else _reason_to_leave_out(table, name)
        if reason is None:
            kept.append(name)
        else:
            shown = f"column {printable(name)!r}" if name else "the column without a name"
            notes.append(f"{shown} {reason} and is left out")
    _refuse_one_value_a_row(table, kept, roles.time)
    if not kept:
        found = "; ".join([f"there are {named(list(table.columns))}", *notes])
        raise DataError(f"{table.where}: has no column of measured numbers; {found}")
    return tuple(kept), notes


def _refuse_one_value_a_row(table: SeriesTable, names: Sequence[str], time: str | None) -> None:
    """Raise DataError where each row holds the value of one channel, which another column names, instead of a step."""
    if time is None or len(names) != 2:
        return
    texts = [name for name in names if _begins_with_a_word(table, name)]
    if len(texts) != 1:
        return
    times, channels = words_of(table, time), words_of(table, texts[0])
    if len(set(times)) < len(times) == len(set(zip(times, channels, strict=True))):
        raise DataError(
            f"{table.where}: each row holds one value of a step, named by column {printable(texts[0])!r} "
            f"({words_in(channels, 3)}); give each a column of its own, so that a row is a step (in pandas: pivot)"
        )


def _were_truths(table: SeriesTable, name: str) -> bool:
    cells = table.columns[name]
    return cells.dtype.kind == "O" and truths_of(cells) is not None and not is_empty(cells)


def _begins_with_a_word(table: SeriesTable, name: str) -> bool:
    cells = table.columns[name]
    return cells.dtype.kind == "O" and number_of(cells[0], table.decimal_comma) is None


def _reason_to_leave_out(table: SeriesTable, name: str) -> str | None:
    if is_empty(table.columns[name]):
        return "is empty"
    if name.strip().lower() in COUNTER_NAMES:
        values = numbers_of(table, name)
        if bool((np.diff(values) == 1).all()):
            return "counts the rows"
    return None


def _notes_on_counters(names: Sequence[str], values: Float[np.ndarray, "t c"]) -> list[str]:
    if len(values) < LEAST_COUNTED:
        return []
    rises = np.diff(values, axis=0)
    steady = (rises[0] != 0) & np.isclose(rises, rises[0], rtol=1e-6, atol=0).all(axis=0)
    return [
        f"column {printable(name)!r} counts the rows, so that later rows will lie outside what was learned: leave it "
        f"out by --ignore {printable(name)} if it is no measurement"
        for name, is_steady in zip(names, steady, strict=True)
        if is_steady
    ]


def _with_whole_times(table: SeriesTable) -> tuple[SeriesTable, list[str]]:
    """The table with a column of dates and one of times of day joined into one."""
    by_name = {name.strip().lower(): name for name in table.columns}
    date, time = by_name.get("date"), by_name.get("time")
    if date is None or time is None or any(table.columns[name].dtype.kind != "O" for name in (date, time)):
        return table, []
    whole = joined(table.columns[date], table.columns[time])
    if not looks_like_times(whole):
        return table, []
    columns = {name: whole if name == time else values for name, values in table.columns.items() if name != date}
    return replace(table, columns=columns), ["columns 'date' and 'time' are read as one"]
