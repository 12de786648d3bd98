"""Pixels without a measurement: NaN, and values that stand for "no data"."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hizumi.errors import DataError
from hizumi.shapes import Bool, Shaped

LARGEST_MEASUREMENT = 1e30  # what is rounded beyond it, such as -3.4e38, is compared by its size alone


@dataclass(frozen=True)
class Filling:
    """Which pixels hold no measurement: those of value `nodata`, and NaN where `nan`.

    Each takes the value of the nearest pixel of its channel that has one.
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
            filled[:, :, channel] = _nearest(array[:, :, channel], missing[:, :, channel])
        what = [*(["NaN"] if self.nan else []), *([f"{self.nodata:.10g}"] if self.nodata is not None else [])]
        return filled, (f"pixels of {' and '.join(what)} filled with the nearest measured value",)

    def _missing(self, array: Shaped[np.ndarray, "h w c"]) -> Bool[np.ndarray, "h w c"]:
        missing = np.isnan(array) if self.nan and array.dtype.kind == "f" else np.zeros(array.shape, dtype=bool)
        return missing if self.nodata is None else np.asarray(missing | is_nodata(array, self.nodata))


def is_nodata(array: np.ndarray, nodata: float) -> np.ndarray:
    """Where values are the one that stands for no data, in the precision of the array."""
    if abs(nodata) > LARGEST_MEASUREMENT:
        return np.asarray(array * np.sign(nodata) > LARGEST_MEASUREMENT)
    value: Any = array.dtype.type(nodata) if array.dtype.kind == "f" else nodata
    return np.asarray(array == value)


def _nearest(plane: Shaped[np.ndarray, "h w"], missing: Bool[np.ndarray, "h w"]) -> Shaped[np.ndarray, "h w"]:
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(plane[rows, columns])
