"""Time stamps of rows that come one after another: where they break off, and whether their rate is the one learned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from hizumi.data.series.breaks import largest_difference, stamp, step_between
from hizumi.data.series.form import DateOrder
from hizumi.data.series.readings import SeriesTable
from hizumi.data.series.resampling import is_same_step
from hizumi.data.series.time_stamps import SECOND, stamps_of
from hizumi.errors import DataError
from hizumi.shapes import Integer

STEPS_THAT_TELL = 50  # from whose differences the rate is then known


class RowTimes:
    """Times of the rows that may still be named, by their numbers in the stream; of none where there are no stamps.

    `open_since` is the first row of an event that may go on.
    """

    def __init__(self) -> None:
        self.open_since: int | None = None
        self._first, self._times = 0, np.empty(0, dtype=np.int64)

    def note(self, row: int, times: Integer[np.ndarray, "n"] | None, kept: int) -> None:
        """Times of the rows from this one on; those more than `kept` before it go, but for an open event's.

        Where rows were left out before it, all go.
        """
        if times is None:
            return
        if row != self._first + len(self._times):
            self._first, self._times = row, self._times[:0]
        oldest = max(self._first, min(row - kept, row if self.open_since is None else self.open_since))
        self._times = np.concatenate([self._times[oldest - self._first :], times])
        self._first = oldest

    def at(self, row: int) -> str:
        """When a row was, in ISO 8601; "" without stamps."""
        return stamp(int(self._times[row - self._first])) if len(self._times) else ""


@dataclass(eq=False)
class StampWatch:
    """The stamps of the column `name` of a source, `where` in messages, of which one comes every `step_seconds`."""

    where: str
    name: str
    step_seconds: float
    date_order: DateOrder | None = None
    _last: int | None = field(default=None, init=False)
    _differences: list[int] = field(default_factory=list, init=False)  # the first ones

    def observe(
        self, stamps: Sequence[tuple[int, str]]
    ) -> Iterator[tuple[slice, Integer[np.ndarray, "n"]] | DataError]:
        """Places of rows that follow one another, with their times, and an error wherever they break off.

        Each stamp comes with its line. Raises DataError once it is known that the rate is not the one learned.
        """
        try:
            times = self._times(stamps)
        except DataError as error:
            if len(stamps) == 1:
                yield error
                return
            for place, each in enumerate(stamps):
                for found in self.observe([each]):
                    yield found if isinstance(found, DataError) else (slice(place, place + 1), found[1])
            return
        before = times[:1] if self._last is None else np.array([self._last])
        differences = np.diff(np.concatenate([before, times]))
        self._refuse_other_rate(differences if self._last is not None else differences[1:])
        breaks = (differences <= 0) | (differences > largest_difference(times, self.step_seconds * SECOND))
        breaks[0] &= self._last is not None
        for start, stop in pairwise(sorted({0, *np.flatnonzero(breaks).tolist(), len(times)})):
            if breaks[start]:
                earlier = int(times[start - 1]) if start else int(before[0])
                yield self._break(stamps[start][0], earlier, int(times[start]))
            yield slice(start, stop), times[start:stop]
        self._last = int(times[-1])

    def _times(self, stamps: Sequence[tuple[int, str]]) -> Integer[np.ndarray, "n"]:
        lines, words = zip(*stamps, strict=True)
        column = np.array(words, dtype=object)
        table = SeriesTable(self.where, self.where, {self.name: column}, np.array(lines), "line")
        return stamps_of(table, self.name, self.date_order)[0]

    def _refuse_other_rate(self, differences: Integer[np.ndarray, "n"]) -> None:
        if len(self._differences) >= STEPS_THAT_TELL:
            return
        self._differences += differences[: STEPS_THAT_TELL - len(self._differences)].tolist()
        if len(self._differences) < STEPS_THAT_TELL:
            return
        own = step_between(np.array(self._differences)) / SECOND
        if not is_same_step(own, self.step_seconds):
            raise DataError(
                f"{self.where}: a step takes {own:g} s, and steps of {self.step_seconds:g} s were learned from; bring "
                "the rows to that rate, or fit on such"
            )

    def _break(self, line: int, before: int, after: int) -> DataError:
        what = "a gap" if after > before else "a repeated time stamp" if after == before else "a step back in time"
        return DataError(f"{self.where}: line {line}: {what}, from {stamp(before)} to {stamp(after)}")
