"""Sources of time series in evenly stamped pieces, and whether their rate is the one that is expected."""

from dataclasses import dataclass

from hizumi.data.series.breaks import LARGEST_STEPS, breaks_of, step_of
from hizumi.data.series.columns import readings_of
from hizumi.data.series.form import SeriesForm
from hizumi.data.series.gaps import refuse_missing
from hizumi.data.series.options import SeriesOptions
from hizumi.data.series.readings import Readings, SeriesTable
from hizumi.data.series.resampling import is_same_step
from hizumi.data.series.time_stamps import SECOND
from hizumi.errors import DataError, UsageError


@dataclass(frozen=True, eq=False)
class Stretch:
    """The rows of one source, in pieces that are evenly stamped, with nanoseconds of a step, None where counted."""

    name: str
    where: str
    pieces: tuple[Readings, ...]
    step: float | None

    @property
    def step_seconds(self) -> float | None:
        """Seconds of a step."""
        return None if self.step is None else self.step / SECOND


def stretch_of(
    table: SeriesTable, options: SeriesOptions, form: SeriesForm | None, first: Stretch | None
) -> tuple[Stretch, list[str]]:
    """The rows of a table in evenly stamped pieces, and notes on what was assumed of it and on where it breaks off.

    Its columns and its rate are to be those of the `form` learned from, else those of the `first` source of several.
    Raises DataError where they are not, and for rows that cannot be understood.
    """
    stretch, notes = _stretch_of(table, options, form, first)
    if options.resample_seconds is not None and stretch.step is None:
        raise DataError(f"{stretch.where}: has no time stamps, and so no rate to resample from; leave out --resample")
    if form is not None:
        return stretch, [*notes, *_notes_on_rate(stretch, form, options.resample_seconds)]
    if first is not None:
        _refuse_other_rate(stretch, first, options.resample_seconds)
    return stretch, notes


def _stretch_of(
    table: SeriesTable, options: SeriesOptions, form: SeriesForm | None, first: Stretch | None
) -> tuple[Stretch, list[str]]:
    if form is not None:
        is_counted = form.step_seconds is None and options.time_column is None
        readings, notes = readings_of(table, options, form.columns, is_counted=is_counted)
    elif first is not None:
        readings, notes = readings_of(table, options, first.pieces[0].columns, first.where)
    else:
        readings, notes = readings_of(table, options, None)
    if len(readings) < 2:
        raise DataError(f"{table.where}: holds one step only; a window takes many")
    if options.missing == "refuse":
        refuse_missing(readings, is_needed=form is not None)
    if readings.times is None:
        return Stretch(table.name, table.where, (readings,), None), notes
    step = step_of(readings)
    if step < 0:
        readings, step = readings.part(slice(None, None, -1)), -step
        notes.append(f"time stamps run backwards, so it is read from the last {table.row_is} on")
    breaks, said = breaks_of(readings, step)
    return Stretch(table.name, table.where, tuple(readings.parts(breaks.starts)), step), [*notes, *said]


def _notes_on_rate(stretch: Stretch, form: SeriesForm, asked_seconds: float | None) -> list[str]:
    """A note where the rate is not known to be the one learned from; raises DataError where it is another.

    Raises UsageError where steps are to become as long as they were not when they were learned from.
    """
    learned, own = form.step_seconds, stretch.step_seconds
    if asked_seconds is not None and (learned is None or not is_same_step(asked_seconds, learned)):
        what = "counted steps were" if learned is None else f"steps of {learned:g} s were"
        raise UsageError(f"{what} learned from, not of {asked_seconds:g} s; say --resample as then, or leave it out")
    if learned is None:
        return []
    if own is None:
        return [f"has no time stamps; its steps are taken for {learned:g} s, as learned from"]
    if asked_seconds is None and not is_same_step(own, learned):
        remedy = (
            f"fit again with --resample {own:g}, since what it lacks between its steps cannot be made up"
            if own > LARGEST_STEPS * learned
            else f"--resample {learned:g} brings it to that rate"
        )
        raise DataError(
            f"{stretch.where}: a step takes {own:g} s, and steps of {learned:g} s were learned from; {remedy}"
        )
    return []


def _refuse_other_rate(stretch: Stretch, first: Stretch, asked_seconds: float | None) -> None:
    """Raise DataError where two sources that are read at once have other rates."""
    own, other = stretch.step_seconds, first.step_seconds
    if own is None or other is None:
        if own is not other:
            stamped, without = (first, stretch) if own is None else (stretch, first)
            raise DataError(
                f"{without.where}: has no time stamps, and {stamped.where} has them; leave them out (--ignore their "
                "column), so that steps are counted, or read both apart"
            )
    elif asked_seconds is None and not is_same_step(own, other):
        raise DataError(
            f"{stretch.where}: a step takes {own:g} s, and {other:g} s in {first.where}; "
            f"--resample {max(own, other):g} brings both to one rate"
        )
