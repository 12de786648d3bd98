"""Scores of steps near the ends of recordings, whose few windows scatter more than the many of others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from hizumi.shapes import Float, Integer


@dataclass(frozen=True)
class Steadying:
    """Draws means over few windows towards the usual score, until they scatter as means over all windows do.

    One threshold then fits a recording's ends as it fits its middle. `usual` is the mean score of windows, and the
    distance from it of a mean over n of them is multiplied by `factors[n - 1]`, the last of which is 1.
    """

    usual: float
    factors: tuple[float, ...]

    @classmethod
    def of(cls, stretches: Sequence[Float[np.ndarray, "_"]], covering: int) -> Self:
        """From the scores of windows that nothing has learned from, in order; so many cover a step in the middle."""
        spreads = np.array([np.concatenate(_means(stretches, count)).std() for count in range(1, covering + 1)])
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = np.nan_to_num(spreads[-1] / spreads, nan=1.0).clip(max=1)
        return cls(float(np.concatenate(stretches).mean()), tuple(factors.tolist()))

    def __call__(self, means: Float[np.ndarray, "t"], counts: Integer[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
        """Means over so many windows each, steadied."""
        factors = np.array(self.factors)[np.minimum(counts, len(self.factors)) - 1]
        return np.where(factors < 1, self.usual + factors * (means - self.usual), means)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`."""
        return cls(plain["usual"], tuple(plain["factors"]))


def _means(stretches: Sequence[Float[np.ndarray, "_"]], count: int) -> list[Float[np.ndarray, "_"]]:
    """Over all runs of so many windows."""
    sliding = np.lib.stride_tricks.sliding_window_view
    return [sliding(scores, count).mean(axis=1) for scores in stretches if len(scores) >= count]
