"""Connected regions of a mask, from the runs of its rows."""

from typing import NamedTuple

import numpy as np

from hizumi.shapes import Bool, Integer


class Runs(NamedTuple):
    """Maximal runs of True, each in one row, from column `start` to before `stop`; in row-major order."""

    row: Integer[np.ndarray, " runs"]
    start: Integer[np.ndarray, " runs"]
    stop: Integer[np.ndarray, " runs"]


def labelled_runs(mask: Bool[np.ndarray, "h w"]) -> tuple[Runs, Integer[np.ndarray, " runs"], int]:
    """The runs of a mask, the number of the 8-connected region of each, and the number of regions.

    Regions are numbered by their first pixels in row-major order.
    """
    runs = _runs(mask)
    parents = list(range(len(runs.row)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    for upper, lower in zip(*_touching(runs, mask.shape[1]), strict=True):
        first, second = sorted((root(int(upper)), root(int(lower))))
        parents[second] = first  # the earlier run, so that a root holds its region's first pixel
    roots, labels = np.unique(np.array([root(run) for run in range(len(parents))], dtype=int), return_inverse=True)
    return runs, labels, len(roots)


def _runs(mask: np.ndarray) -> Runs:
    edges = np.diff(mask.astype(np.int8), axis=1, prepend=0, append=0)
    row, start = np.nonzero(edges == 1)
    return Runs(row, start, np.nonzero(edges == -1)[1])


def _touching(runs: Runs, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of runs in neighbouring rows that share a column, or touch at a corner."""
    # Positions in one line of all rows, with room for a corner between them.
    stride = width + 2
    above, stop = (runs.row + 1) * stride + runs.start, (runs.row + 1) * stride + runs.stop
    own_start, own_stop = runs.row * stride + runs.start, runs.row * stride + runs.stop
    first = np.searchsorted(stop, own_start, side="left")
    last = np.searchsorted(above, own_stop, side="right")
    counts = np.maximum(last - first, 0)
    lower = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + within, lower
