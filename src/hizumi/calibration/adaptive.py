"""A threshold that follows what comes: adaptive conformal inference over a rolling reference of recent scores.

Gibbs and Candes, "Adaptive conformal inference under distribution shift" (2021): after an alarm the threshold is set
for a rate somewhat lower, after none for one somewhat higher. Over T scores the share of alarms then differs from the
rate asked by at most (1 + step) / (step T), whatever the scores are, drifting or chosen to deceive. That is all that it
claims.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from hizumi.calibration.conformal import conformal_rank
from hizumi.calibration.threshold import percent
from hizumi.errors import DataError, UsageError
from hizumi.shapes import Float

STEP = 0.005  # as in the paper
MEMORY = 500  # recent scores that new ones are ranked among


@dataclass(eq=False)
class AdaptiveThreshold:
    """Judges scores in the order of time; `level` is the rate that the threshold is set for now, below 0 or over 1 too.

    All scores join the reference, those of alarms too: an anomaly that lasts becomes normal.
    """

    rate: float
    recent: deque[float]
    step: float
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.rate

    @classmethod
    def after(cls, scores: Float[np.ndarray, "n"], rate: float, *, step: float = STEP, memory: int = MEMORY) -> Self:
        """Start from held-out scores, of which the last `memory` are kept; raises DataError without any."""
        if not 0 < rate < 1:
            raise UsageError(f"the rate is {rate:g}; give one between 0 and 1, such as 0.01")
        if not step > 0 or memory < 1:
            raise UsageError(f"step is {step:g} and memory {memory}; the step must be positive, the memory 1 or more")
        if not len(scores) or not np.isfinite(scores).all():
            raise DataError("an adaptive threshold starts from finite held-out scores, one or more: calibrate first")
        return cls(rate, deque(scores.astype(np.float64).tolist(), maxlen=memory), step)

    @property
    def value(self) -> float:
        """What the next score is compared with; infinite while no alarm, or nothing but alarms, is due."""
        count = len(self.recent)
        rank = conformal_rank(count, self.level)
        if rank > count:
            return math.inf
        return sorted(self.recent)[rank - 1] if rank > 0 else -math.inf

    def judge(self, score: float) -> bool:
        """Whether the score is over the threshold, which then moves; raises DataError for NaN."""
        if math.isnan(score):
            raise DataError("a score is NaN: no decision can be made")
        alarm = score > self.value
        self.level += self.step * (self.rate - alarm)
        self.recent.append(score)
        return alarm

    @property
    def promise(self) -> str:
        """What it claims, in words."""
        blocks = math.ceil((1 + self.step) / (self.step * self.rate))
        return (
            f"The threshold adapts: in the long run {percent(self.rate)} of blocks raise an alarm whatever comes, "
            f"those with an anomaly among them; after {blocks:,} blocks the share is off by as much at most. "
            "Nothing is promised of any one block or hour, and what lasts becomes normal."
        )
