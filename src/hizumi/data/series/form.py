"""Recordings of sensors, and the form that cuts them into windows that are learned and blocks that are judged."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from hizumi.shapes import Bool, Float, Integer

BLOCK_WINDOWS = 2  # lengths of a window in a block: what is judged as one, and ranked among others of its kind

PART = ", part "  # in the name of a recording that a source was split into, before its number

DateOrder = Literal["day", "month"]
"""What comes first in dates such as 01/02/2026."""


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
    window has `length` steps, and the next one begins `hop` steps later; `length` is a multiple of `hop`. Dates such as
    01/02/2026 are read in the `date_order`, None where there were none. `group_column` is the one that was named as
    telling the recordings of a table apart, `time_column` the one that was named as holding their time stamps.
    """

    columns: tuple[str, ...]
    step_seconds: float | None
    length: int
    hop: int
    date_order: DateOrder | None = None
    group_column: str | None = None
    time_column: str | None = None

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
