"""`open_recordings`, which opens time series of every kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizumi.data.breaks import breaks_of, step_of
from hizumi.data.columns import named, refuse_unknown
from hizumi.data.manifest import Unopened
from hizumi.data.readings import Readings, SeriesTable
from hizumi.data.resampling import is_same_step, resampled
from hizumi.data.series import Recording, SeriesForm
from hizumi.data.series_choice import chosen_windows, refuse_other_windows
from hizumi.data.series_columns import readings_of
from hizumi.data.series_gaps import filled, refuse_missing
from hizumi.data.series_options import SeriesOptions
from hizumi.data.series_sources import Sources, sources_of
from hizumi.data.time_stamps import SECOND
from hizumi.errors import DataError, UsageError

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

    A .csv or .tsv, plain or gzip, a .parquet, .npy or .npz file, a folder of these to any depth, an array (t, c) or
    (t,), a pair of an array and the lengths of the recordings that follow one another in it, a data frame, or a list of
    any of these. A recording is split where its time stamps show a gap, repeat or step back, and where it lacks values;
    all of these places are named in the notes. Raises DataError for data that cannot be understood or have another
    form, UsageError for options that name no column, or windows other than those learned from.
    """
    if form is not None:
        refuse_other_windows(options, form.length, form.hop)
    if options.resample_seconds is not None and options.resample_seconds <= 0:
        raise UsageError(f"steps cannot take {options.resample_seconds:g} s; give a time above 0 (--resample)")
    sources = sources_of(data, options)
    tolerant = form is not None and len(sources.each) > 1  # at an inspection, one bad file of many stops nothing
    tables, failures = _read(sources, tolerant)
    _refuse_unknown(tables, options, sources.name)
    stretches, notes, more = _understood(tables, options, form, tolerant)
    failures += more
    if not stretches:
        raise failures[0][1]
    if form is None:
        form, note = _form(stretches, options)
        notes.append(note)
    recordings, said, short = _cut(stretches, options, form)
    if not recordings:
        raise DataError(f"{sources.name}: {_too_short(short, form)}")
    return Recordings(
        sources.name,
        tuple(recordings),
        form,
        (*sources.notes, *notes, *said, *_notes_on_constants(recordings, form)),
        (*sources.unopened, *(Unopened(name, str(error)) for name, error in failures), *short),
    )


@dataclass(frozen=True, eq=False)
class _Stretch:
    """The rows of one source, in pieces that are evenly stamped, with nanoseconds of a step, None where counted."""

    name: str
    where: str
    pieces: tuple[Readings, ...]
    step: float | None


_Failures = list[tuple[str, DataError]]


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
    """Raise UsageError for a column that an option names and that is in no table."""
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    given = {
        "label_column": options.label_column,
        "time_column": options.time_column,
        "ignore": options.ignore,
        "columns": options.columns,
    }
    if names:
        refuse_unknown(names, given, where)


def _understood(
    tables: Sequence[SeriesTable], options: SeriesOptions, form: SeriesForm | None, tolerant: bool
) -> tuple[list[_Stretch], list[str], _Failures]:
    stretches: list[_Stretch] = []
    notes: list[str] = []
    failures: _Failures = []
    for table in tables:
        try:
            first = stretches[0] if stretches else None
            stretch, said = _stretch(table, options, form, first)
            said += _note_on_rate(stretch, first, options, form)
        except DataError as error:
            if not tolerant:
                raise
            failures.append((table.name, error))
        else:
            stretches.append(stretch)
            notes += said
    return stretches, list(dict.fromkeys(notes)), failures


def _stretch(
    table: SeriesTable, options: SeriesOptions, form: SeriesForm | None, first: _Stretch | None
) -> tuple[_Stretch, list[str]]:
    if form is not None:
        readings, notes = readings_of(table, options, form.columns)
    elif first is not None:
        readings, notes = readings_of(table, options, first.pieces[0].columns, first.where)
    else:
        readings, notes = readings_of(table, options, None)
    if len(readings) < 2:
        raise DataError(f"{table.where}: holds one step only; a window takes many")
    if options.missing == "refuse":
        refuse_missing(readings)
    if readings.times is None:
        return _Stretch(table.name, table.where, (readings,), None), notes
    step = step_of(readings)
    if step < 0:
        readings, step = readings.part(slice(None, None, -1)), -step
        notes.append(f"{table.where}: its time stamps run backwards, so it is read from the last {table.row_is} on")
    breaks, said = breaks_of(readings, step)
    return _Stretch(table.name, table.where, tuple(readings.parts(breaks.starts)), step), [*notes, *said]


def _note_on_rate(
    stretch: _Stretch, first: _Stretch | None, options: SeriesOptions, form: SeriesForm | None
) -> list[str]:
    """A note where the rate is unknown; raises DataError where it is another than learned from, or than the first's."""
    asked = options.resample_seconds
    if asked is not None and stretch.step is None:
        raise DataError(f"{stretch.where}: has no time stamps, and so no rate to resample from; leave out --resample")
    if form is None and first is None:
        return []
    known = form.step_seconds if form is not None else _seconds(first.step if first else None)
    origin = "was learned from" if form is not None or first is None else f"{first.where} has"
    if form is not None and asked is not None and (known is None or not is_same_step(asked, known)):
        other = "counted steps were" if known is None else f"steps of {known:g} s were"
        raise UsageError(f"{other} learned from, and not of {asked:g} s; say --resample as at the fit, or leave it out")
    if stretch.step is None or known is None:
        if form is None and (stretch.step is None) != (known is None):
            raise DataError(
                f"{stretch.where}: {_stamped(stretch)}, unlike {first.where if first else ''}; read them apart"
            )
        without = stretch.step is None and known is not None
        return [f"{stretch.where}: has no time stamps; its steps are taken for {known:g} s"] if without else []
    own = stretch.step / SECOND
    if asked is None and not is_same_step(own, known):
        raise DataError(
            f"{stretch.where}: a step takes {own:g} s, and a step of {known:g} s {origin}; "
            f"--resample {known:g} brings it to that rate"
        )
    return []


def _stamped(stretch: _Stretch) -> str:
    return "has no time stamps" if stretch.step is None else "has time stamps"


def _seconds(step: float | None) -> float | None:
    return None if step is None else step / SECOND


def _form(stretches: Sequence[_Stretch], options: SeriesOptions) -> tuple[SeriesForm, str]:
    """The form of these data, with windows as asked for or chosen, and a note on why."""
    step = options.resample_seconds or _seconds(stretches[0].step)
    whole = [
        part.values
        for stretch in stretches
        for piece in stretch.pieces
        for filled_piece in filled(piece, "interpolate", None)[0]
        for part in [_at_rate(filled_piece, stretch.step, options)]
        if len(part) > 1
    ]
    length, hop, why = chosen_windows(whole, options)
    return SeriesForm(stretches[0].pieces[0].columns, step, length, hop), why


def _at_rate(piece: Readings, step: float | None, options: SeriesOptions) -> Readings:
    if options.resample_seconds is None:
        return piece
    assert step is not None, "counted steps have no rate"
    return resampled(piece, step, options.resample_seconds)


def _cut(
    stretches: Sequence[_Stretch], options: SeriesOptions, form: SeriesForm
) -> tuple[list[Recording], list[str], list[Unopened]]:
    """Recordings without a gap or a missing value, notes, and the pieces that are shorter than a window."""
    recordings: list[Recording] = []
    notes: list[str] = []
    short: list[Unopened] = []
    for stretch in stretches:
        most = form.length
        if options.resample_seconds is not None and stretch.step is not None:
            most = max(1, round(form.length * options.resample_seconds * SECOND / stretch.step))
        pieces: list[Readings] = []
        for piece in stretch.pieces:
            own, said = filled(piece, options.missing, most)
            pieces += own
            notes += said
        for number, piece in enumerate(pieces, 1):
            name = stretch.name if len(pieces) == 1 else f"{stretch.name}, part {number}"
            steps = _at_rate(piece, stretch.step, options)
            if len(steps) < form.length:
                reason = f"has {len(steps)} steps, fewer than the {form.length} of a window ({piece.span()})"
                short.append(Unopened(name, reason))
            else:
                recordings.append(Recording(name, steps.values, steps.times, steps.anomalous, steps.split, steps.kind))
    if short and recordings:
        notes.append(
            f"{len(short)} pieces are shorter than a window and are left out: {named([each.name for each in short], 3)}"
        )
    return recordings, notes, short


def _too_short(short: Sequence[Unopened], form: SeriesForm) -> str:
    if len(short) == 1:
        return f"{short[0].reason}; record longer, or give a shorter --length"
    return (
        f"none of its {len(short)} pieces has the {form.length} steps of a window; give a shorter --length, or leave "
        "out time stamps that are uneven (--ignore the column), so that steps are counted"
    )


def _notes_on_constants(recordings: Sequence[Recording], form: SeriesForm) -> list[str]:
    lowest = np.min([recording.values.min(axis=0) for recording in recordings], axis=0)
    highest = np.max([recording.values.max(axis=0) for recording in recordings], axis=0)
    constant = [name for name, low, high in zip(form.columns, lowest, highest, strict=True) if low == high]
    return [f"channels that never change: {named(constant)}"] if constant else []
