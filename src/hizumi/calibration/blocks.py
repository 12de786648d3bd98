"""What a threshold promises over time, where blocks of a series are judged; and whether recent blocks still fit to it.

Windows that overlap are not exchangeable, so blocks are what is ranked: two windows' length, scored by their highest
step. What is promised holds on average, as long as the blocks that come are like those held out.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np

from hizumi.calibration.martingale import Martingale
from hizumi.calibration.threshold import Threshold
from hizumi.shapes import Float
from hizumi.words import counted

EVER = 0.01  # probability that blocks like those held out are ever said to have drifted
_UNITS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))


def promise_over_blocks(threshold: Threshold, held_out: int, block_steps: int, step_seconds: float | None) -> str:
    """What a conformal threshold promises of blocks, in words.

    Empty where the threshold promises nothing.
    """
    if threshold.promised_rate is None:
        return ""
    among = held_out + 1
    alarms = round(threshold.promised_rate * among)
    of_steps = f"{counted(held_out, 'block')} of {block_steps} steps"
    words = f"{of_steps}: at most {counted(alarms, 'alarm')} in {among} blocks on average"
    if alarms and step_seconds is not None:
        words += f", or one in {duration(among * block_steps * step_seconds / alarms)}"
    return f"{words}, as long as what comes is like what was held out."


def duration(seconds: float) -> str:
    """A span of time in the largest unit of which it has one: "14 min"."""
    unit, name = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds / unit:.3g} {name}"


class BlockDrift(NamedTuple):
    """Blocks rank too high, or too low, for chance: `known` after so many blocks, of which those from `since` on do."""

    since: int
    known: int
    higher: bool

    @property
    def words(self) -> str:
        """For people; a clause, without its full stop."""
        those = f"the last {self.known - self.since} of {self.known} blocks rank"
        if not self.higher:
            return f"{those} lower than chance allows among those held out: the threshold is too high for them"
        return (
            f"{those} higher than chance allows among those held out: an anomaly that lasts, or a drift, and then the "
            "promise does not hold. Where they are normal, calibrate on such blocks, or let the threshold adapt"
        )


@dataclass(eq=False)
class BlockWatch:
    """Ranks blocks, in the order of time, among those held out and those before, and bets against chance.

    If all are exchangeable, it reports a drift with a probability of `EVER` at most, however long it watches. Every
    second block is ranked: neighbours share windows, and rise together without any drift.
    """

    ranked: list[float]
    generator: "np.random.Generator"  # numpy.random is not imported before it is used
    martingale: Martingale = field(default_factory=Martingale)
    seen: int = 0
    lowest: float = 1.0
    since: int = 0

    @classmethod
    def after(cls, held_out: Float[np.ndarray, "n"], *, seed: int = 0) -> Self:
        """Start from the scores of blocks held out; the seed is for breaking ties."""
        return cls(sorted(held_out.astype(np.float64).tolist()), np.random.default_rng(seed))

    def observe(self, score: float) -> BlockDrift | None:
        """One more block; a drift where its evidence is now enough, whereupon the watch starts to bet anew."""
        self.seen += 1
        if self.seen % 2 == 0:
            return None
        wealth = self.martingale.bet(self._p_value(score))
        if wealth <= self.lowest:
            self.lowest, self.since = wealth, self.seen
        if wealth < 1 / EVER:
            return None
        drift = BlockDrift(self.since, self.seen, higher=self.martingale.way == 1)
        self.martingale, self.lowest, self.since = Martingale(), 1.0, self.seen
        return drift

    def _p_value(self, score: float) -> float:
        below, up_to, count = bisect_left(self.ranked, score), bisect_right(self.ranked, score), len(self.ranked)
        insort(self.ranked, score)
        return (count - up_to + self.generator.random() * (up_to - below + 1)) / (count + 1)
