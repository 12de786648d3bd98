"""Split conformal prediction: a false-alarm rate that holds whatever the distribution of the scores.

Papadopoulos, Proedrou, Vovk and Gammerman, "Inductive Confidence Machines for Regression" (2002); Vovk, Gammerman and
Shafer, "Algorithmic Learning in a Random World" (2005). The one assumption: calibration and future good images are
exchangeable (same camera, same line, one score per part).
"""

import math

import numpy as np

from hizumi.calibration.statement import Statement
from hizumi.calibration.threshold import Threshold, good_images, percent
from hizumi.shapes import Float
from hizumi.words import counted

_LAST_DIGITS = 2.0**-18  # relative: a few times what sums in single precision differ by in other batches
_ROUNDING = 1e-9  # 100 * 0.29 is 28.999999999999996: without it an exact rate loses one rank


def conformal_rank(count: int, false_alarm_rate: float) -> int:
    """The rank ceil((n + 1)(1 - rate)) of the threshold among n ascending scores; n + 1 when n is too small."""
    return count + 1 - math.floor((count + 1) * false_alarm_rate + _ROUNDING)


def images_needed(false_alarm_rate: float) -> int:
    """How many held-out good images it takes to promise a rate: 99 for 1%."""
    return max(1, math.ceil(1 / false_alarm_rate - _ROUNDING) - 1)


def conformal_limit(scores: Float[np.ndarray, "n"], false_alarm_rate: float) -> Threshold:
    """Conformal threshold of ascending scores of held-out good images.

    With too few images for the rate, it is the largest score, which promises 1 / (n + 1). It lies beyond the rounding
    of that score, so that the image that set it is not flagged when it is scored again; a higher one promises no less.
    """
    count = len(scores)
    rank = max(1, min(conformal_rank(count, false_alarm_rate), count))
    promised = (count + 1 - rank) / (count + 1)
    figures = {"promised_rate": promised, "asked_rate": false_alarm_rate, "count": count}
    if promised <= false_alarm_rate + _ROUNDING:
        words = (
            f"At most {percent(promised)} of good images are flagged on average (asked: {percent(false_alarm_rate)}), "
            f"promised by {good_images(count, 'held-out')} whatever the distribution of their scores."
        )
        said = Statement("conformal", figures, words)
    else:
        needed = images_needed(false_alarm_rate)
        words = (
            f"A false-alarm rate of {percent(false_alarm_rate)} was asked, but with {good_images(count, 'held-out')} "
            f"no rule can promise less than 1/{count + 1} = {percent(promised)}: the threshold is their largest score. "
            f"It takes {good_images(needed)} to promise {percent(false_alarm_rate)}."
        )
        said = Statement("conformal_of_few", {**figures, "needed": needed}, words)
    value = float(beyond_rounding(scores)[rank - 1])
    return Threshold.saying(value, "conformal", false_alarm_rate, said, promised_rate=promised)


def beyond_rounding(scores: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The highest that each of ascending scores may come to when its image is scored again.

    Other batches, threads and machines add up in another order. Digits are lost by the size of the score, or where that
    is small after a subtraction, by how far it lies above the middle one.
    """
    return np.asarray(scores + _LAST_DIGITS * np.maximum(np.abs(scores), scores - scores[len(scores) // 2]))


def rate_of_groups(promised_rate: float, count: int, groups: int) -> float:
    """The rate among images of new groups, where as many images of as many groups promise another for single images.

    Of groups of equal size, at most (1 + r k / n) / (k + 1) of a new group's images lie on average above a threshold
    that r of the n scores of k groups do; it comes to that where those of a group score alike (Lee, Barber and
    Willett, "Distribution-free inference with hierarchical data", 2023).
    """
    above = promised_rate * (count + 1) - 1
    return (1 + above * groups / count) / (groups + 1)


def of_groups(threshold: Threshold, count: int, groups: int) -> Threshold:
    """Restate a conformal threshold for scores of which several are of one group: it promises nothing.

    New parts are new groups, and images of one group are not exchangeable with those of another.
    """
    assert threshold.promised_rate is not None, "only a conformal threshold has a promise to lose"
    highest = max(threshold.asked_rate, rate_of_groups(threshold.promised_rate, count, groups))
    words = (
        f"A false-alarm rate of {percent(threshold.asked_rate)} was asked of {good_images(count)} in "
        f"{counted(groups, 'group')}. Those of one group, as of one part, or copies, are alike, and new ones are of "
        f"other groups: up to about {percent(highest)} of them may be flagged, and no rate is promised. More groups "
        "tell more than more of each."
    )
    figures = {"highest_rate": highest, "asked_rate": threshold.asked_rate, "count": count, "groups": groups}
    said = Statement("of_groups", figures, words)
    return Threshold.saying(threshold.value, threshold.rule, threshold.asked_rate, said)


def cross_fitted(threshold: Threshold, count: int, folds: int) -> Threshold:
    """Restate a conformal threshold for scores that come from fits on the other folds: it promises nothing.

    If all the fits scored each new image, the rate would be under twice the requested one whatever the distribution
    (Vovk, "Cross-conformal predictors", 2015; Barber, Candes, Ramdas and Tibshirani, "Predictive inference with the
    jackknife+", 2021). Here one final fit scores it, so even that assumes that the fits are alike.
    """
    assert threshold.promised_rate is not None, "only a conformal threshold has a promise to lose"
    expected = max(threshold.asked_rate, threshold.promised_rate)
    words = (
        f"About {percent(expected)} of good images are flagged "
        f"(asked: {percent(threshold.asked_rate)}), judging by {good_images(count)}, each scored by a fit on the other "
        f"{folds - 1} of {folds} folds. The last fit, on all of them, is taken to score new images alike: this is "
        "likely, and not promised."
    )
    figures = {"expected_rate": expected, "asked_rate": threshold.asked_rate, "count": count, "folds": folds}
    said = Statement("cross_fitted", figures, words)
    return Threshold.saying(threshold.value, threshold.rule, threshold.asked_rate, said)


def cross_conformal(threshold: Threshold, count: int, folds: int) -> Threshold:
    """Restate a conformal threshold on the ranks 1 to n, for scores that are ranks among those of all folds.

    A new image passes a held-out one where it scores higher by that fold's own fit. Whatever the distribution, at most
    2 a + min(2 (1 - 1/K) / (m + 1), (1 - 1/m) / (K + 1)) of good images pass so many that a share a of all n = K m and
    the new one is left (Vovk, "Cross-conformal predictors", 2015; Barber, Candes, Ramdas and Tibshirani, "Predictive
    inference with the jackknife+", 2021, theorem 4; for any score Gupta, Kuchibhotla and Ramdas, "Nested conformal
    prediction", 2022). Folds are taken to be as large as the smallest can be; of one image each, they promise 2 a.
    """
    assert threshold.promised_rate is not None, "a conformal threshold has one"
    reached, smallest = threshold.promised_rate, count // folds
    excess = min(2 * (1 - 1 / folds) / (smallest + 1), (1 - 1 / max(smallest, 1)) / (folds + 1))
    promised = min(1.0, 2 * reached + excess)
    words = (
        f"About {percent(reached)} of good images are flagged (asked: {percent(threshold.asked_rate)}), and at most "
        f"{percent(promised)} on average, promised by {good_images(count)} in {folds} folds, each of which has a "
        "fit of its own that has not seen it, whatever the distribution of their scores."
    )
    figures = {"expected_rate": reached, "asked_rate": threshold.asked_rate, "promised_rate": promised}
    said = [Statement("cross_conformal", {**figures, "count": count, "folds": folds}, words)]
    if excess > 0:
        words = f"With as many folds as images it would be {percent(2 * reached)}."
        said.append(Statement("cross_conformal_of_one", {"lowest_rate": 2 * reached}, words))
    return Threshold.saying(
        threshold.value,
        "cross-conformal",
        threshold.asked_rate,
        *said,
        promised_rate=promised if promised < 1 else None,
    )


def partly_chosen(threshold: Threshold, count: int, chosen: int) -> Threshold:
    """Restate a conformal threshold for scores of which some are not exchangeable with those to come.

    Whoever chooses which good images to accept, by their scores or by what he was shown, moves the threshold with them,
    up or down: so it promises nothing.
    """
    words = (
        f"A false-alarm rate of {percent(threshold.asked_rate)} was asked of {good_images(count)}, {chosen} of which "
        "people chose to review and accept. What is chosen is not drawn at random, so no rate is promised: accept a "
        "random audit sample instead, and one is."
    )
    figures = {"asked_rate": threshold.asked_rate, "count": count, "chosen": chosen}
    said = Statement("partly_chosen", figures, words)
    return Threshold.saying(threshold.value, threshold.rule, threshold.asked_rate, said)


def upper_rate(count: int, false_alarm_rate: float, confidence: float = 0.95) -> float:
    """Upper confidence bound on the false-alarm rate of one set of n calibration images.

    The promise holds on average over sets; the rate of one set follows Beta(n - k + 1, k), k the threshold's rank.
    """
    from scipy.special import betaincinv

    rank = max(1, min(conformal_rank(count, false_alarm_rate), count))
    return float(betaincinv(count - rank + 1, rank, confidence))


def conformal_p_values(calibration: Float[np.ndarray, "n"], scores: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """p = (1 + #{calibration scores >= score}) / (n + 1), from ascending calibration scores; 1 / (n + 1) at the least.

    For a good image P(p <= a) <= a for every a. Scores that differ by rounding are equal, as they are for the
    threshold.
    """
    reached = beyond_rounding(calibration)
    at_or_above = len(calibration) - np.searchsorted(reached, scores.astype(np.float64), side="left")
    return np.asarray((1 + at_or_above) / (len(calibration) + 1), dtype=np.float64)
