"""Recordings brought to another rate."""

from dataclasses import replace

import numpy as np

from hizumi.data.series.breaks import LARGEST_STEPS
from hizumi.data.series.readings import Readings
from hizumi.data.series.time_stamps import SECOND
from hizumi.shapes import Bool, Float, Integer

SAME_RATE = 0.01  # steps that differ by less are the same, as a part of them


def is_same_step(first: float, second: float) -> bool:
    """Whether two steps differ no more than clocks do."""
    return abs(first - second) <= SAME_RATE * max(first, second)


def resampled(readings: Readings, step: float, wanted_seconds: float) -> Readings:
    """Rows every `wanted_seconds`, from the first row on, of rows without a gap that are `step` nanoseconds apart.

    Rows that come more seldom are means of all rows until the next one; rows that come more often lie on straight lines
    between the rows given. Each is anomalous where any row is that it was made from.
    """
    assert readings.times is not None, "only stamped rows have a rate"
    wanted = wanted_seconds * SECOND
    if is_same_step(step, wanted):
        return readings
    passed = readings.times - readings.times[0]
    if wanted < LARGEST_STEPS * step:
        return _drawn(readings, passed, wanted)
    return _averaged(readings, passed, wanted)


def _averaged(readings: Readings, passed: Integer[np.ndarray, "t"], wanted: float) -> Readings:
    bins = (passed / wanted + 1e-9).astype(np.int64)  # a stamp on the edge of two, rounded down, belongs to the second
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    counts = np.diff(starts, append=len(bins))
    anomalous = readings.anomalous
    return replace(
        _at(readings, bins[starts] * wanted, starts),
        values=np.add.reduceat(readings.values, starts, axis=0) / counts[:, np.newaxis],
        anomalous=None if anomalous is None else np.logical_or.reduceat(anomalous, starts),
    )


def _drawn(readings: Readings, passed: Integer[np.ndarray, "t"], wanted: float) -> Readings:
    count = int(passed[-1] / wanted + 1e-9) + 1
    moments = np.arange(count) * wanted
    after = np.searchsorted(passed, moments - 0.5).clip(0, len(passed) - 1)
    before = np.where(np.abs(passed[after] - moments) <= 0.5, after, after - 1).clip(0)
    values = np.stack([np.interp(moments, passed, channel) for channel in readings.values.T], axis=1)
    return replace(_at(readings, moments, before), values=values, anomalous=_either(readings.anomalous, before, after))


def _either(
    anomalous: Bool[np.ndarray, "t"] | None, before: Integer[np.ndarray, "k"], after: Integer[np.ndarray, "k"]
) -> Bool[np.ndarray, "k"] | None:
    return None if anomalous is None else anomalous[before] | anomalous[after]


def _at(readings: Readings, passed: Float[np.ndarray, "k"], rows: Integer[np.ndarray, "k"]) -> Readings:
    """The given rows, at so many nanoseconds after the first one."""
    assert readings.times is not None, "only stamped rows have a rate"
    part = readings.part(rows)
    return replace(part, times=readings.times[0] + np.round(passed).astype(np.int64))
