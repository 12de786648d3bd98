"""The charts of one measure, value by value."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from hizumi.calibration.spread import SUBGROUP
from hizumi.monitoring.limits import WEIGHT, Limits, Scale

SERIES = ("mean", "deviation", "ewma", "cusum_rising", "cusum_falling")
REMEMBERED = 120  # points of each series, and values
NEWEST = 40  # values by which it is seen whether a drift still holds


class Point(NamedTuple):
    """One plotted point; `value` is in sigma."""

    at: datetime
    value: float
    alarmed: bool

    def to_list(self) -> list[Any]:
        """Everything, ready for JSON."""
        return [self.at.isoformat(), self.value, self.alarmed]

    @classmethod
    def from_list(cls, plain: Sequence[Any]) -> "Point":
        """Undo `to_list`."""
        return cls(datetime.fromisoformat(plain[0]), *plain[1:])


class Value(NamedTuple):
    """One value as it was observed, in its unit."""

    at: datetime
    value: float


class Signal(NamedTuple):
    """A chart beyond its limit, and since when the shift is taken to have been there."""

    measure: str
    chart: str
    way: int  # 1 higher, -1 lower, 0 less steady
    since: datetime


def _series() -> dict[str, deque[Point]]:
    return {name: deque(maxlen=REMEMBERED) for name in SERIES}


@dataclass(eq=False)
class MeasureCharts:
    """Means and standard deviations of subgroups, EWMA, and both CUSUMs; a chart that signals starts again."""

    name: str
    scale: Scale
    limits: Limits
    subgroup: list[float] = field(default_factory=list)
    average: float = 0.0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])
    since: list[datetime | None] = field(default_factory=lambda: [None, None])
    points: dict[str, deque[Point]] = field(default_factory=_series)
    recent: deque[Value] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def observe(self, at: datetime, value: float) -> list[Signal]:
        """Chart one more value in the measure's unit."""
        self.note(at, value)
        standard = self.scale.standardised(value)
        return [*self._cusums(at, standard), *self._ewma(at, standard), *self._subgroup(at, standard)]

    def note(self, at: datetime, value: float) -> None:
        """Remember a value that is not charted: of a picture that is set aside."""
        self.recent.append(Value(at, value))

    def since_of(self, way: int, at: datetime) -> datetime:
        """When the sum of this way last left zero."""
        return (self.since[0 if way > 0 else 1] or at) if way else at

    def shift(self, since: datetime, least: int) -> tuple[float, float]:
        """Mean of the values since then, of the `least` newest at least, in the unit, and how sure a shift it is.

        The second is in standard errors of that mean, with everything that the limits allow for.
        """
        values = [each.value for each in self.recent if each.at >= since]
        if len(values) < least:
            values = [each.value for each in list(self.recent)[-least:]]
        return self.shift_of(values)

    def shift_of(self, values: Sequence[float]) -> tuple[float, float]:
        """Of these values, the same; without any, nothing is known to have moved."""
        if not values:
            return self.scale.centre, 0.0
        now = float(np.median(values))
        away = (now - self.scale.centre) / self.scale.sigma
        allowed = np.hypot(self.scale.stretch / np.sqrt(len(values)), self.scale.slow) + self.scale.error
        return now, float(away / allowed)

    def is_unsteady(self) -> bool:
        """Whether the newest subgroups spread more than halfway from what is usual to the limit."""
        newest = [point.value for point in self.points["deviation"]][-NEWEST // SUBGROUP :]
        return bool(newest) and float(np.median(newest)) > (1 + self.limits.deviation) / 2

    def _cusums(self, at: datetime, standard: float) -> list[Signal]:
        found = []
        for side, (way, series) in enumerate(((1, "cusum_rising"), (-1, "cusum_falling"))):
            if self.sums[side] == 0:
                self.since[side] = at
            total = max(0.0, self.sums[side] + way * standard - self.limits.slack)
            alarmed = total > self.limits.cusum
            self.points[series].append(Point(at, total, alarmed))
            if alarmed:
                found.append(Signal(self.name, series, way, self.since_of(way, at)))
            self.sums[side] = 0.0 if alarmed else total
        return found

    def _ewma(self, at: datetime, standard: float) -> list[Signal]:
        self.average += WEIGHT * (standard - self.average)
        return self._judged("ewma", at, self.average, self.limits.ewma)

    def _subgroup(self, at: datetime, standard: float) -> list[Signal]:
        self.subgroup.append(standard)
        if len(self.subgroup) < SUBGROUP:
            return []
        values, self.subgroup = sorted(self.subgroup), []
        # The farthest value is drawn in to the next, so that no single one alarms; limits are for the plain deviation.
        middle = values[SUBGROUP // 2]
        *nearer, _ = sorted(values, key=lambda value: abs(value - middle))
        drawn_in = [*nearer, nearer[-1]]
        average = sum(drawn_in) / SUBGROUP
        deviation = math.sqrt(sum((value - average) ** 2 for value in drawn_in) / (SUBGROUP - 1))
        unsteady = deviation > self.limits.deviation
        self.points["deviation"].append(Point(at, deviation, unsteady))
        found = self._judged("mean", at, sum(values) / SUBGROUP, self.limits.mean)
        return [*found, Signal(self.name, "deviation", 0, at)] if unsteady else found

    def _judged(self, series: str, at: datetime, value: float, limit: float) -> list[Signal]:
        alarmed = abs(value) > limit
        self.points[series].append(Point(at, value, alarmed))
        if not alarmed:
            return []
        if series == "ewma":
            self.average = 0.0
        way = 1 if value > 0 else -1
        return [Signal(self.name, series, way, self.since_of(way, at))]

    def to_dict(self) -> dict[str, Any]:
        """What has been observed, ready for JSON; scale and limits follow from the baseline."""
        return {
            "subgroup": list(self.subgroup),
            "average": self.average,
            "sums": list(self.sums),
            "since": [None if at is None else at.isoformat() for at in self.since],
            "points": {name: [point.to_list() for point in points] for name, points in self.points.items()},
            "recent": [[at.isoformat(), value] for at, value in self.recent],
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Undo `to_dict`."""
        self.subgroup = list(plain["subgroup"])
        self.average = plain["average"]
        self.sums = list(plain["sums"])
        self.since = [None if at is None else datetime.fromisoformat(at) for at in plain["since"]]
        for name in SERIES:
            self.points[name].extend(map(Point.from_list, plain["points"][name]))
        self.recent.extend(Value(datetime.fromisoformat(at), value) for at, value in plain["recent"])
