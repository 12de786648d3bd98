"""Rows without a value: refused, filled in, or left out, so that what remains are steps without a gap."""

import numpy as np

from hizumi.data.series.options import Missing
from hizumi.data.series.readings import Readings
from hizumi.errors import DataError
from hizumi.shapes import Bool, Float
from hizumi.words import counted


def refuse_missing(readings: Readings, *, is_needed: bool) -> None:
    """Raise DataError for missing values, naming the first of them and how many there are.

    Columns that are needed, as they were learned from, cannot be left out.
    """
    missing = np.isnan(readings.values)
    if missing.any():
        row, column = (int(place) for place in np.argwhere(missing)[0])
        count = int(missing.sum())
        rows = counted(int(missing.any(axis=1).sum()), readings.row_is)
        raise DataError(
            f"{readings.place(row)}, column {readings.columns[column]!r}: the value is missing ({count:,} in all, in "
            f"{rows}); say --missing interpolate (a straight line over at most a window) or --missing hold (the value "
            f"before){'' if is_needed else ', or leave the column out (--ignore)'}"
        )


def filled(readings: Readings, missing: Missing, most: int | None) -> tuple[list[Readings], list[str]]:
    """Pieces without missing values, and notes on what was filled in and left out.

    In each channel, at most `most` missing values in a row, None for any number, are filled in from their neighbours:
    by a straight line between both, or by the value before. Rows that lack a value then are left out, and the source is
    split there.
    """
    lacking = np.isnan(readings.values)
    if not lacking.any():
        return [readings], []
    values = readings.values.copy()
    for channel in np.flatnonzero(lacking.any(axis=0)):
        _fill(values[:, channel], lacking[:, channel], missing, most)
    still = np.isnan(values)
    count = int(lacking.sum() - still.sum())
    how = "interpolated" if missing == "interpolate" else "taken from the row before"
    notes = [f"{counted(count, 'missing value')} {how}"] if count else []
    whole = Readings(**{**vars(readings), "values": values})
    out = still.any(axis=1)
    if not out.any():
        return [whole], notes
    left_out = [whole.part(slice(start, end)).span() for start, end in runs(out)]
    shown = "; ".join(left_out[:3]) + (f"; and {len(left_out) - 3} more" if len(left_out) > 3 else "")
    rows = counted(int(out.sum()), "row")
    notes.append(f"{rows} left out for lack of values, and the recording split there ({shown})")
    return [whole.part(slice(start, end)) for start, end in runs(~out)], notes


def runs(marks: Bool[np.ndarray, "t"]) -> list[tuple[int, int]]:
    """Start and end, exclusive, of each run of marked rows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marks.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _fill(values: Float[np.ndarray, "t"], lacking: Bool[np.ndarray, "t"], missing: Missing, most: int | None) -> None:
    """Fill in place those runs of one channel that are short enough and have the neighbours that it takes."""
    for start, end in runs(lacking):
        if start == 0 or (most is not None and end - start > most):
            continue
        if missing == "hold":
            values[start:end] = values[start - 1]
        elif end < len(values):
            values[start - 1 : end + 1] = np.linspace(values[start - 1], values[end], end - start + 2)
