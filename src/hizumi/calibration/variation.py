"""How much a measure varies among good items, apart from item to item and slowly: rational subgroups.

Items that follow one another were made under the same conditions; what varies between groups of them is slow: the lamp,
the time of day, the lot. Shewhart, "Economic Control of Quality of Manufactured Product" (1931); the two parts are the
one-way analysis of variance of Fisher (1925).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from hizumi.shapes import Float

SUBGROUP = 5  # consecutive items
FEWEST_GROUPS = 6  # fewer say too little about what varies between them
STRAY = 0.01  # of the values on either side that are drawn in to the others: one stray item in a hundred sets no limit


@dataclass(frozen=True)
class Variation:
    """Centre and standard deviations of one measure, in its unit.

    Attributes:
        within: Of items made one after the other; free of what varies slowly.
        slow: Of the mean of a subgroup, beyond what `within` explains; 0 where the items lie in no order of time.
        groups: Subgroups of 5 items that were looked at.
    """

    centre: float
    within: float
    slow: float
    groups: int

    @classmethod
    def of(cls, values: Float[np.ndarray, " n"]) -> Self | None:
        """Of values in the order of time; None for fewer than 30."""
        groups = len(values) // SUBGROUP
        if groups < FEWEST_GROUPS:
            return None
        lowest, highest = np.quantile(values, STRAY, method="higher"), np.quantile(values, 1 - STRAY, method="lower")
        drawn_in = np.clip(values, lowest, highest)
        subgroups = drawn_in[: groups * SUBGROUP].reshape(groups, SUBGROUP)
        within = float(subgroups.var(-1, ddof=1).mean())
        between = float(subgroups.mean(-1).var(ddof=1)) - within / SUBGROUP
        return cls(float(subgroups.mean()), math.sqrt(within), math.sqrt(max(between, 0.0)), groups)

    @property
    def standard_error(self) -> float:
        """Of the centre."""
        return math.sqrt((self.within**2 / SUBGROUP + self.slow**2) / self.groups)

    @property
    def varies_slowly(self) -> bool:
        """Whether subgroups differ by more than chance, by an F test at 1 %."""
        from scipy.special import fdtri

        freedom = self.groups - 1, self.groups * (SUBGROUP - 1)
        return self.within**2 + SUBGROUP * self.slow**2 > float(fdtri(*freedom, 0.99)) * self.within**2

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)
