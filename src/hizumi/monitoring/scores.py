"""The watch over scores: charts of their normal scores, and tests that hold whatever their law.

Scores are not Gaussian, and each detector has its own law. Their ranks (`ranks`) are uniform p-values whatever it is,
and the Gaussian quantiles of those are what the charts are made for (the probability integral transform): no law is
assumed, and published run lengths hold.

Drift and defects are told apart by where the p-values lie. Defects are a few very unusual pictures: they are over the
cut, set aside, and never charted, so that a burst of them moves no chart. A drift makes many pictures a little more
unusual, which charts and martingale see in the pictures that are left. And if it is so large that most pictures are
set aside, that is an alarm of its own (`majority`).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import numpy as np
from scipy.special import ndtri

from hizumi.calibration.martingale import Martingale
from hizumi.monitoring.baseline import Baseline
from hizumi.monitoring.drawing import ChartState, chart, charts_of, in_powers_of_ten
from hizumi.monitoring.limits import Limits, Scale
from hizumi.monitoring.majority import Majority, majority_limit
from hizumi.monitoring.measure import NEWEST, REMEMBERED, MeasureCharts, Point, Signal
from hizumi.monitoring.ranks import SequentialRanks
from hizumi.monitoring.settings import WatchSettings
from hizumi.shapes import Float


def _points() -> deque[Point]:
    return deque(maxlen=REMEMBERED)


@dataclass(eq=False)
class ScoreWatch:
    """Scores against those of good pictures; `exchangeable` says whether good scores were, in the order of time."""

    good: Float[np.ndarray, " n"]  # in ascending order
    ranks: SequentialRanks
    charts: MeasureCharts
    majority: Majority
    most_wealth: float
    exchangeable: bool
    martingale: Martingale = field(default_factory=Martingale)
    p_values: deque[Point] = field(default_factory=_points)
    wealth: deque[Point] = field(default_factory=_points)
    evidence: deque[Point] = field(default_factory=_points)

    @classmethod
    def of(cls, baseline: Baseline, run_length: float, settings: WatchSettings) -> Self:
        """Of a baseline with scores; each chart has this run length."""
        scale = Scale(slow=baseline.score_slow)
        good = np.sort(baseline.scores)
        return cls(
            good,
            SequentialRanks.after(good, np.random.default_rng(settings.seed)),
            MeasureCharts("score", scale, Limits.of(scale, run_length)),
            Majority(majority_limit(run_length)),
            1 / settings.ever,
            exchangeable=not baseline.score_drifts,
        )

    def observe(self, at: datetime, score: float, chance: float) -> tuple[bool, list[Signal]]:
        """Whether the picture is set aside, and what the charts signal."""
        p_value = self.ranks.p_value(score, chance)
        evidence, alarmed = self.majority.add(at, p_value is None)
        self.evidence.append(Point(at, evidence, alarmed))
        signals = [Signal("set_aside", "majority", 1, self.majority.since or at)] if alarmed else []
        if p_value is None:
            return True, signals
        self.p_values.append(Point(at, p_value, False))
        signals += self.charts.observe(at, -float(ndtri(max(p_value, 1e-12))))
        return False, signals + self._bet(at, p_value)

    def _bet(self, at: datetime, p_value: float) -> list[Signal]:
        if not self.exchangeable:
            return []
        wealth = self.martingale.bet(p_value)
        alarmed = wealth >= self.most_wealth
        self.wealth.append(Point(at, wealth, alarmed))
        if not alarmed:
            return []
        way, self.martingale = self.martingale.way, Martingale()
        return [Signal("score", "martingale", way, self.charts.since_of(way, at))]

    def shift_from_good(self, scores: Sequence[float]) -> tuple[float, float]:
        """`MeasureCharts.shift` of scores among the good ones alone, of which no later ones have become part."""
        ranks = (len(self.good) - np.searchsorted(self.good, scores) + 0.5) / (len(self.good) + 1)
        return self.charts.shift_of((-ndtri(ranks)).tolist())

    def most_are(self) -> bool:
        """Whether most of the newest pictures are very unusual."""
        return self.majority.holds([point.value for point in self.evidence][-NEWEST:])

    def drawn(self) -> list[ChartState]:
        """All charts."""
        most = float(np.log10(self.most_wealth))
        found = [
            *charts_of(self.charts),
            chart("p_value", "value", "", self.p_values, 0.5, 0.0, 1.0),
            chart("set_aside", "majority", "nats", self.evidence, 0.0, None, self.majority.limit),
        ]
        if self.exchangeable:
            found.append(chart("score", "martingale", "powers of ten", in_powers_of_ten(self.wealth), 0.0, None, most))
        return found

    def to_dict(self) -> dict[str, Any]:
        """What has been observed, ready for JSON."""
        return {
            "ranks": self.ranks.to_dict(),
            "charts": self.charts.to_dict(),
            "majority": self.majority.to_dict(),
            "martingale": {"accounts": list(self.martingale.accounts), "seen": self.martingale.seen},
            **{name: [point.to_list() for point in getattr(self, name)] for name in ("p_values", "wealth", "evidence")},
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Undo `to_dict`."""
        self.ranks = SequentialRanks(**plain["ranks"])
        self.charts.restore(plain["charts"])
        self.majority.restore(plain["majority"])
        self.martingale = Martingale(**plain["martingale"])
        for name in ("p_values", "wealth", "evidence"):
            getattr(self, name).extend(map(Point.from_list, plain[name]))
