"""The watch over measures of pictures."""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from hizumi.data.appearance import Look
from hizumi.errors import DataError
from hizumi.monitoring.baseline import Baseline, Sizes
from hizumi.monitoring.drawing import ChartState, chart, charts_of
from hizumi.monitoring.limits import Limits, Scale
from hizumi.monitoring.majority import Majority, majority_limit
from hizumi.monitoring.measure import NEWEST, REMEMBERED, MeasureCharts, Point, Signal

# Below, a spread is of no account: half a percent of the window, or of a ratio, steps of rounding in JPEG blocks.
LEAST_SIGMA = {"brightness": 0.005, "contrast": 0.005, "blocks": 0.05, "noise": 0.05, "warmth": 0.01, "tint": 0.01}
LEAST_SIGMA_ELSE = 0.02


@dataclass(eq=False)
class LookWatch:
    """Charts of each measure that the baseline knows, and evidence that most pictures are of another size."""

    measures: dict[str, MeasureCharts]
    sizes: Sizes | None
    majority: Majority
    evidence: deque[Point] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @classmethod
    def of(cls, baseline: Baseline, run_length: float) -> Self:
        """Of a baseline with measures; each chart has this run length."""
        measures = {}
        for name, spread in baseline.measures.items():
            scale = Scale.of(spread, LEAST_SIGMA.get(name, LEAST_SIGMA_ELSE))
            measures[name] = MeasureCharts(name, scale, Limits.of(scale, run_length))
        return cls(measures, baseline.sizes, Majority(majority_limit(run_length)))

    def observe(self, at: datetime, look: Look, set_aside: bool) -> list[Signal]:
        """What the charts signal; a picture that is set aside is remembered and not charted, as it may be a defect."""
        values = {name: value for name in self.measures if (value := getattr(look, name)) is not None}
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            raise DataError(f"the {wrong[0]} of a picture is not finite: it cannot be watched; look at the picture")
        signals = self._size(at, look)
        for name, value in values.items():
            if set_aside:
                self.measures[name].note(at, value)
            else:
                signals += self.measures[name].observe(at, value)
        return signals

    def _size(self, at: datetime, look: Look) -> list[Signal]:
        if self.sizes is None:
            return []
        evidence, alarmed = self.majority.add(at, not self.sizes.include(look))
        self.evidence.append(Point(at, evidence, alarmed))
        return [Signal("size", "majority", 1, self.majority.since or at)] if alarmed else []

    def most_are(self) -> bool:
        """Whether most of the newest pictures are of another size."""
        return self.majority.holds([point.value for point in self.evidence][-NEWEST:])

    def drawn(self) -> list[ChartState]:
        """All charts."""
        found = [state for measure in self.measures.values() for state in charts_of(measure)]
        return [*found, chart("size", "majority", "nats", self.evidence, 0.0, None, self.majority.limit)]

    def to_dict(self) -> dict[str, Any]:
        """What has been observed, ready for JSON."""
        return {
            "measures": {name: measure.to_dict() for name, measure in self.measures.items()},
            "majority": self.majority.to_dict(),
            "evidence": [point.to_list() for point in self.evidence],
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Undo `to_dict`."""
        for name, measure in self.measures.items():
            measure.restore(plain["measures"][name])
        self.majority.restore(plain["majority"])
        self.evidence.extend(map(Point.from_list, plain["evidence"]))
