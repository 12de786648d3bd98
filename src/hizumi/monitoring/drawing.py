"""Charts as a page draws them."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hizumi.monitoring import words
from hizumi.monitoring.measure import MeasureCharts, Point


@dataclass(frozen=True)
class ChartState:
    """One chart, in the unit in which it is drawn.

    Attributes:
        name: "measure.chart", as in alarms.
        points: Of the last pictures: `at` (ISO time), `value`, and whether it `alarmed`.
        centre, lower, upper: Lines; None where there is none.
        explanation: What it shows, and what a point beyond a limit means.
    """

    name: str
    title: str
    unit: str
    points: tuple[dict[str, Any], ...]
    centre: float | None
    lower: float | None
    upper: float | None
    explanation: str

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)


def chart(
    measure: str,
    kind: str,
    unit: str,
    points: Iterable[Point],
    centre: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
) -> ChartState:
    """A chart whose points and lines are in its unit already."""
    name, explanation = words.CHARTS[kind]
    drawn = tuple({"at": at.isoformat(), "value": value, "alarmed": alarmed} for at, value, alarmed in points)
    title = f"{name}: {words.TITLES[measure]}"
    return ChartState(f"{measure}.{kind}", title, unit, drawn, centre, lower, upper, explanation)


def charts_of(measure: MeasureCharts) -> list[ChartState]:
    """All charts of a measure: places and spreads in its unit, sums in sigma."""
    name, limits = measure.name, measure.limits
    unit = words.unit(name)

    def place(value: float) -> float:
        return words.shown(name, measure.scale.centre + measure.scale.sigma * value)

    def size(value: float) -> float:
        return words.shown(name, measure.scale.sigma * value)

    found = []
    for kind, half in (("mean", limits.mean), ("ewma", limits.ewma)):
        points = [point._replace(value=place(point.value)) for point in measure.points[kind]]
        found.append(chart(name, kind, unit, points, place(0), place(-half), place(half)))
    spreads = [point._replace(value=size(point.value)) for point in measure.points["deviation"]]
    found.insert(1, chart(name, "deviation", unit, spreads, None, None, size(limits.deviation)))
    sums = [
        chart(name, kind, words.SIGMA, measure.points[kind], 0.0, None, limits.cusum)
        for kind in ("cusum_rising", "cusum_falling")
    ]
    return found + sums


def in_powers_of_ten(points: Iterable[Point]) -> list[Point]:
    """Wealth as its logarithm."""
    return [point._replace(value=math.log10(max(point.value, 1e-300))) for point in points]
