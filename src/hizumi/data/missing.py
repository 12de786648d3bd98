"""Pixels without a measurement: NaN, and values that stand for "no data"."""

from dataclasses import dataclass

import numpy as np

from hizumi.errors import DataError
from hizumi.shapes import Bool, Shaped

LARGEST_MEASUREMENT = 1e30  # what is rounded beyond it, such as -3.4e38, is compared by its size alone


@dataclass(frozen=True)
class Filling:
    """Which pixels hold no measurement: those of value `nodata`, and NaN where `nan`.

    Each takes the value, in its channel, of the nearest pixel of its row that has one; a row without any is like the
    nearest row.
    """

    nodata: float | None = None
    nan: bool = False

    @property
    def fills(self) -> bool:
        """Whether anything is filled at all."""
        return self.nan or self.nodata is not None

    def fill(
        self, array: Shaped[np.ndarray, "h w c"], name: str
    ) -> tuple[Shaped[np.ndarray, "h w c"], tuple[str, ...]]:
        """The image with missing pixels filled, and a note; raises DataError for a channel without any measurement."""
        missing = self._missing(array)
        if not missing.any():
            return array, ()
        filled = array.copy()
        for channel in np.flatnonzero(missing.any(axis=(0, 1))):
            if missing[:, :, channel].all():
                raise DataError(f"{name}: has no pixel with a measurement in channel {channel}; leave it out")
            filled[:, :, channel] = _filled(array[:, :, channel], missing[:, :, channel])
        what = [*(["NaN"] if self.nan else []), *([f"{self.nodata:.10g}"] if self.nodata is not None else [])]
        return filled, (f"pixels of {' and '.join(what)} filled with the nearest measured value",)

    def _missing(self, array: Shaped[np.ndarray, "h w c"]) -> Bool[np.ndarray, "h w c"]:
        missing = np.isnan(array) if self.nan and array.dtype.kind == "f" else np.zeros(array.shape, dtype=bool)
        return missing if self.nodata is None else np.asarray(missing | is_nodata(array, self.nodata))


def is_nodata(array: np.ndarray, nodata: float) -> np.ndarray:
    """Where values are the one that stands for no data, in the precision of the array."""
    if abs(nodata) > LARGEST_MEASUREMENT:
        return np.asarray(array * np.sign(nodata) > LARGEST_MEASUREMENT)
    return np.asarray(array == nodata)


def _filled(plane: Shaped[np.ndarray, "h w"], missing: Bool[np.ndarray, "h w"]) -> Shaped[np.ndarray, "h w"]:
    along_rows = np.take_along_axis(plane, _nearest_known(~missing), axis=1)
    rows = _nearest_known(np.asarray(~missing.all(axis=1))[np.newaxis])[0]
    return np.asarray(along_rows[rows])


def _nearest_known(known: Bool[np.ndarray, "r n"]) -> Shaped[np.ndarray, "r n"]:
    """For each place of a row that of the nearest known one, the left one of two; any place in a row without one."""
    length = known.shape[1]
    places = np.broadcast_to(np.arange(length), known.shape)
    left = np.maximum.accumulate(np.where(known, places, -2 * length), axis=1)
    right = np.minimum.accumulate(np.where(known, places, 3 * length)[:, ::-1], axis=1)[:, ::-1]
    return np.where(places - left <= right - places, left, right).clip(0, length - 1)


def not_finite(number: float) -> str:
    """What such a number is called in an error."""
    if np.isfinite(number):
        return f"{number:g}, too large for float32"
    return "NaN (a missing number)" if np.isnan(number) else "infinity"
