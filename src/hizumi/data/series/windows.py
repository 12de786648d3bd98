"""Windows cut out of recordings, and the scores of steps from those of the windows that cover them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hizumi.data.series.form import Recording, SeriesForm, Steps
from hizumi.data.series.steadying import Steadying
from hizumi.shapes import Float, Integer


class Windows(Sequence[np.ndarray]):
    """Windows (1, length, c) of stretches of recordings, every `hop` steps, cut out only when they are asked for."""

    def __init__(
        self, recordings: Sequence[Recording], stretches: Sequence[tuple[int, Steps]], form: SeriesForm
    ) -> None:
        self._recordings = recordings
        self._length = form.length
        starts = [np.arange(steps.start, steps.stop - form.length + 1, form.hop) for _, steps in stretches]
        self.stretch = np.repeat(np.arange(len(stretches)), [len(each) for each in starts])
        self._recording = np.array([recording for recording, _ in stretches], dtype=np.int64)[self.stretch]
        self._start = np.concatenate([np.empty(0, dtype=np.int64), *starts])

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, index: Any) -> Any:
        start = self._start[index]
        return self._recordings[self._recording[index]].values[np.newaxis, start : start + self._length]


def steps_scored(
    scores: Float[np.ndarray, "w"],
    starts: Integer[np.ndarray, "w"],
    length: int,
    steps: Steps,
    steadying: Steadying | None = None,
) -> Float[np.ndarray, "t"]:
    """Each step's mean over the scores of the windows that cover it, as for `overlap_mean`, steadied where given."""
    means = overlap_mean(np.broadcast_to(scores[:, np.newaxis], (len(scores), length)), starts, steps)
    return means if steadying is None else steadying(means, covering(starts, length, steps))


def covering(starts: Integer[np.ndarray, "w"], length: int, steps: Steps) -> Integer[np.ndarray, "t"]:
    """How many windows cover each step; their starts come in order."""
    begun, ended = (np.searchsorted(starts + after, np.arange(*steps), side="right") for after in (0, length))
    return begun - ended


def overlap_mean(
    windows: Float[np.ndarray, "w length *others"], starts: Integer[np.ndarray, "w"], steps: Steps
) -> Float[np.ndarray, "t *others"]:
    """Each step's mean over what the windows that cover it have there; every step of the stretch must be covered."""
    total = np.zeros((len(steps), *windows.shape[2:]))
    count = np.zeros((len(steps), *(1,) * (windows.ndim - 2)))
    for start, window in zip((starts - steps.start).tolist(), windows, strict=True):
        first, stop = max(start, 0), min(start + len(window), len(steps))
        total[first:stop] += window[first - start : stop - start]
        count[first:stop] += 1
    return total / count
