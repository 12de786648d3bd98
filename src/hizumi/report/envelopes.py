"""Long series in few points, without the loss of a single extreme, and runs of marked steps."""

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from hizumi.data.series.form import Steps


def envelope(values: Real[np.ndarray, "t"], bins: int) -> Int[np.ndarray, "k"]:
    """Places of the steps to draw, in order: all where they are few, else the lowest and the highest of each bin.

    A bin without a number keeps its first step, so that a gap stays one.
    """
    if len(values) <= 2 * bins:
        return np.arange(len(values))
    edges = _edges(len(values), bins)
    known = np.isfinite(values)
    lowest, highest = np.where(known, values, np.inf), np.where(known, values, -np.inf)
    pairs = [
        (start + lowest[start:stop].argmin(), start + highest[start:stop].argmax())
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    return np.unique(np.array(pairs, dtype=np.int64))


def highest_in_bins(values: Float[np.ndarray, "t c"], bins: int) -> Float[np.ndarray, "b c"]:
    """The highest of each bin of steps, of which there are as many as steps where these are fewer; NaN of none."""
    edges = _edges(len(values), min(bins, len(values)))
    return np.fmax.reduceat(values, edges[:-1], axis=0)


def runs_of(marks: Bool[np.ndarray, "t"]) -> list[Steps]:
    """Stretches of steps that are marked, in order."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return [Steps(start, stop) for start, stop in changes.reshape(-1, 2).tolist()]


def _edges(steps: int, bins: int) -> Int[np.ndarray, "edges"]:
    return np.linspace(0, steps, bins + 1).astype(np.int64)
