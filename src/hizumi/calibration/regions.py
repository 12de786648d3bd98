"""Connected regions of a mask, by the runs of its rows."""

from typing import NamedTuple

import numpy as np

from hizumi.shapes import Bool, Integer


class Runs(NamedTuple):
    """Stretches of True without a gap, each in one row, from column `start` to before `stop`; row by row."""

    row: Integer[np.ndarray, " runs"]
    start: Integer[np.ndarray, " runs"]
    stop: Integer[np.ndarray, " runs"]


def labelled_runs(mask: Bool[np.ndarray, "h w"]) -> tuple[Runs, Integer[np.ndarray, " runs"], int]:
    """The runs of a mask, for each the number of its 8-connected region, and how many regions there are.

    Regions are numbered in the order of their first pixels, row by row.
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
        parents[second] = first  # the earlier one, so that roots are first pixels
    roots, labels = np.unique(np.array([root(run) for run in range(len(parents))], dtype=int), return_inverse=True)
    return runs, labels, len(roots)


def _runs(mask: np.ndarray) -> Runs:
    edges = np.diff(mask.astype(np.int8), axis=1, prepend=0, append=0)
    row, start = np.nonzero(edges == 1)
    return Runs(row, start, np.nonzero(edges == -1)[1])


def _touching(runs: Runs, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of runs in neighbouring rows that share a column, or touch at a corner."""
    # As places in one long line, in which a row begins where the row before it, and room for a corner, has ended.
    stride = width + 2
    above, stop = (runs.row + 1) * stride + runs.start, (runs.row + 1) * stride + runs.stop
    own_start, own_stop = runs.row * stride + runs.start, runs.row * stride + runs.stop
    first = np.searchsorted(stop, own_start, side="left")
    last = np.searchsorted(above, own_stop, side="right")
    counts = np.maximum(last - first, 0)
    lower = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + within, lower
