"""A recording that is still growing, judged while its rows arrive, as `inspect` would judge it once it is whole.

A step's score is the mean over the windows that cover it, so it is known when none to come can: a window's length
later. What has been said of a step does not change. So the held-out blocks' threshold fits, and what it promises holds.
Windows begin every hop, and where these leave steps at the end of a recording uncovered, one more ends there. Since any
row may be the last, a step waits for the whole length, not for the last window of those that begin every hop. The score
of the newest window alone would be known at once, but scatters more than means of windows do: by the same threshold it
would raise more alarms than were promised.

An adaptive threshold is set anew for every block, and moves once the block is known. What has been said stays, too.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np

from hizumi.calibration import AdaptiveThreshold
from hizumi.data.missing import not_finite
from hizumi.data.series.form import SeriesForm, Steps
from hizumi.data.series.windows import steps_scored
from hizumi.errors import DataError, UsageError
from hizumi.inspection.scoring import SCORE, ScoresBatches
from hizumi.inspection.verdicts import InspectorBase
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.shapes import Float, Integer
from hizumi.storage.files import printable
from hizumi.words import counted

WINDOWS_AT_ONCE = 1024  # bounds the memory where many rows arrive together


class FollowedEvent(NamedTuple):
    """Steps over the threshold, none a window's length after the one before it.

    `start` and `stop` count the rows of the stream from 0; `stop` is None while the event may go on. The peak is the
    highest score so far, and the step that has it.
    """

    start: int
    stop: int | None
    peak: float
    peak_step: int


@dataclass(eq=False)
class FollowedEvents:
    """Opens and closes events over step scores that come one after another."""

    threshold: float
    window: int
    _open: FollowedEvent | None = None
    _last: int = 0

    def observe(self, first: int, scores: Float[np.ndarray, "m"]) -> Iterator[FollowedEvent]:
        """Events that open with the next steps, of which the first is given, and those that close."""
        for step in (np.flatnonzero(scores > self.threshold)).tolist():
            yield from self.close(before=first + step)
            score = float(scores[step])
            self._last = first + step
            if self._open is None:
                self._open = FollowedEvent(self._last, None, score, self._last)
                yield self._open
            elif score > self._open.peak:
                self._open = self._open._replace(peak=score, peak_step=self._last)
        yield from self.close(before=first + len(scores))

    def close(self, before: int | None = None) -> Iterator[FollowedEvent]:
        """The open event, if it ended a window or more before this step; None: in any case."""
        if self._open is not None and (before is None or before - self._last > self.window):
            yield self._open._replace(stop=self._last + 1)
            self._open = None


@dataclass(eq=False)
class Follower:
    """Judges rows of a recording as they arrive; whatever number of them is fed at a time, it says the same.

    `on_scores`, where given, gets the scores of steps as soon as they are known, with the number of the first. With
    `adaptive`, that threshold, which follows what comes, stands in place of the fixed one, and judges block by block.
    """

    scores: ScoresBatches
    preprocessing: Preprocessing
    threshold: float
    on_scores: Callable[[int, Float[np.ndarray, "m"]], None] | None = None
    adaptive: AdaptiveThreshold | None = None
    fed: int = field(default=0, init=False)  # rows of the stream so far,
    skipped: int = field(default=0, init=False)  # and those of them that could not be used
    _rows: Float[np.ndarray, "n c"] = field(init=False)  # the newest, a window's or more
    _starts: list[int] = field(default_factory=list, init=False)  # of windows that cover steps still to be known
    _scores: list[float] = field(default_factory=list, init=False)
    _first: int = field(default=0, init=False)  # of the recording
    _window: int = field(default=0, init=False)  # where the one to score next begins
    _next: int = field(default=0, init=False)  # first step still unknown
    _events: FollowedEvents = field(init=False)
    _peak: float = field(default=-math.inf, init=False)  # of the block that is not complete yet

    def __post_init__(self) -> None:
        self._rows = np.empty((0, self._form.channels))
        self._events = FollowedEvents(self.threshold, self._form.length)

    @classmethod
    def of(
        cls,
        inspector: InspectorBase,
        on_scores: Callable[[int, Float[np.ndarray, "m"]], None] | None = None,
        *,
        adaptive: bool = False,
    ) -> Self:
        """With a fitted or loaded inspector of series, by its threshold or an adaptive one that starts there.

        That is for the rate asked, or the lowest that so few held-out blocks can promise: for less no alarm would be
        due. Raises UsageError for an inspector of other data.
        """
        scorer, preprocessing = inspector.scorer(), inspector.preprocessing_
        if preprocessing.series is None:
            raise UsageError(
                "this inspector judges single items, and only series grow: fit one with --series (`series`)"
            )
        held_out, threshold = inspector.calibration_.scores, inspector.calibration_.threshold
        rate = max(threshold.asked_rate, threshold.promised_rate or 0.0)
        follows = AdaptiveThreshold.after(held_out, rate) if adaptive else None
        return cls(scorer.scores, preprocessing, threshold.value, on_scores, follows)

    @property
    def _form(self) -> SeriesForm:
        assert self.preprocessing.series is not None, "only series are followed"
        return self.preprocessing.series

    @property
    def delay(self) -> int:
        """Rows after which everything is known of one."""
        return self._form.length

    def feed(self, rows: Float[np.ndarray, "n c"]) -> list[FollowedEvent]:
        """The rows that come next, in the learned order of columns; gives events that open or close by them.

        Raises DataError for a row with a number that is missing, infinite or too large, and for a window whose score is
        not finite: nothing of these rows is then kept. After `finish`, rows begin a new recording.
        """
        self._refuse_unusable(rows)
        before, known = (self._rows, self.fed, self._window), len(self._starts)
        self._rows = np.concatenate([self._rows, rows])
        self.fed += len(rows)
        newest = self.fed - self._form.length  # where a window would begin that ends here
        try:
            while self._window <= newest:
                complete = (newest - self._window) // self._form.hop + 1
                starts = self._window + self._form.hop * np.arange(min(complete, WINDOWS_AT_ONCE))
                self._score(starts)
                self._window = int(starts[-1]) + self._form.hop
        except DataError:
            self._rows, self.fed, self._window = before
            del self._starts[known:], self._scores[known:]
            raise
        events = list(self._judge(newest))
        self._rows = self._rows[-self._form.length :]
        return events

    def finish(self) -> list[FollowedEvent]:
        """The recording ends here, or has a gap: judge its last steps, and close what is open.

        Raises DataError where it has ended without one whole window, or its last one has a score that is not finite.
        """
        try:
            events = list(self._last_steps())
        finally:
            self._end_block()
            self._rows, self._first, self._window, self._next = self._rows[:0], self.fed, self.fed, self.fed
            self._starts, self._scores = [], []
        return [*events, *self._events.close()]

    def skip_to(self, row: int) -> None:
        """After `finish`: the next row is this one of the stream, since those before it could not be used."""
        if row > self.fed:
            self.skipped += row - self.fed
            self.fed = self._first = self._window = self._next = row

    def _last_steps(self) -> Iterator[FollowedEvent]:
        steps, length = self.fed - self._first, self._form.length
        if not steps:
            return
        if steps < length:
            raise DataError(
                f"the recording has {counted(steps, 'step')}, fewer than a window's {length}: it cannot be judged"
            )
        if self._window - self._form.hop + length < self.fed:  # the last window leaves steps uncovered
            last_block = self.fed - 1 - (steps - 1) % self._form.block
            yield from self._judge(last_block)  # one more window counts in the last block alone
            self._score(np.array([self.fed - length]))
        yield from self._judge(self.fed)

    def _score(self, starts: Integer[np.ndarray, "w"]) -> None:
        windows = np.lib.stride_tricks.sliding_window_view(self._rows, self._form.length, axis=0)
        crops = np.ascontiguousarray(windows[starts - self.fed + len(self._rows)][:, :, np.newaxis])
        scores = self.scores(crops)[SCORE]
        if not np.isfinite(scores).all():
            row = int(starts[~np.isfinite(scores)][0])
            raise DataError(f"the window from row {row} on has a score that is not finite: it cannot be judged")
        self._starts += starts.tolist()
        self._scores += scores.tolist()

    def _judge(self, until: int) -> Iterator[FollowedEvent]:
        """Steps up to this one, which no window to come covers."""
        first, length = self._next, self._form.length
        if until <= first:
            return iter(())
        scores, starts = np.array(self._scores, dtype=np.float64), np.array(self._starts, dtype=np.int64)
        steps = steps_scored(scores, starts, length, Steps(first, until), self.preprocessing.steadying)
        kept = next((place for place, start in enumerate(self._starts) if start + length > until), len(self._starts))
        self._next, self._starts, self._scores = until, self._starts[kept:], self._scores[kept:]
        if self.on_scores is not None:
            self.on_scores(first, steps)
        return self._observed(first, steps)

    def _observed(self, first: int, scores: Float[np.ndarray, "m"]) -> Iterator[FollowedEvent]:
        """The next steps, by the threshold of the block that each is in."""
        if self.adaptive is None:
            yield from self._events.observe(first, scores)
            return
        block = self._form.block
        while len(scores):
            part = scores[: block - (first - self._first) % block]
            self._events.threshold = self.adaptive.value
            yield from self._events.observe(first, part)
            self._peak = max(self._peak, float(part.max()))
            first, scores = first + len(part), scores[len(part) :]
            if (first - self._first) % block == 0:
                self._end_block()

    def _end_block(self) -> None:
        """Move an adaptive threshold by what it said of a block."""
        if self.adaptive is not None and self._peak > -math.inf:
            self.adaptive.judge(self._peak)
        self._peak = -math.inf

    def _refuse_unusable(self, rows: Float[np.ndarray, "n c"]) -> None:
        columns = self._form.columns
        if rows.ndim != 2 or rows.shape[1] != len(columns):
            raise DataError(f"a row has {rows.shape[-1]} numbers, and {len(columns)} columns were learned: {columns}")
        with np.errstate(over="ignore"):
            scaled = self.preprocessing.to_model(rows.T[np.newaxis, :, np.newaxis])[0, :, 0].T
        wrong = np.argwhere(~np.isfinite(rows) | ~np.isfinite(scaled))
        if len(wrong):
            row, column = wrong[0]
            what = not_finite(rows[row, column])
            raise DataError(
                f"row {self.fed + row}: {printable(columns[column])!r} is {what}; fill it in or leave it out"
            )
