"""Time series: recordings of sensors, and how they are cut into windows that are learned and blocks that are judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from hizumi.shapes import Bool, Float, Integer

BLOCK_WINDOWS = 2  # lengths of a window in a block: what is judged as one, and ranked among others of its kind


@dataclass(frozen=True, eq=False)
class Recording:
    """Steps that follow one another at one rate without a gap, with one number for each channel.

    `times` are nanoseconds since 1970, None where steps are merely counted; `anomalous` is True at steps that are
    labelled so, None without labels. `split` is as a record's, and `kind` what its anomalies are, where a folder says.
    """

    name: str
    values: Float[np.ndarray, "t c"]
    times: Integer[np.ndarray, "t"] | None = None
    anomalous: Bool[np.ndarray, "t"] | None = None
    split: str | None = None
    kind: str | None = None

    def __len__(self) -> int:
        return len(self.values)


class Steps(NamedTuple):
    """A stretch of a recording, [start, stop)."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class SeriesForm:
    """How recordings were understood at a fit, and are to be at the next: stored in every bundle.

    `columns` names the channels in their order. A step takes `step_seconds`, None where steps are merely counted. A
    window has `length` steps, and the next one begins `hop` steps later; `length` is a multiple of `hop`.
    """

    columns: tuple[str, ...]
    step_seconds: float | None
    length: int
    hop: int

    @property
    def block(self) -> int:
        """Steps that are judged as one."""
        return BLOCK_WINDOWS * self.length

    @property
    def channels(self) -> int:
        """Numbers of a step."""
        return len(self.columns)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a window as networks take it: an image (channels, 1, length), one row high."""
        return self.channels, 1, self.length

    def blocks(self, steps: Steps) -> Iterator[Steps]:
        """A stretch in blocks, of which the last one may be shorter."""
        for start in range(steps.start, steps.stop, self.block):
            yield Steps(start, min(start + self.block, steps.stop))

    def starts(self, steps: Steps, inside: Steps) -> Integer[np.ndarray, "w"]:
        """First steps of the windows that score a stretch: all that cover any of it and lie inside of another.

        They are `hop` steps apart, counted from the stretch's beginning; where the last of these would leave steps at
        the end uncovered, one more ends there.
        """
        first = max(-((steps.start - inside.start) // self.hop), -(self.length // self.hop) + 1)
        last = min(steps.stop - 1, inside.stop - self.length)
        starts = np.arange(steps.start + first * self.hop, last + 1, self.hop)
        if not len(starts) or starts[-1] + self.length < steps.stop:
            starts = np.append(starts, inside.stop - self.length)
        return starts

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`."""
        return cls(**{**plain, "columns": tuple(plain["columns"])})


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
    scores: Float[np.ndarray, "w *others"], starts: Integer[np.ndarray, "w"], length: int, steps: Steps
) -> Float[np.ndarray, "t *others"]:
    """Each step's mean over the scores of the windows that cover it, as for `overlap_mean`."""
    windows = np.broadcast_to(scores[:, np.newaxis], (len(scores), length, *scores.shape[1:]))
    return overlap_mean(windows, starts, steps)


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
