"""Where the time stamps of a source break off: gaps, stamps that repeat, and stamps that step back."""

from dataclasses import dataclass

import numpy as np

from hizumi.data.series.readings import Readings
from hizumi.data.series.time_stamps import SECOND
from hizumi.errors import DataError
from hizumi.shapes import Integer

LARGEST_STEPS = 1.5  # a longer difference of stamps is a gap
MOST_BACKWARD = 0.1  # of the stamps of rows that are in order
TAKE_TURNS = "where several recordings take turns, name the column that tells them apart (--group-column)"


@dataclass(frozen=True, eq=False)
class Breaks:
    """Rows before which a source breaks off: after a gap, where a stamp repeats, and where stamps step back."""

    gaps: Integer[np.ndarray, "g"]
    repeated: Integer[np.ndarray, "r"]
    backward: Integer[np.ndarray, "b"]

    @property
    def starts(self) -> list[int]:
        """Rows at which pieces begin, the first of them 0."""
        return sorted({0, *self.gaps.tolist(), *self.repeated.tolist(), *self.backward.tolist()})


def step_of(readings: Readings) -> float:
    """Nanoseconds of a step of readings with stamps; raises DataError where most of these repeat."""
    assert readings.times is not None, "steps without stamps are counted"
    step = step_between(np.diff(readings.times))
    if step == 0:
        raise DataError(
            f"{readings.where}: most time stamps repeat the one before; where they are coarser than the steps, leave "
            f"them out (--ignore the column), so that steps are counted; {TAKE_TURNS}"
        )
    return step


def step_between(differences: Integer[np.ndarray, "d"]) -> float:
    """The step of stamps with these differences: the usual one, or where they are uneven, the mean of all near it.

    A mean of n differences is off by what two stamps are, over n; their median is by about that over the root of n.
    """
    median = float(np.quantile(differences, 0.5, method="nearest"))
    if 2 * np.count_nonzero(differences == median) >= len(differences):
        return median
    return float(differences[np.abs(differences - median) <= abs(median) / 2].mean())


def breaks_of(readings: Readings, step: float) -> tuple[Breaks, list[str]]:
    """Where stamps break off, for steps of so many nanoseconds, and notes that name each place.

    Stamps in whole seconds may be off by one: with steps of 1 s, only more than 2.5 s are surely a gap. Raises
    DataError for rows that are not in the order of time.
    """
    assert readings.times is not None, "steps without stamps are counted"
    differences = np.diff(readings.times)
    allowed = largest_difference(readings.times, step)
    found = Breaks(
        np.flatnonzero(differences > allowed) + 1,
        np.flatnonzero(differences == 0) + 1,
        np.flatnonzero(differences < 0) + 1,
    )
    _refuse_disorder(readings, found)
    notes = [
        _named(readings, found.gaps, "gap", "gaps"),
        _named(readings, found.repeated, "repeated time stamp", "repeated time stamps"),
        _named(readings, found.backward, "step back in time", "steps back in time"),
    ]
    if ((differences > LARGEST_STEPS * step) & (differences <= allowed)).any():
        notes.append(
            f"differences of time stamps of up to {seconds(allowed)} are taken for their rounding to "
            f"{seconds(_rounding(readings.times))}, and not for gaps"
        )
    return found, [note for note in notes if note]


def largest_difference(times: Integer[np.ndarray, "t"], step: float) -> float:
    """Nanoseconds from such a stamp to the next beyond which there is a gap, for steps of so many nanoseconds."""
    rounding = _rounding(times)
    return LARGEST_STEPS * step + (rounding if rounding <= step < 2 * rounding else 0)


def stamp(time: int) -> str:
    """A time in ISO 8601, without trailing zeros."""
    text = str(np.datetime64(time, "ns")).replace("T", " ")
    return text.rstrip("0").rstrip(".")


def seconds(nanoseconds: float) -> str:
    """A duration in seconds for messages."""
    return f"{nanoseconds / SECOND:.6g} s"


def _refuse_disorder(readings: Readings, found: Breaks) -> None:
    count = len(found.backward)
    if count > MOST_BACKWARD * len(readings):
        raise DataError(
            f"{readings.place(int(found.backward[0]))}: the time stamp is earlier than the one before, as are {count} "
            f"of {len(readings)}; sort the rows by time; {TAKE_TURNS}"
        )


def _named(readings: Readings, rows: np.ndarray, one: str, several: str, most: int = 3) -> str:
    if not len(rows):
        return ""
    assert readings.times is not None, "only stamps break off"
    places = "; ".join(
        f"{readings.row_is} {readings.rows[row]}, from {stamp(int(before))} to {stamp(int(after))}"
        for row, before, after in zip(rows[:most], readings.times[rows - 1], readings.times[rows], strict=False)
    )
    more = f"; and {len(rows) - most} more" if len(rows) > most else ""
    return f"split at {f'a {one}' if len(rows) == 1 else f'{len(rows)} {several}'} ({places}{more})"


def _rounding(times: np.ndarray) -> int:
    """Nanoseconds of the coarsest unit, from seconds down, that all stamps are whole multiples of."""
    return next(unit for unit in (SECOND, 10**6, 10**3, 1) if not (times % unit).any())
