"""Control charts of a process: Shewhart's for large shifts, EWMA and CUSUM for small ones.

A chart has the centre and spread of a process in control, and runs over streams of values, the last axis being time.
Montgomery, "Introduction to Statistical Quality Control", chapters 6 and 9; Western Electric, "Statistical Quality
Control Handbook" (1956).
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, Self

import numpy as np

from hizumi.errors import DataError, UsageError
from hizumi.shapes import Bool, Float, Integer


class Points(NamedTuple):
    """A chart over streams (..., values): the plotted statistic, its control limits, and its alarms."""

    name: str
    values: Float[np.ndarray, "*streams points"]
    lower: Float[np.ndarray, " points"]
    upper: Float[np.ndarray, " points"]
    alarms: Bool[np.ndarray, "*streams points"]
    onset: Integer[np.ndarray, "*streams points"]  # index of the value at which a shift is taken to have begun
    seen: Integer[np.ndarray, " points"]  # index of the last value in this point


class Constants(NamedTuple):
    """Factors of three-sigma charts for subgroups of one size."""

    A2: float
    D3: float
    D4: float
    d2: float  # mean and standard deviation of the range of standard Gaussian values
    d3: float
    A3: float
    B3: float
    B4: float
    c4: float  # mean of the standard deviation of standard Gaussian values


@cache
def constants(size: int) -> Constants:
    """The constants for subgroups of `size` values, 2 or more."""
    if size < 2:
        raise UsageError(f"subgroups of {size} have no spread; use 2 values or more")
    d2, d3 = _range_moments(size)
    c4 = math.sqrt(2 / (size - 1)) * math.exp(math.lgamma(size / 2) - math.lgamma((size - 1) / 2))
    of_range, of_deviation = 3 * d3 / d2, 3 * math.sqrt(1 - c4**2) / c4
    root = math.sqrt(size)
    return Constants(
        A2=3 / (d2 * root),
        D3=max(0.0, 1 - of_range),
        D4=1 + of_range,
        d2=d2,
        d3=d3,
        A3=3 / (c4 * root),
        B3=max(0.0, 1 - of_deviation),
        B4=1 + of_deviation,
        c4=c4,
    )


@dataclass(frozen=True)
class Shewhart:
    """Means of subgroups and their spread: X-bar with R or S; single values and moving ranges where `size` is 1.

    Args:
        centre: Mean of the process.
        sigma: Standard deviation of single values.
        size: Consecutive values per subgroup.
        spread: "range" or "deviation" of the subgroup; single values have moving ranges.
        width: Distance of the limits from the centre, in standard errors.
        exact: Probability limits of the spread, exceeded as rarely as those of the mean. The usual limits, in standard
            errors, are exceeded more often, as the distribution of a spread is skewed.
        rules: Alarm by the four Western Electric rules instead of the first alone.
    """

    centre: float
    sigma: float
    size: int = 5
    spread: Literal["range", "deviation"] = "range"
    width: float = 3.0
    exact: bool = False
    rules: bool = False

    @classmethod
    def fit(
        cls,
        values: Float[np.ndarray, " n"],
        size: int = 5,
        spread: Literal["range", "deviation"] = "range",
        width: float = 3.0,
        rules: bool = False,
    ) -> Self:
        """Centre and sigma of a process in control; variation between subgroups does not widen the limits."""
        subgroups = _subgroups(values, size)
        if spread == "deviation" and size > 1:
            sigma = float(subgroups.std(-1, ddof=1).mean()) / constants(size).c4
        else:
            sigma = float(_ranges(subgroups).mean()) / constants(max(size, 2)).d2
        return cls(float(subgroups.mean()), sigma, size, spread, width, rules=rules)

    def run(self, values: Float[np.ndarray, "*streams n"]) -> tuple[Points, Points]:
        """The chart of means (of values, where `size` is 1) and the chart of spread."""
        subgroups = _subgroups(values, self.size)
        ends = np.arange(1, subgroups.shape[-2] + 1) * self.size - 1
        means, half = subgroups.mean(-1), self.width * self.sigma / math.sqrt(self.size)
        location = _points("mean", means, self.centre - half, self.centre + half, ends - self.size + 1, ends)
        if self.rules:
            standard = (means - self.centre) * math.sqrt(self.size) / self.sigma
            location = location._replace(alarms=np.asarray(western_electric(standard).any(0)))
        spread = subgroups.std(-1, ddof=1) if self._deviations() else _ranges(subgroups)
        lower, upper = self.sigma * self._limits_of_spread()
        ends = ends[-spread.shape[-1] :]
        return location, _points(self.spread, spread, lower, upper, ends - max(self.size, 2) + 1, ends)

    def _deviations(self) -> bool:
        return self.spread == "deviation" and self.size > 1

    def _limits_of_spread(self) -> Float[np.ndarray, "2"]:
        """Lower and upper limit of the spread of standard Gaussian values."""
        from scipy.special import chdtri

        size = max(self.size, 2)
        known, outside = constants(size), math.erfc(self.width / math.sqrt(2)) / 2
        if self.exact and self._deviations():
            return np.sqrt([chdtri(size - 1, probability) / (size - 1) for probability in (1 - outside, outside)])
        if self.exact:
            return np.array([range_quantile(outside, size), range_quantile(1 - outside, size)])
        centre, deviation = known.d2, known.d3
        if self._deviations():
            centre, deviation = known.c4, math.sqrt(1 - known.c4**2)
        return np.array([max(0.0, centre - self.width * deviation), centre + self.width * deviation])


@dataclass(frozen=True)
class EWMA:
    """Exponentially weighted moving average, z = weight x + (1 - weight) z, within its exact limits.

    The limits start narrow: after t values the variance is sigma² weight / (2 - weight) (1 - (1 - weight)^(2 t)).

    Args:
        centre: Mean of the process, where z starts.
        sigma: Standard deviation of single values.
        weight: Weight of the newest value, in (0, 1]; small weights find small shifts.
        width: Distance of the limits from the centre, in standard deviations of z.
    """

    centre: float
    sigma: float
    weight: float = 0.2
    width: float = 2.962

    def run(self, values: Float[np.ndarray, "*streams n"]) -> Points:
        """The averages; a shift is taken to have begun when they last crossed the centre."""
        average = np.full(values.shape[:-1], self.centre)
        onset = np.zeros(values.shape[:-1], dtype=np.int64)
        averages, onsets = np.empty(values.shape), np.empty(values.shape, dtype=np.int64)
        for time in range(values.shape[-1]):
            before = np.sign(average - self.centre)
            average = average + self.weight * (values[..., time] - average)
            onset = np.where(np.sign(average - self.centre) == before, onset, time)
            averages[..., time], onsets[..., time] = average, onset
        seen = np.arange(values.shape[-1])
        half = self.width * self.sigma * ewma_deviation(self.weight, seen + 1)
        return _points("EWMA", averages, self.centre - half, self.centre + half, onsets, seen)


@dataclass(frozen=True)
class CUSUM:
    """Cumulative sums of what exceeds `slack`, upwards and downwards, in units of sigma (Page 1954).

    Args:
        centre: Mean of the process.
        sigma: Standard deviation of single values.
        slack: Half the shift to find, in sigma: k.
        limit: Limit of either sum, in sigma: h.
    """

    centre: float
    sigma: float
    slack: float = 0.5
    limit: float = 5.0

    def run(self, values: Float[np.ndarray, "*streams n"]) -> tuple[Points, Points]:
        """The rising and the falling sum; a shift is taken to have begun where the sum last left zero."""
        standard = (values - self.centre) / self.sigma
        return self._sums("CUSUM rising", standard), self._sums("CUSUM falling", -standard)

    def _sums(self, name: str, standard: Float[np.ndarray, "*streams n"]) -> Points:
        total = np.zeros(standard.shape[:-1])
        onset = np.zeros(standard.shape[:-1], dtype=np.int64)
        sums, onsets = np.empty(standard.shape), np.empty(standard.shape, dtype=np.int64)
        for time in range(standard.shape[-1]):
            onset = np.where(total > 0, onset, time)
            total = np.maximum(0, total + standard[..., time] - self.slack)
            sums[..., time], onsets[..., time] = total, onset
        return _points(name, sums, -math.inf, self.limit, onsets, np.arange(standard.shape[-1]))


def western_electric(standard: Float[np.ndarray, "*streams n"]) -> Bool[np.ndarray, "4 *streams n"]:
    """Where each of the four rules is met by points in standard errors from the centre.

    One beyond 3; two of three beyond 2; four of five beyond 1; eight in a row; all on one side.
    """
    rules = ((1, 1, 3.0), (2, 3, 2.0), (4, 5, 1.0), (8, 8, 0.0))
    met = [
        _at_least(standard > beyond, some, of) | _at_least(standard < -beyond, some, of) for some, of, beyond in rules
    ]
    return np.stack(met)


@cache
def range_quantile(probability: float, size: int) -> float:
    """Quantile of the range of `size` standard Gaussian values."""
    from scipy.optimize import brentq

    return float(brentq(lambda limit: _range_law(np.array([limit]), size)[0] - probability, 0, 18))


def ewma_deviation(weight: float, count: Integer[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Standard deviation of an EWMA of `count` values, in standard deviations of one value."""
    return np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2.0 * count)))


def density(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Standard Gaussian density."""
    return np.exp(-(values**2) / 2) / math.sqrt(2 * math.pi)


def _range_law(ranges: Float[np.ndarray, " k"], size: int) -> Float[np.ndarray, " k"]:
    """P(range <= each) of `size` standard Gaussian values: the smallest at x, the others within x and x + range."""
    from scipy.special import ndtr

    unit, weights = np.polynomial.legendre.leggauss(200)
    smallest = 9 * unit
    within = ndtr(smallest + ranges[:, None]) - ndtr(smallest)
    law: Float[np.ndarray, " k"] = size * (within ** (size - 1) * density(smallest)) @ (9 * weights)
    return law


def _range_moments(size: int) -> tuple[float, float]:
    """Mean and standard deviation of the range of `size` standard Gaussian values: d2 and d3."""
    unit, weights = np.polynomial.legendre.leggauss(200)
    ranges, weights = 9 * (1 + unit), 9 * weights
    above = 1 - _range_law(ranges, size)
    mean, square = float(weights @ above), 2 * float(weights @ (ranges * above))
    return mean, math.sqrt(square - mean**2)


def _subgroups(values: Float[np.ndarray, "*streams n"], size: int) -> Float[np.ndarray, "*streams k size"]:
    count = values.shape[-1] // size
    if count == 0 or (size == 1 and count == 1):
        raise DataError(f"{values.shape[-1]} values do not fill a subgroup of {max(size, 2)}; give more")
    return values[..., : count * size].reshape(*values.shape[:-1], count, size)


def _ranges(subgroups: Float[np.ndarray, "*streams k size"]) -> Float[np.ndarray, "*streams j"]:
    if subgroups.shape[-1] == 1:
        return np.abs(np.diff(subgroups[..., 0], axis=-1))
    return np.ptp(subgroups, axis=-1)


def _at_least(flags: Bool[np.ndarray, "*streams n"], some: int, of: int) -> Bool[np.ndarray, "*streams n"]:
    """Whether `some` of the last `of` flags are set, the last one among them."""
    padded = np.concatenate([np.zeros((*flags.shape[:-1], of - 1), dtype=bool), flags], -1)
    return flags & (np.lib.stride_tricks.sliding_window_view(padded, of, axis=-1).sum(-1) >= some)


def _points(
    name: str,
    values: Float[np.ndarray, "*streams n"],
    lower: float | Float[np.ndarray, " n"],
    upper: float | Float[np.ndarray, " n"],
    onset: Integer[np.ndarray, "..."],
    seen: Integer[np.ndarray, " n"],
) -> Points:
    low, high = np.broadcast_to(lower, seen.shape), np.broadcast_to(upper, seen.shape)
    return Points(name, values, low, high, (values < low) | (values > high), np.broadcast_to(onset, values.shape), seen)
