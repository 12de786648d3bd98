"""The threshold of the lowest expected cost, from held-out good images and known defects.

Of all parts a share s is defective; a missed defect costs m and a false alarm a. A threshold that flags a share f of
the good parts and misses a share g of the defective ones then costs s g m + (1 - s) f a for each part: the Bayes risk
of Duda, Hart and Stork, "Pattern Classification" (2001), 2.2; Drummond and Holte, "Cost curves: an improved method for
visualizing classifier performance" (2006). Without the share there is no such threshold: the same two costs call for
few alarms where defects are rare, and for many where they are not.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from hizumi.calibration.conformal import conformal_limit
from hizumi.calibration.statement import Statement
from hizumi.calibration.threshold import Threshold, good_images, parting, percent
from hizumi.errors import UsageError
from hizumi.shapes import Float
from hizumi.words import counted

_ROUNDING = 1e-12  # by which sums of equal costs differ, relative to them

Rates = TypeVar("Rates", float, Float[np.ndarray, "k"])


@dataclass(frozen=True)
class Costs:
    """What a missed defect and a false alarm cost, in one unit of any kind, and the expected share of defective parts.

    Raises UsageError for costs that are not positive, and for a share that is not in (0, 1).
    """

    miss: float
    alarm: float
    defect_share: float

    def __post_init__(self) -> None:
        for option, value in (("--cost-miss (`miss`)", self.miss), ("--cost-alarm (`alarm`)", self.alarm)):
            if not 0 < value < math.inf:
                raise UsageError(f"{option} is {value:g}; a cost must be above 0")
        if not 0 < self.defect_share < 1:
            raise UsageError(
                f"--defect-share (`defect_share`) is {self.defect_share:g}; it must lie between 0 and 1, such as 0.01"
            )

    def expected(self, false_alarm_rate: Rates, missed_share: Rates) -> Rates:
        """Expected cost of a part."""
        return (1 - self.defect_share) * false_alarm_rate * self.alarm + self.defect_share * missed_share * self.miss


class WorkingPoint(NamedTuple):
    """A threshold, how many held-out good scores lie above it and known defects' at or below, and its expected cost."""

    threshold: float
    false_alarms: int
    missed: int
    expected_cost: float


def cheapest(scores: Float[np.ndarray, "n"], defects: Float[np.ndarray, "m"], costs: Costs) -> WorkingPoint:
    """The working point of the lowest expected cost; of equal costs the one with the fewest alarms.

    Shares are counted as for one more good image that is flagged and one more defect that is missed, (k + 1) / (n + 1),
    which no exchangeable new one exceeds on average: so a few defects that are all found do not pass for all defects.
    The threshold lies in the middle between the scores that it parts.
    """
    values, places = np.unique(np.concatenate([scores, defects]), return_inverse=True)
    good = np.bincount(places[: len(scores)], minlength=len(values))
    bad = np.bincount(places[len(scores) :], minlength=len(values))
    flagged = np.concatenate([[len(scores)], len(scores) - good.cumsum()])  # below all values, then at each of them
    missed = np.concatenate([[0], bad.cumsum()])
    expected = costs.expected((flagged + 1) / (len(scores) + 1), (missed + 1) / (len(defects) + 1))
    best = int(np.flatnonzero(expected <= expected.min() * (1 + _ROUNDING))[-1])
    return WorkingPoint(parting(values, best), int(flagged[best]), int(missed[best]), float(expected[best]))


def at_threshold(
    threshold: float, scores: Float[np.ndarray, "n"], defects: Float[np.ndarray, "m"], costs: Costs
) -> WorkingPoint:
    """The working point of a given threshold, its cost counted as by `cheapest`."""
    flagged, missed = int((scores > threshold).sum()), int((defects <= threshold).sum())
    expected = costs.expected((flagged + 1) / (len(scores) + 1), (missed + 1) / (len(defects) + 1))
    return WorkingPoint(threshold, flagged, missed, expected)


def bound_of_chosen(count: int, total: int, confidence: float = 0.95) -> float:
    """Upper bound on the rate behind `count` of `total` events where the count was chosen by looking at the events.

    It holds for all counts at once: count k has its Clopper-Pearson bound at the level (1 - confidence) /
    ((k + 1) (k + 2)), and these levels sum to less than 1 - confidence (a union bound).
    """
    from scipy.special import betaincinv

    if count >= total:
        return 1.0
    level = (1 - confidence) / ((count + 1) * (count + 2))
    return float(betaincinv(count + 1, total - count, 1 - level))


def cost_limit(
    scores: Float[np.ndarray, "n"],
    defects: Float[np.ndarray, "m"],
    costs: Costs,
    false_alarm_rate: float,
    *,
    cross_fitted: bool,
    groups: int = 0,
    not_drawn: int = 0,
    defect_groups: int = 0,
) -> Threshold:
    """The threshold of the lowest expected cost; the rate is that of the conformal threshold it is compared with.

    With scores from folds (`cross_fitted`), none of which the final fit has made, of which several are of one of so
    many `groups`, or of which some were not drawn at random (`not_drawn`), nothing is promised; nor of misses where
    several known defects are of one of `defect_groups`.
    """
    chosen = cheapest(scores, defects, costs)
    other = at_threshold(conformal_limit(scores, false_alarm_rate).value, scores, defects, costs)
    nothing, everything = costs.expected(0, 1), costs.expected(1, 0)
    words = (
        f"The threshold of the lowest expected cost, where a missed defect costs {costs.miss:g}, a false alarm "
        f"{costs.alarm:g}, and {percent(costs.defect_share)} of the parts are defective: "
        f"{chosen.false_alarms} of {good_images(len(scores), 'held-out')} above it, {chosen.missed} of {len(defects)} "
        f"known defects not. Counting one more of each, {chosen.expected_cost:.3g} is paid for each part, where the "
        f"conformal threshold at {percent(false_alarm_rate)} costs {other.expected_cost:.3g}, flagging none "
        f"{nothing:.3g} and flagging all {everything:.3g}."
    )
    figures = {
        "cost_miss": costs.miss,
        "cost_alarm": costs.alarm,
        "defect_rate": costs.defect_share,
        "above": chosen.false_alarms,
        "count": len(scores),
        "missed": chosen.missed,
        "defects": len(defects),
        "cost": chosen.expected_cost,
        "asked_rate": false_alarm_rate,
        "cost_conformal": other.expected_cost,
        "cost_none": nothing,
        "cost_all": everything,
    }
    said = [Statement("cost", figures, words)]
    if min(nothing, everything) < chosen.expected_cost:
        cheaper = "none" if nothing < everything else "all"
        words = f"So few scores cannot show that it pays to flag other than {cheaper}."
        said.append(Statement(f"cost_{cheaper}_cheaper", {}, words))
    said.append(
        _promise_of_costs(
            chosen,
            len(scores),
            len(defects),
            cross_fitted=cross_fitted,
            groups=groups,
            not_drawn=not_drawn,
            defect_groups=defect_groups,
        )
    )
    return Threshold.saying(chosen.threshold, "cost", false_alarm_rate, *said)


def _promise_of_costs(
    chosen: WorkingPoint,
    good: int,
    defects: int,
    *,
    cross_fitted: bool,
    groups: int,
    not_drawn: int,
    defect_groups: int,
) -> Statement:
    if not_drawn:
        words = f"People chose {not_drawn} of the good images, and did not draw them at random: no rate is promised."
        return Statement("cost_partly_chosen", {"chosen": not_drawn}, words)
    if groups:
        words = f"It was chosen on good images of {counted(groups, 'group')}, which are alike, and promises no rate."
        return Statement("cost_of_groups", {"groups": groups}, words)
    if cross_fitted:
        words = "It was chosen on scores of other fits and on these defects, and promises no rate."
        return Statement("cost_cross_fitted", {}, words)
    alarms, misses = bound_of_chosen(chosen.false_alarms, good), bound_of_chosen(chosen.missed, defects)
    if defect_groups:
        words = (
            f"It was chosen on these scores, which counts: with 95% confidence it flags at most {percent(alarms)} of "
            f"good images. The known defects are of {counted(defect_groups, 'group')}, which are alike, so no rate of "
            "misses is promised."
        )
        return Statement("cost_of_defect_groups", {"alarm_rate": alarms, "groups": defect_groups}, words)
    words = (
        f"It was chosen on these scores, which counts: with 95% confidence it flags at most {percent(alarms)} of good "
        f"images, and with 95% misses at most {percent(misses)} of defects like the known ones."
    )
    return Statement("cost_bounded", {"alarm_rate": alarms, "miss_rate": misses}, words)
