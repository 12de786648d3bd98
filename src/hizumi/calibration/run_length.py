"""Average run lengths of control charts of Gaussian values: the mean number of points until an alarm.

In control it is the mean distance between false alarms; after a shift, the mean delay of detection.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from hizumi.calibration.charts import density, ewma_deviation
from hizumi.errors import UsageError
from hizumi.shapes import Float

_NODES = 96  # of Gauss-Legendre quadrature; run lengths are smooth in the state of the chart
_LONGEST_RUN = 1e9


def shewhart_run_length(width: float, shift: float = 0.0, size: int = 1) -> float:
    """Mean number of points until one lies outside, the mean being off by `shift` sigma: 370.4 for 3 and 0."""
    from scipy.special import ndtr

    away = shift * math.sqrt(size)
    return float(1 / (ndtr(away - width) + ndtr(-away - width)))


def cusum_run_length(limit: float, slack: float = 0.5, shift: float = 0.0) -> float:
    """Mean number of points until either sum passes `limit`, from zero, the mean being off by `shift` sigma.

    One-sided lengths come from Page's integral equation; their reciprocals add up (van Dobben de Bruyn 1968).
    """
    return 1 / (1 / _one_sided_run_length(limit, slack, shift) + 1 / _one_sided_run_length(limit, slack, -shift))


def ewma_run_length(weight: float, width: float, shift: float = 0.0, *, exact: bool = True) -> float:
    """Mean number of points until the average leaves its limits, the mean being off by `shift` sigma.

    By Crowder's integral equation (1987) for the asymptotic limits, and from there backwards through the narrower
    limits of the start; with `exact=False`, as in published tables, the limits are the asymptotic ones throughout.
    """
    unit, weights = np.polynomial.legendre.leggauss(_NODES)

    def step(place: Float[np.ndarray, " k"], half: float) -> Float[np.ndarray, "k nodes"]:
        ahead = (half * unit - (1 - weight) * place[:, None]) / weight - shift
        return half * weights * density(ahead) / weight

    half = width * math.sqrt(weight / (2 - weight))
    start = np.zeros(1)
    lengths = np.linalg.solve(np.eye(_NODES) - step(half * unit, half), np.ones(_NODES))
    if not exact:
        return float((1 + step(start, half) @ lengths)[0])
    settled = math.ceil(math.log(1e-12) / math.log1p(-weight) / 2) if weight < 1 else 1
    halves = width * ewma_deviation(weight, np.arange(1, settled + 1))
    for here, ahead in zip(halves[-2::-1], halves[:0:-1], strict=True):
        lengths = 1 + step(here * unit, float(ahead)) @ lengths
    return float((1 + step(start, float(halves[0])) @ lengths)[0])


def shewhart_width(run_length: float) -> float:
    """Width of limits with this run length in control."""
    from scipy.special import ndtri

    _check_run_length(run_length)
    return float(-ndtri(0.5 / run_length))


@cache
def ewma_width(run_length: float, weight: float = 0.2, shift: float = 0.0, *, exact: bool = True) -> float:
    """Width of limits with this run length, the centre being wrong by `shift` sigma."""
    return _solve(lambda width: ewma_run_length(weight, width, shift, exact=exact), run_length)


@cache
def cusum_limit(run_length: float, slack: float = 0.5, shift: float = 0.0) -> float:
    """Limit with this run length, the centre being wrong by `shift` sigma."""
    return _solve(lambda limit: cusum_run_length(limit, slack, shift), run_length)


def _one_sided_run_length(limit: float, slack: float, shift: float) -> float:
    # L(u) = 1 + L(0) P(back to 0 | u) + integral over (0, limit) of L(y) density(y | u); the first unknown is L(0).
    from scipy.special import ndtr

    unit, weights = np.polynomial.legendre.leggauss(_NODES)
    inside = np.concatenate([[0.0], limit / 2 * (1 + unit)])
    back = ndtr(slack - shift - inside)
    ahead = limit / 2 * weights * density(inside[1:] - inside[:, None] + slack - shift)
    lengths = np.linalg.solve(np.eye(len(inside)) - np.column_stack([back, ahead]), np.ones(len(inside)))
    return float(lengths[0])


def _solve(run_length_at: Callable[[float], float], run_length: float) -> float:
    from scipy.optimize import brentq

    _check_run_length(run_length)
    highest = 1.0
    while run_length_at(highest) < run_length:
        highest += 1
    return float(brentq(lambda limit: math.log(run_length_at(limit) / run_length), 1e-3, highest, xtol=1e-9))


def _check_run_length(run_length: float) -> None:
    if not 2 <= run_length <= _LONGEST_RUN:
        raise UsageError(f"a run length of {run_length:g} points is out of reach; it must be 2 to {_LONGEST_RUN:g}")
