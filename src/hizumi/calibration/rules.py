"""Threshold rules by name."""

import math
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from hizumi.calibration.conformal import conformal_limit, cross_conformal, cross_fitted, of_groups, partly_chosen
from hizumi.calibration.costs import Costs, cheapest, cost_limit
from hizumi.calibration.limits import chi_square_limit, k_sigma_limit, peaks_over_threshold_limit, quantile_limit
from hizumi.calibration.statement import Statement
from hizumi.calibration.threshold import Threshold, good_images, percent
from hizumi.errors import UsageError
from hizumi.shapes import Float

RULES = {
    "conformal": "keeps the rate on average, whatever the distribution of the scores (default)",
    "cross-conformal": "by folds whose fits are all kept, which promises little more than twice the rate",
    "quantile": "the empirical quantile of the held-out scores",
    "k-sigma": "mean + k standard deviations, for Gaussian scores",
    "chi-square": "the chi-square law, for Mahalanobis scores of Gaussian features",
    "peaks-over-threshold": "a Pareto tail fitted to the largest scores, for rates below 1/n",
    "best-f1": "the largest F1 on a labelled set that holds anomalies",
    "given": "a threshold of your own",
    "cost": "the lowest expected cost, of stated costs, on held-out and known defects' scores",
}
WITHOUT_RATE = ("best-f1", "given", "cost")
"""Rules whose threshold does not follow from a false-alarm rate; that of maps keeps to the rate all the same."""
LEAST_RATE = 1e-20
"""The lowest false-alarm rate: of less, the images that it takes are soon beyond any number."""
CROSS_CONFORMAL = "cross-conformal"
"""The rule whose scores are ranks already, of which no other rule makes anything."""
OF_IMAGES_ONLY = ("chi-square", CROSS_CONFORMAL, *WITHOUT_RATE)
"""Rules that say nothing of the maxima of maps."""
LAWS = ("chi-square", "peaks-over-threshold")
"""Rules whose threshold is a quantile of a law, and none that the scores fix."""
RANKS = "ranks"
"""The option that says that they are."""
COSTS = ("miss", "alarm", "defect_share")
"""Names of the options that hold the costs, as `Costs` has them."""

CHOSEN = "chosen"
"""The option that says how many of the scores are of images that somebody chose, and did not draw at random."""

GROUPS = "groups"
"""The option that says of how many groups the scores are, where several are of one."""

DEFECT_GROUPS = "defect_groups"
"""The option that says of how many groups the known defects are, where several are of one."""

_ROUNDING = 1e-5  # of scores, means and quantiles, relative to the threshold or the range of the scores
_NO_RANKS = (
    "the cross-conformal rule needs a fit for each fold: fit anew with --rule cross-conformal (`rule`), and --folds"
)
_OTHER_RULE = (
    "this one judges by ranks among its folds, of which the cross-conformal rule alone makes a threshold; for another "
    "rule fit anew"
)


def check_rule(rule: str, false_alarm_rate: float) -> None:
    """Raise UsageError for an unknown rule, or a rate that is not in (0, 1), or below `LEAST_RATE`."""
    if rule not in RULES:
        close = get_close_matches(rule, RULES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(f"there is no threshold rule {rule!r}: {hint}the rules are {', '.join(RULES)}")
    if not LEAST_RATE <= false_alarm_rate < 1:
        raise UsageError(f"false_alarm_rate must lie between 0 and 1, such as 0.01, got {false_alarm_rate:g}")


def limit_by(
    rule: str,
    scores: Float[np.ndarray, "n"],
    rate: float,
    options: dict[str, float],
    defect_scores: Float[np.ndarray, "m"] | None = None,
) -> Threshold:
    """The threshold that a rule sets on ascending scores of held-out good images.

    `options` are what rules need by name, the numbers of folds and of groups, and how many were chosen;
    `defect_scores` are for the cost rule. Raises UsageError where something is missing.
    """
    if rule == "cost":
        return _cost_limit(scores, rate, options, defect_scores)
    if (rule == CROSS_CONFORMAL) != (RANKS in options) and rule not in WITHOUT_RATE:
        raise UsageError(_OTHER_RULE if RANKS in options else _NO_RANKS)
    if rule == CROSS_CONFORMAL:
        threshold = conformal_limit(scores, rate)
        threshold = replace(threshold, rule=rule, value=float(round(threshold.value)))  # ranks are not rounded
        if GROUPS not in options:
            return cross_conformal(threshold, len(scores), int(options["folds"]))
    else:
        threshold = _by_rule(rule, scores, rate, options)
    if CHOSEN in options and threshold.promised_rate is not None:
        return partly_chosen(threshold, len(scores), int(options[CHOSEN]))
    if GROUPS in options and threshold.promised_rate is not None:
        return of_groups(threshold, len(scores), int(options[GROUPS]))
    if "folds" in options and threshold.promised_rate is not None:
        return cross_fitted(threshold, len(scores), int(options["folds"]))
    return threshold


def _by_rule(rule: str, scores: Float[np.ndarray, "n"], rate: float, options: dict[str, float]) -> Threshold:
    match rule:
        case "quantile":
            return quantile_limit(scores, rate)
        case "k-sigma":
            return k_sigma_limit(scores, rate)
        case "chi-square":
            return chi_square_limit(scores, rate, options.get("degrees_of_freedom"))
        case "peaks-over-threshold":
            return peaks_over_threshold_limit(scores, rate)
        case "best-f1":
            return _best_f1_limit(rate, options)
        case "given":
            return _given_limit(scores, rate, options)
        case _:
            return conformal_limit(scores, rate)


def refuse_contradiction(
    limit: Threshold,
    scores: Float[np.ndarray, "n"],
    options: dict[str, float],
    defect_scores: Float[np.ndarray, "m"] | None,
) -> None:
    """Raise ValueError for a threshold that was read, but is not what its rule makes of these scores and options.

    Those of `LAWS` pass: they rest on estimates that other versions may make otherwise.
    """
    check_rule(limit.rule, limit.asked_rate)
    if limit.rule in LAWS:
        return
    if limit.rule == "cost":
        due = cheapest(scores, _known(defect_scores), _costs(options)).threshold
    else:
        due = limit_by(limit.rule, scores, limit.asked_rate, options).value
    if not math.isclose(limit.value, due, rel_tol=_ROUNDING, abs_tol=_ROUNDING * float(np.ptp(scores))):
        raise ValueError(
            f"it states a threshold of {limit.value:g}, and the rule {limit.rule} sets {due:g} by the scores in it"
        )


def _given_limit(scores: Float[np.ndarray, "n"], rate: float, options: dict[str, float]) -> Threshold:
    if "given_threshold" not in options:
        raise UsageError("the rule given needs a threshold: hizumi calibrate --threshold VALUE (`threshold`)")
    value = options["given_threshold"]
    above = int((scores > value).sum())
    words = (
        f"The threshold is the one that was given: {above} of {good_images(len(scores), 'held-out')} above it, "
        f"{percent(above / len(scores))}. No rate is promised."
    )
    figures = {"above": above, "count": len(scores), "above_rate": above / len(scores)}
    return Threshold.saying(value, "given", rate, Statement("given", figures, words))


def _cost_limit(
    scores: Float[np.ndarray, "n"],
    rate: float,
    options: dict[str, float],
    defect_scores: Float[np.ndarray, "m"] | None,
) -> Threshold:
    return cost_limit(
        scores,
        _known(defect_scores),
        _costs(options),
        rate,
        cross_fitted="folds" in options,
        groups=int(options.get(GROUPS, 0)),
        not_drawn=int(options.get(CHOSEN, 0)),
        defect_groups=int(options.get(DEFECT_GROUPS, 0)),
    )


def _known(defect_scores: Float[np.ndarray, "m"] | None) -> Float[np.ndarray, "m"]:
    if defect_scores is None:
        raise UsageError("costs set a threshold by known defects: give some with --known-defects (`known_defects`)")
    return defect_scores


def _costs(options: dict[str, float]) -> Costs:
    if not options.keys() >= set(COSTS):
        raise UsageError("the cost rule needs --cost-miss, --cost-alarm and --defect-share (`costs`)")
    return Costs(*(options[name] for name in COSTS))


def _best_f1_limit(rate: float, options: dict[str, float]) -> Threshold:
    if "best_f1_threshold" not in options:
        raise UsageError("the best-f1 rule needs labelled scores that hold anomalies: give them, or use conformal")
    words = (
        f"The threshold of the largest F1 ({options['best_f1']:.3f}) on the labelled images it was chosen on: it "
        "promises no false-alarm rate, and fits lines with the same share of anomalies."
    )
    said = Statement("best_f1", {"f1": options["best_f1"]}, words)
    return Threshold.saying(options["best_f1_threshold"], "best-f1", rate, said)
