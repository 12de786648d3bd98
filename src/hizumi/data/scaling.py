"""Standardising the columns of tables in double precision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hizumi.shapes import Bool, Float

ROUNDING = 1e-12  # of a column's largest value: what varies less is rounding
FAR = 1e3  # standard deviations away from which a column that never changed lies when it does


@dataclass(frozen=True, eq=False)
class Scaler:
    """Standardises each column of a table by the training data's mean and standard deviation.

    A `constant` column never changed in the training data, so that a deviation has no unit of its own: any other value
    lies FAR away or more, the more the larger its difference is beside the constant itself, or beside 1 where that is
    0; by the logarithm, so that no difference is too large. A missing number (NaN) becomes the mean.
    """

    mean: Float[np.ndarray, "d"]
    scale: Float[np.ndarray, "d"]
    constant: Bool[np.ndarray, "d"]

    @classmethod
    def of(cls, rows: Float[np.ndarray, "n d"]) -> Self:
        """Estimated in double precision."""
        rows = rows.astype(np.float64)
        mean, deviation = np.empty(rows.shape[1]), np.empty(rows.shape[1])
        constant = np.empty(rows.shape[1], dtype=bool)
        for place, column in enumerate(rows.T):
            known = column[~np.isnan(column)]
            largest = max(float(np.abs(known).max(initial=0)), np.finfo(float).tiny)
            constant[place] = not len(known) or known.max() - known.min() <= ROUNDING * largest
            # Squares of the largest doubles would overflow.
            mean[place] = (known / largest).mean() * largest if len(known) else 0.0
            deviation[place] = ROUNDING * largest if constant[place] else (known / largest).std() * largest
        return cls(mean, deviation, constant)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; models of earlier versions gave constant columns a unit."""
        mean, scale = np.array(plain["mean"], dtype=float), np.array(plain["scale"], dtype=float)
        return cls(mean, scale, np.array(plain.get("constant", [False] * len(mean)), dtype=bool))

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {name: value.tolist() for name, value in vars(self).items()}

    def standardise(self, rows: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
        """Rows in units of the standard deviation, as float32."""
        with np.errstate(over="ignore"):
            scaled = (rows.astype(np.float64) - self.mean) / self.scale
            scaled[np.isnan(rows)] = 0.0
            return np.where(self.constant, self._deviating(rows, scaled), scaled).astype(np.float32)

    def _deviating(
        self, rows: Float[np.ndarray, "*n d"], scaled: Float[np.ndarray, "*n d"]
    ) -> Float[np.ndarray, "*n d"]:
        """What other values than a constant become, in order of size."""
        unit = np.where(self.mean == 0, 1.0, np.abs(self.mean))
        difference = np.abs(rows.astype(np.float64) / unit - self.mean / unit)  # of largest doubles overflows otherwise
        far = np.sign(scaled) * FAR * (1 + np.log1p(difference))
        return np.where(self._are_constants(rows, scaled), 0.0, far)

    def _are_constants(
        self, rows: Float[np.ndarray, "*n d"], scaled: Float[np.ndarray, "*n d"]
    ) -> Bool[np.ndarray, "*n d"]:
        # A constant of 0.1 is another number where a source holds float32.
        single = rows.astype(np.float32)
        return (np.abs(scaled) <= 1) | ((single == rows) & (single == self.mean.astype(np.float32)))

    def restore(self, rows: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
        """Undo `standardise`."""
        return np.asarray(rows * np.where(self.constant, 0.0, self.scale) + self.mean)

    @property
    def log_volume(self) -> float:
        """Log-density in the data's units, of the columns that change, is that of standardised rows minus this."""
        return float(np.log(self.scale[~self.constant]).sum())
