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
FEWEST_INDEPENDENT = 4  # what varies more slowly than over a quarter of the items cannot be told from a drift
WANDERING = 3  # times fewer independent groups than groups
STRAY = 0.01  # of the values on either side that are drawn in to the others: one stray item in a hundred sets no limit


@dataclass(frozen=True)
class Spread:
    """Centre and standard deviations of one measure, in its unit.

    Attributes:
        within: Of items made one after the other; free of what varies slowly.
        slow: Of the mean of a subgroup, beyond what `within` explains; 0 where the items lie in no order of time.
        groups: Subgroups of 5 items that were looked at.
        independent_groups: As many independent means would say as much of the centre as these, which resemble their
            neighbours where the measure varies more slowly than from one subgroup to the next; 4 or more.
        excess: Excess kurtosis within subgroups, 0 or more: far values are more frequent than Gaussian ones.
    """

    centre: float
    within: float
    slow: float
    groups: int
    independent_groups: float
    excess: float

    @classmethod
    def of(cls, values: Float[np.ndarray, " n"]) -> Self | None:
        """Of values in the order of time; None for fewer than 30."""
        groups = len(values) // SUBGROUP
        if groups < FEWEST_GROUPS:
            return None
        lowest, highest = np.quantile(values, STRAY, method="higher"), np.quantile(values, 1 - STRAY, method="lower")
        drawn_in = np.clip(values, lowest, highest)
        subgroups = drawn_in[: groups * SUBGROUP].reshape(groups, SUBGROUP)
        means = subgroups.mean(-1)
        within = float(subgroups.var(-1, ddof=1).mean())
        between = float(means.var(ddof=1)) - within / SUBGROUP
        alike = _resemblance(means)
        return cls(
            float(means.mean()),
            math.sqrt(within),
            math.sqrt(max(between, 0.0)),
            groups,
            max(groups * (1 - alike) / (1 + alike), float(FEWEST_INDEPENDENT)),
            _excess(subgroups - means[:, np.newaxis]),
        )

    @property
    def standard_error(self) -> float:
        """Of the centre."""
        return math.sqrt(self.within**2 / SUBGROUP / self.groups + self.slow**2 / self.independent_groups)

    @property
    def varies_slowly(self) -> bool:
        """Whether subgroups differ by more than chance, by an F test at 1%."""
        from scipy.special import fdtri

        freedom = self.groups - 1, self.groups * (SUBGROUP - 1)
        return self.within**2 + SUBGROUP * self.slow**2 > float(fdtri(*freedom, 0.99)) * self.within**2

    @property
    def wanders(self) -> bool:
        """Whether it varies so slowly that the items show only a few of its ups and downs, and not how far it goes."""
        return self.varies_slowly and self.independent_groups * WANDERING < self.groups

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)


def _resemblance(means: Float[np.ndarray, " groups"]) -> float:
    """Correlation of neighbours, 0 to 0.95, corrected for its bias in short series (Kendall 1954)."""
    away = means - means.mean()
    total = float(away @ away)
    if total == 0:
        return 0.0
    found = float(away[1:] @ away[:-1]) / total
    return min(max(found + (1 + 3 * found) / len(means), 0.0), 0.95)


def _excess(residuals: Float[np.ndarray, "groups size"]) -> float:
    """Excess kurtosis of values, 0 or more, from their distances from the means of their subgroups."""
    square = float((residuals**2).mean())
    if square == 0:
        return 0.0
    # A fourth cumulant adds up with the fourth powers of the weights that make a residual from its subgroup.
    own = 1 - 1 / SUBGROUP
    share = (own**4 + own / SUBGROUP**3) / own**2
    return max(float((residuals**4).mean()) / square**2 - 3, 0.0) / share
