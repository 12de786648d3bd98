"""Limits of charts: how they honour a stated run length although nothing about the process is known for sure.

All charts of a watch share its rate of false alarms: with k charts, each has k times the run length. Rates of rare
events add up at most, so that the watch keeps the stated length on average, and is longer where statistics move
together.

Three allowances are made for measures of pictures, whose centre and spread are estimates and whose lamp is never
quite steady; scores need none (`ranks`):
- Centre: limits are farther by a 95% bound on its error in either direction, and spreads larger by theirs.
- Slow variation, which the good pictures had between subgroups, belongs to the process (Woodall and Thomas,
  "Statistical process control with several components of common cause variability", IIE Transactions 27, 1995). As it
  may stay the same for as long as a chart remembers, it widens limits of means in full, and CUSUMs begin to add only
  beyond three of its standard deviations. Its size is known only where it went up and down often enough: what forgets
  itself within a twentieth of the good pictures keeps the run length, what takes a quarter of them does not, and no
  limits that still find a drift would mend that (`Spread.wanders`).
- Laws that are not Gaussian: spreads of subgroups have a law as wide as the kurtosis of the measure makes it. One
  value counts as no farther than 3 sigma, so that no single picture raises an alarm, and means of five and moving
  averages are nearly Gaussian.
"""

import math
from dataclasses import dataclass
from typing import Self

from scipy.special import chdtri

from hizumi.calibration.run_length import cusum_limit, ewma_width, shewhart_width
from hizumi.calibration.spread import SUBGROUP, Spread

WEIGHT, SLACK = 0.1, 0.5  # of the newest value in the EWMA; of the CUSUM, half the shift it finds soonest, in sigma
BOUND = 1.645  # standard errors: one-sided 95 %
FARTHEST = 3.0  # sigma within subgroups, from where slow variation may take a measure
SLOW_DEAD_BAND, SLOW_FARTHEST = 3.0, 5.0  # standard deviations of slow variation
CHARTS = ("mean", "deviation", "ewma", "cusum")  # of each measure


@dataclass(frozen=True)
class Scale:
    """A measure's centre and sigma, in its unit; the rest in units of sigma.

    Attributes:
        slow: Standard deviation of slow variation, at most.
        error: Of the centre, at most.
        stretch: How many times larger sigma may be.
        excess: Excess kurtosis, at most.
    """

    centre: float = 0.0
    sigma: float = 1.0
    slow: float = 0.0
    error: float = 0.0
    stretch: float = 1.0
    excess: float = 0.0

    @classmethod
    def of(cls, spread: Spread, least_sigma: float) -> Self:
        """With 95% bounds on what was estimated; sigma is not taken to be smaller than what matters."""
        sigma = max(spread.within, least_sigma)
        free = spread.independent_groups - 1
        largest_slow = spread.slow * math.sqrt(free / float(chdtri(free, 0.95)))
        values = spread.groups * (SUBGROUP - 1)
        return cls(
            centre=spread.centre,
            sigma=sigma,
            slow=largest_slow / sigma,
            error=BOUND * spread.standard_error / sigma,
            stretch=1 + BOUND * math.sqrt((2 + spread.excess) / (4 * values)),
            excess=spread.excess + BOUND * math.sqrt(24 / values),
        )

    def standardised(self, value: float) -> float:
        """Distance from the centre in sigma, no farther than one value may count."""
        farthest = FARTHEST + SLOW_FARTHEST * self.slow
        return min(max((value - self.centre) / self.sigma, -farthest), farthest)


@dataclass(frozen=True)
class Limits:
    """Of the charts of one measure, in sigma on either side; the deviation of subgroups has an upper limit only."""

    mean: float
    deviation: float
    ewma: float
    cusum: float
    slack: float

    @classmethod
    def of(cls, scale: Scale, run_length: float) -> Self:
        """With this run length of each chart, in values, where the centre and sigma lie within their bounds."""
        subgroups = run_length / SUBGROUP
        # The variance of a variance, which a gamma law of fewer degrees of freedom has too (Box, Biometrika 40, 1953).
        freedom = 2 / (2 / (SUBGROUP - 1) + scale.excess / SUBGROUP)
        of_ewma = math.sqrt(WEIGHT / (2 - WEIGHT))
        return cls(
            mean=shewhart_width(subgroups) * math.hypot(scale.stretch / math.sqrt(SUBGROUP), scale.slow) + scale.error,
            deviation=scale.stretch * math.sqrt(float(chdtri(freedom, 1 / subgroups)) / freedom),
            ewma=ewma_width(run_length, WEIGHT, exact=False) * math.hypot(scale.stretch * of_ewma, scale.slow)
            + scale.error,
            cusum=scale.stretch * cusum_limit(run_length, SLACK),
            slack=scale.stretch * SLACK + SLOW_DEAD_BAND * scale.slow + scale.error,
        )
