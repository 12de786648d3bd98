"""Threshold rules that state their assumption; all take ascending scores of held-out good images."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from hizumi.calibration.conformal import conformal_limit
from hizumi.calibration.statement import Statement
from hizumi.calibration.threshold import Threshold, good_images, parting, percent
from hizumi.errors import DataError, UsageError
from hizumi.shapes import Float, Integer

FEWEST_EXCESSES = 20
_TAIL_SHARE = 0.02
_LARGEST_TAIL_SHARE = 0.1  # beyond it, the scores are not a tail
CONFIDENCE = 0.98  # nominal: with twenty excesses, the limit lies above the true quantile somewhat less often
_SHAPES = np.linspace(-0.5, 3.0, 71)  # over which the likelihood of a quantile is maximised
_TAIL_ERRORS = np.linspace(0.0, 4.0, 5)  # of the share of scores in the tail, in standard errors of its logarithm
_SMALLEST_SHAPE = -0.5  # below, the likelihood of a generalised Pareto is not regular, and below -1 not bounded


def quantile_limit(scores: Float[np.ndarray, "n"], false_alarm_rate: float) -> Threshold:
    """The empirical quantile, interpolated: about the requested share of the held-out images lies above it."""
    value = float(np.quantile(scores, 1 - false_alarm_rate))
    words = (
        f"Empirical quantile: {_above(scores, value)}. It aims at a false-alarm rate of {percent(false_alarm_rate)} "
        "and promises none; with few images it flags more than asked."
    )
    said = Statement("quantile", _figures(scores, value, false_alarm_rate), words)
    return Threshold.saying(value, "quantile", false_alarm_rate, said)


def k_sigma_limit(scores: Float[np.ndarray, "n"], false_alarm_rate: float) -> Threshold:
    """Mean + k standard deviations, k the normal deviate of the rate: 3 for 0.135%."""
    if len(scores) < 2:
        raise DataError("k-sigma needs at least 2 held-out good items, got 1: add some or use the conformal rule")
    k = -NormalDist().inv_cdf(false_alarm_rate)
    value = float(scores.mean() + k * scores.std(ddof=1))
    figures = _figures(scores, value, false_alarm_rate) | {"deviations": k, "bound_rate": 1 / (1 + k * k)}
    bound = f"; whatever their distribution at most {percent(figures['bound_rate'])} (Cantelli)" if k > 0 else ""
    words = (
        f"Mean + {k:.3g} standard deviations: {percent(false_alarm_rate)} of good images are flagged if their scores "
        f"are Gaussian{bound}, mean and deviation taken as known; {_above(scores, value)}."
    )
    said = Statement("k_sigma_bounded" if k > 0 else "k_sigma", figures, words)
    return Threshold.saying(value, "k-sigma", false_alarm_rate, said)


def chi_square_limit(
    scores: Float[np.ndarray, "n"], false_alarm_rate: float, degrees_of_freedom: float | None
) -> Threshold:
    """The upper quantile of a chi-square law, for scores that are squared Mahalanobis distances."""
    from scipy.special import bdtrc, chdtri

    if degrees_of_freedom is None:
        raise UsageError(
            "the chi-square rule needs the degrees of freedom of a squared Mahalanobis distance, which this detector "
            "does not have: use the conformal rule"
        )
    if not degrees_of_freedom > 0:
        raise UsageError(f"degrees_of_freedom must be positive, got {degrees_of_freedom:g}")
    value = float(chdtri(degrees_of_freedom, false_alarm_rate))
    alarms = int((scores > value).sum())
    by_chance = float(bdtrc(alarms - 1, len(scores), false_alarm_rate)) if alarms else 1.0
    words = (
        f"Chi-square law with {degrees_of_freedom:g} degrees of freedom: {percent(false_alarm_rate)} of good images "
        f"are flagged if the features are Gaussian and their covariance is well estimated; {_above(scores, value)}."
    )
    figures = _figures(scores, value, false_alarm_rate) | {"degrees_of_freedom": degrees_of_freedom}
    said = [Statement("chi_square", figures, words)]
    if by_chance < 0.01:
        doubt = "That is too many to be chance: these scores are not chi-square, use the conformal rule."
        said.append(Statement("chi_square_doubted", {}, doubt))
    return Threshold.saying(value, "chi-square", false_alarm_rate, *said)


def peaks_over_threshold_limit(scores: Float[np.ndarray, "n"], false_alarm_rate: float) -> Threshold:
    """An upper confidence limit of the quantile of a Pareto law of the largest scores, for rates below 1 / n.

    The quantile itself would be as often too low as too high, and with some twenty excesses several times too low in
    rate. Falls back to the conformal rule, and says so, when the tail has fewer than 20 scores or the rate lies outside
    it. Pickands, "Statistical inference using extreme order statistics" (1975); the limit is that of the profile
    likelihood, Coles, "An introduction to statistical modeling of extreme values" (2001), 4.3.3.

    Of 300 simulated calibrations on each of 13 laws, from uniform to Student's with 3 degrees of freedom, 95% or more
    keep rates of 1e-3 and 1e-4 with 1,000 scores, and 92% a rate of 1e-3 with 250
    (`benchmarks/calibration/peaks_over_threshold.py`). What the held-out scores hardly show no rule can know: where
    0.3% of good images score far beyond all others, 95% keep 1e-4 and 92% 1e-3 with 1,000 scores, 62% with 250.
    """
    count = len(scores)
    tail = max(FEWEST_EXCESSES, math.ceil(count * max(_TAIL_SHARE, 2 * false_alarm_rate)))
    start = float(scores[count - tail - 1]) if tail < count else math.inf
    excesses = scores[scores > start] - start
    if tail > _LARGEST_TAIL_SHARE * count or len(excesses) < FEWEST_EXCESSES:
        return _conformal_instead(scores, false_alarm_rate)
    shape, scale = fit_generalised_pareto(excesses)
    ratio = false_alarm_rate * count / len(excesses)
    estimate = scale * float(_growth(np.array(shape), ratio))
    limit = upper_tail_quantile(excesses, ratio, (shape, scale))
    words = (
        f"Peaks over threshold: a generalised Pareto tail (shape {shape:.3g}, scale {scale:.3g}) fitted to the "
        f"{len(excesses)} largest of {count} scores. If the tail continues like that, its best guess for "
        f"{percent(false_alarm_rate)} is {start + estimate:.4g}, but that is uncertain: the threshold is "
        "an upper confidence limit, which few calibrations put so low that more good images than asked are flagged; "
        f"{_above(scores, start + limit)}."
    )
    figures = _figures(scores, start + limit, false_alarm_rate)
    figures |= {"shape": shape, "scale": scale, "tail": len(excesses), "estimate": start + estimate}
    said = Statement("peaks_over_threshold", figures, words)
    return Threshold.saying(start + limit, "peaks-over-threshold", false_alarm_rate, said)


def upper_tail_quantile(excesses: Float[np.ndarray, "n"], ratio: float, fitted: tuple[float, float]) -> float:
    """The largest excess, exceeded by a share `ratio` of all, that the profile likelihood does not reject.

    `fitted` are the likeliest shape and scale. The likelihood is maximised over the shape and over the true share of
    the tail, whose logarithm has a standard error of 1 / sqrt(n). What it may fall is Student's for n excesses and two
    parameters, as twenty are few for chi-square.
    """
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    shape, scale = fitted
    best = float(_log_likelihood(excesses, np.array([shape]), np.array([scale]))[0])
    count = len(excesses)
    drop = count / 2 * math.log1p(float(stdtrit(count - 2, CONFIDENCE)) ** 2 / (count - 2))
    growths = np.concatenate([_growth(_SHAPES, ratio * math.exp(-error / count**0.5)) for error in _TAIL_ERRORS])
    shapes, penalties = np.tile(_SHAPES, len(_TAIL_ERRORS)), np.repeat(_TAIL_ERRORS**2 / 2, len(_SHAPES))

    def beyond(log_quantile: float) -> float:
        likelihoods = _log_likelihood(excesses, shapes, math.exp(log_quantile) / growths)
        return best - drop - float((likelihoods - penalties).max())

    lowest = math.log(scale * float(_growth(np.array(shape), ratio)))
    highest = lowest + 1.0
    while beyond(highest) < 0:
        highest += 1.0
    return math.exp(float(brentq(beyond, lowest, highest, xtol=1e-3)))


def _growth(shapes: Float[np.ndarray, "..."], ratio: float) -> Float[np.ndarray, "..."]:
    """The excess that a share `ratio` exceeds, in units of the scale."""
    log_ratio = math.log(ratio)
    safe = np.where(np.abs(shapes) < 1e-12, 1e-12, shapes)
    return np.asarray(np.expm1(-safe * log_ratio) / safe)


def _log_likelihood(
    excesses: Float[np.ndarray, "n"], shapes: Float[np.ndarray, "k"], scales: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k"]:
    """Of generalised Pareto laws, -inf where an excess lies beyond a law's end."""
    safe = np.where(np.abs(shapes) < 1e-12, 1e-12, shapes)
    inside = safe[:, None] * (excesses / scales[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(inside > -1, np.log1p(inside), np.inf)
    sums = (1 + 1 / safe) * logs.sum(1)
    return np.where(np.isfinite(sums), -len(excesses) * np.log(scales) - sums, -np.inf)


def fit_generalised_pareto(excesses: Float[np.ndarray, "n"]) -> tuple[float, float]:
    """Maximum-likelihood shape and scale for positive excesses, the shape kept at -1/2 or above.

    Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto distribution" (1993): for a given
    ratio shape / scale the best shape is known, so the search has one dimension. Here it runs over
    u = log(1 + largest * shape / scale), which has no bounds.
    """
    from scipy.optimize import brentq, minimize_scalar

    relative = excesses / excesses.max()
    lowest, highest = -30.0, 30.0  # beyond, 1 + expm1(u) cannot be distinguished from 0
    if float(_laws_at(lowest, relative)[0]) < _SMALLEST_SHAPE:
        lowest = float(brentq(lambda u: float(_laws_at(u, relative)[0]) - _SMALLEST_SHAPE, lowest, highest))
    grid = np.linspace(lowest, highest, 200)
    shapes, scales = _laws_at(grid, relative)
    nearest = int(np.argmin(np.log(scales) + shapes))
    around = (float(grid[max(nearest - 1, 0)]), float(grid[min(nearest + 1, len(grid) - 1)]))

    def cost(u: float) -> float:
        shape, scale = _laws_at(u, relative)
        return float(np.log(scale) + shape)

    best = float(minimize_scalar(cost, bounds=around, method="bounded", options={"xatol": 1e-9}).x)
    shape, scale = _laws_at(best, relative)
    return float(shape), float(scale) * float(excesses.max())


def _laws_at(u: float | Float[np.ndarray, "k"], relative: Float[np.ndarray, "n"]) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest shape for each u = log(1 + shape / scale), and its scale, for excesses up to 1."""
    ratios = np.expm1(np.asarray(u))
    shapes = np.asarray(np.log1p(ratios[..., np.newaxis] * relative).mean(-1))
    return shapes, np.where(ratios == 0, relative.mean(), shapes / np.where(ratios == 0, 1, ratios))


class BestF1(NamedTuple):
    """The largest F1 over all thresholds, and the middle of the gap that reaches it."""

    f1: float
    threshold: float


def best_f1_threshold(scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"]) -> BestF1:
    """The threshold of largest F1 on labelled scores (1 anomalous, 0 normal); ties go to the fewest alarms."""
    if not (labels == 1).any():
        raise DataError("best-f1 needs labelled anomalous items, and there is none: use the conformal rule")
    if (labels == 1).all():  # then all that lies below the lowest of them is as good
        raise DataError(
            "best-f1 needs labelled good items beside the anomalous ones, and there is none: add some, or use the "
            "conformal rule"
        )
    if np.isnan(scores).any():
        raise DataError("some labelled scores are NaN: no threshold can be chosen from them")
    values, inverse = np.unique(scores.astype(np.float64), return_inverse=True)
    anomalous = np.bincount(inverse, weights=labels == 1)
    true_alarms = anomalous[::-1].cumsum()[::-1]
    alarms = np.bincount(inverse)[::-1].cumsum()[::-1]
    f1 = 2 * true_alarms / (alarms + anomalous.sum())
    best = int(np.flatnonzero(f1 == f1.max())[-1])
    return BestF1(float(f1[best]), parting(values, best))


def _above(scores: Float[np.ndarray, "n"], value: float) -> str:
    return f"{int((scores > value).sum())} of {good_images(len(scores), 'held-out')} above it"


def _figures(scores: Float[np.ndarray, "n"], value: float, false_alarm_rate: float) -> dict[str, float]:
    return {"above": int((scores > value).sum()), "count": len(scores), "asked_rate": false_alarm_rate}


def _conformal_instead(scores: Float[np.ndarray, "n"], false_alarm_rate: float) -> Threshold:
    limit = conformal_limit(scores, false_alarm_rate)
    words = (
        f"Peaks over threshold needs {FEWEST_EXCESSES} distinct scores in the upper tenth, and a rate of 5% or less: "
        f"{len(scores)} held-out scores at {percent(false_alarm_rate)} do not give that, so the conformal rule is used."
    )
    figures = {"fewest": FEWEST_EXCESSES, "count": len(scores), "asked_rate": false_alarm_rate}
    instead = Statement("conformal_instead", figures, words)
    return Threshold.saying(
        limit.value, "conformal", false_alarm_rate, instead, *limit.said, promised_rate=limit.promised_rate
    )
