"""Which inspections are of one part, as its views are: what is seen on one of them is often seen on the others."""

from collections.abc import Sequence

import numpy as np

from hizumi.evaluation.units import numbered, share_interval
from hizumi.station.entry import Entry

REMEMBERED = 100_000  # codes of parts whose views may still come


class Units:
    """Numbers the parts of inspections in the order of the log.

    As where views are waited for (`Views`), a view that comes again is of another part of the same code. A picture
    without the code of a part, or the name of a view, is of a part of its own.
    """

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[tuple[str, str], tuple[int, set[str]]] = {}

    def of(self, entry: Entry) -> int:
        """The number of one more inspection's part."""
        key = (entry.recipe, entry.part)
        if not entry.part or not entry.view:
            return self._new()
        number, views = self._open.pop(key, (-1, {entry.view}))
        if entry.view in views:
            number, views = self._new(), set()
        self._open[key] = (number, views | {entry.view})
        if len(self._open) > REMEMBERED:
            del self._open[next(iter(self._open))]
        return number

    def _new(self) -> int:
        self._count += 1
        return self._count


def interval_of(events: Sequence[bool] | bytearray, units: Sequence[int]) -> tuple[float, float]:
    """95% interval of the share of pictures with an event, which goes by parts; (0, 1) where there are no pictures."""
    return share_interval(np.array(events, dtype=bool), numbered(units)) if len(events) else (0.0, 1.0)
