"""`open_recordings`, which opens time series of every kind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hizumi.arguments import check_arguments
from hizumi.data.columns import named, refuse_unknown
from hizumi.data.manifest import Unopened
from hizumi.data.series.choice import chosen_windows, refuse_other_windows
from hizumi.data.series.columns import made_up, refuse_other_use
from hizumi.data.series.form import PART, DateOrder, Recording, SeriesForm
from hizumi.data.series.gaps import filled
from hizumi.data.series.groups import divided
from hizumi.data.series.options import SeriesOptions
from hizumi.data.series.readings import Readings, SeriesTable
from hizumi.data.series.resampling import resampled
from hizumi.data.series.sources import Sources, sources_of
from hizumi.data.series.step_labels import refuse_unknown_good
from hizumi.data.series.stretches import Stretch, stretch_of
from hizumi.data.series.time_stamps import SECOND, date_order_of, is_time_name
from hizumi.data.table_rows import unique
from hizumi.errors import DataError, UsageError
from hizumi.words import counted

UNTOLD = SeriesOptions()


@dataclass(frozen=True, eq=False)
class Recordings:
    """Time series as they were opened: steps without gaps, how they are cut, and what was assumed and left out.

    `notes` are sentences for the user; `unopened` are files that are no recordings and pieces that fill no window.
    """

    name: str
    recordings: tuple[Recording, ...]
    form: SeriesForm
    notes: tuple[str, ...] = ()
    unopened: tuple[Unopened, ...] = ()

    def __len__(self) -> int:
        return len(self.recordings)


def open_recordings(data: Any, options: SeriesOptions = UNTOLD, form: SeriesForm | None = None) -> Recordings:
    """Open time series of any supported kind, in the `form` that was learned from where there is one.

    A .csv or .tsv, plain or gzip, a .parquet or .feather, a .npy or .npz file, a folder of these to any depth, an array
    (t, c) or (t,), a pair of an array and the lengths of the recordings that follow one another in it, a data frame, or
    a list of any of these. A recording is split where its time stamps show a gap, repeat or step back, and where it
    lacks values; all of these places are named in the notes. Raises DataError for data that cannot be understood or
    have another form, UsageError for options that name no column, or windows other than those learned from.
    """
    _refuse_impossible(options, form)
    sources = sources_of(data, options)
    options = replace(options, good=tuple(word for word in options.good if word.lower() not in sources.good_folders))
    tolerant = form is not None and len(sources.each) > 1  # at an inspection, one bad file of many stops nothing
    tables, failures = _read(sources, tolerant)
    _refuse_unknown(tables, options, sources.name)
    measured = frozenset({*options.columns, *options.ignore, *(form.columns if form else ())})
    group_column = options.group_column or (form.group_column if form else None)
    tables = [part for table in tables for part in divided(table, measured, group_column)]
    time_column = options.time_column or (form.time_column if form else None)
    options = replace(options, group_column=group_column, time_column=time_column)
    options = replace(options, date_order=_date_order(tables, options, form))
    stretches, notes, more = _understood(tables, options, form, tolerant)
    failures += more
    if not stretches:
        raise failures[0][1]
    windows: list[str] = []
    if form is None:
        form, why = _form(stretches, options)
        windows = [why]
    recordings, said, short = _cut(stretches, options, form)
    if not recordings:
        raise DataError(f"{sources.name}: {_too_short(short, stretches, form, is_new=not windows)}")
    return Recordings(
        sources.name,
        tuple(recordings),
        form,
        (
            *sources.notes,
            *_merged([*notes, *said]),
            *windows,
            *_notes_on_short(short, are_split=any(len(each.pieces) > 1 for each in stretches)),
            *([] if windows else _notes_on_constants(recordings, form)),
        ),
        (
            *sources.unopened,
            *(Unopened(name, str(error).rpartition(f"{name}: ")[2]) for name, error in failures),
            *short,
        ),
    )


_Failures = list[tuple[str, DataError]]
_Note = tuple[str, str]  # of which source, and what


def _refuse_impossible(options: SeriesOptions, form: SeriesForm | None) -> None:
    """Raise UsageError for options that no data, or none in the form that was learned from, can meet."""
    if form is not None:
        refuse_other_windows(options, form.length, form.hop)
        refuse_other_use(options, form.columns)
    if options.resample_seconds is not None and not 0 < options.resample_seconds < math.inf:
        raise UsageError(f"steps cannot take {options.resample_seconds:g} s; give a time above 0 (--resample)")
    if form is None:
        check_arguments(options, "series")


def _read(sources: Sources, tolerant: bool) -> tuple[list[SeriesTable], _Failures]:
    tables: list[SeriesTable] = []
    failures: _Failures = []
    for source in sources.each:
        try:
            tables += source.read()
        except DataError as error:
            if not tolerant:
                raise
            failures.append((source.name, error))
    return tables, failures


def _refuse_unknown(tables: Sequence[SeriesTable], options: SeriesOptions, where: str) -> None:
    """Raise UsageError for a column, or a word that means good, that an option names and that is in no table."""
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    given = {
        "label_column": options.label_column,
        "time_column": options.time_column,
        "group_column": options.group_column,
        "ignore": options.ignore,
        "columns": options.columns,
    }
    if names:
        refuse_unknown(names, given, where)
        refuse_unknown_good(tables, options, where)


def _date_order(tables: Sequence[SeriesTable], options: SeriesOptions, form: SeriesForm | None) -> DateOrder | None:
    """What comes first in the dates of all tables: as is said, as was learned, or as any of them shows."""
    known = options.date_order or (form.date_order if form else None)
    stamps = (
        column
        for table in tables
        for name, column in table.columns.items()
        if column.dtype.kind == "O" and (name == options.time_column or is_time_name(name))
    )
    return known or next(filter(None, map(date_order_of, stamps)), None)


def _understood(
    tables: Sequence[SeriesTable], options: SeriesOptions, form: SeriesForm | None, tolerant: bool
) -> tuple[list[Stretch], list[_Note], _Failures]:
    stretches: list[Stretch] = []
    notes: list[_Note] = []
    failures: _Failures = []
    for table in tables:
        try:
            first = stretches[0] if stretches else None
            stretch, said = stretch_of(table, options, form, first)
        except DataError as error:
            if not tolerant:
                raise
            failures.append((table.name, error))
        else:
            stretches.append(stretch)
            notes += [(stretch.where, note) for note in said]
    names = unique([stretch.name for stretch in stretches])
    return [replace(stretch, name=name) for stretch, name in zip(stretches, names, strict=True)], notes, failures


def _form(stretches: Sequence[Stretch], options: SeriesOptions) -> tuple[SeriesForm, str]:
    """The form of these data, with windows as asked for or as chosen from what is not only for tests, and why."""
    pieces = [(piece, stretch.step) for stretch in stretches for piece in stretch.pieces]
    learned = [(piece, step) for piece, step in pieces if piece.split != "test"] or pieces
    whole = [
        _at_rate(part, step, options).values
        for piece, step in learned
        for part in filled(piece, "interpolate", None)[0]
    ]
    length, hop, why = chosen_windows([values for values in whole if len(values) > 1], options)
    step = options.resample_seconds or stretches[0].step_seconds
    columns = stretches[0].pieces[0].columns
    return SeriesForm(columns, step, length, hop, options.date_order, options.group_column, options.time_column), why


def _at_rate(piece: Readings, step: float | None, options: SeriesOptions) -> Readings:
    if options.resample_seconds is None:
        return piece
    assert step is not None, "counted steps have no rate"
    return resampled(piece, step, options.resample_seconds)


def _cut(
    stretches: Sequence[Stretch], options: SeriesOptions, form: SeriesForm
) -> tuple[list[Recording], list[_Note], list[Unopened]]:
    """Recordings without a gap or a missing value, notes, and the pieces that are shorter than a window."""
    recordings: list[Recording] = []
    notes: list[_Note] = []
    short: list[Unopened] = []
    for stretch in stretches:
        pieces: list[Readings] = []
        for piece in stretch.pieces:
            own, said = filled(piece, options.missing, _most_filled(stretch, options, form))
            pieces += own
            notes += [(stretch.where, note) for note in said]
        for number, piece in enumerate(pieces, 1):
            name = stretch.name if len(pieces) == 1 else f"{stretch.name}{PART}{number}"
            steps = _at_rate(piece, stretch.step, options)
            if len(steps) < form.length:
                reason = f"has {counted(len(steps), 'step')}, fewer than the {form.length} of a window ({piece.span()})"
                short.append(Unopened(name, reason))
                continue
            recordings.append(Recording(name, steps.values, steps.times, steps.anomalous, steps.split, steps.kind))
    return recordings, notes, short


def _most_filled(stretch: Stretch, options: SeriesOptions, form: SeriesForm) -> int:
    """Rows in a window."""
    if options.resample_seconds is None or stretch.step is None:
        return form.length
    return max(1, round(form.length * options.resample_seconds * SECOND / stretch.step))


def _merged(notes: Sequence[_Note]) -> list[str]:
    """Notes, those alike on several sources as one."""
    sources: dict[str, list[str]] = {}
    for where, note in notes:
        sources.setdefault(note, []).append(where)
    return [
        f"{where[0]}: {note}" if len(where) == 1 else f"{where[0]} and {len(where) - 1} more: {note}"
        for note, where in ((note, list(dict.fromkeys(each))) for note, each in sources.items())
    ]


def _notes_on_short(short: Sequence[Unopened], *, are_split: bool) -> list[str]:
    if not short:
        return []
    note = f"{counted(len(short), 'piece')} shorter than a window, left out: {named([each.name for each in short], 3)}"
    advice = "; where time stamps are merely uneven, leave out their column (--ignore), so that steps are counted"
    return [note + advice if are_split else note]


def _too_short(short: Sequence[Unopened], stretches: Sequence[Stretch], form: SeriesForm, is_new: bool) -> str:
    """That no piece fills a window, and what helps; windows of `is_new` data are as long as was learned."""
    fault = f"none of its {len(short)} pieces has the {form.length} steps of a window"
    advice = "record longer" if is_new else "record longer, or give a shorter --length"
    if len(short) > len(stretches):
        advice += ", or leave out time stamps that are uneven (--ignore the column), so that steps are counted"
    elif form.columns == made_up(form.channels) and all(len(each.pieces[0]) < form.channels for each in stretches):
        advice += f"; steps come first, (t, c): transpose the array if it has {form.channels} of them"
    return f"{short[0].reason if len(short) == 1 else fault}; {advice}"


def _notes_on_constants(recordings: Sequence[Recording], form: SeriesForm) -> list[str]:
    lowest = np.min([recording.values.min(axis=0) for recording in recordings], axis=0)
    highest = np.max([recording.values.max(axis=0) for recording in recordings], axis=0)
    constant = [name for name, low, high in zip(form.columns, lowest, highest, strict=True) if low == high]
    return [f"channels that never change: {named(constant)}"] if constant else []
