"""What a test set has drawn independently of each other: single images, or groups of such, as of one part."""

from collections.abc import Hashable, Sequence
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Integer

from hizumi.evaluation.metrics import binomial_interval

NORMAL, ANOMALOUS, BOTH = 0, 1, 2


def numbered(units: Sequence[Hashable]) -> Integer[np.ndarray, "n"]:
    """The unit of each item as a number, in the order in which units come first."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(unit, len(numbers)) for unit in units], dtype=np.int64)


def strata_of(
    units: Integer[np.ndarray, "n"], has_normal: Bool[np.ndarray, "n"], has_anomalous: Bool[np.ndarray, "n"]
) -> Integer[np.ndarray, "u"]:
    """Of each unit whether it holds what is NORMAL, what is ANOMALOUS, or BOTH."""
    normal, anomalous = (np.bincount(units, weights=each) > 0 for each in (has_normal, has_anomalous))
    return np.where(anomalous, np.where(normal, BOTH, ANOMALOUS), NORMAL)


def fewest(strata: Integer[np.ndarray, "u"]) -> int:
    """How many units hold what is normal, or what is anomalous, whichever are fewer."""
    return min(int(np.isin(strata, (kind, BOTH)).sum()) for kind in (NORMAL, ANOMALOUS))


def pairs_of(strata: Integer[np.ndarray, "u"]) -> int:
    """How many pairs of a unit with what is anomalous and another with what is normal there are, no unit in two."""
    return min(fewest(strata), len(strata) // 2)


def trials_behind(share: float, variance: float, degrees_of_freedom: int) -> float:
    """How many independent trials leave a share as uncertain as a variance from so many units, less their strata, does.

    Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data" (1998). Clopper and Pearson's interval of as many trials is skewed near 0 and 1, as it has to be,
    and takes into account that a variance from few units is itself uncertain.
    """
    from scipy.special import stdtrit

    return (
        share * (1 - share) / variance * (NormalDist().inv_cdf(0.975) / float(stdtrit(degrees_of_freedom, 0.975))) ** 2
    )


def share_interval(events: Bool[np.ndarray, "n"], units: Integer[np.ndarray, "n"]) -> tuple[float, float]:
    """95% interval of the share of items with an event; Clopper and Pearson's where each unit is one item.

    Else theirs for fewer trials, but no fewer than if those of a unit were all alike. Where there is no event, or
    nothing else, how much they are alike is not known, and units count.
    """
    total, count, found = len(events), int(units.max()) + 1, int(events.sum())
    if count == total:
        return binomial_interval(found, total)
    if count == 1:
        return 0.0, 1.0
    share = found / total
    if found in (0, total):
        return binomial_interval(share * count, count)
    sizes = np.bincount(units)
    residuals = np.bincount(units, weights=events) - share * sizes
    variance = count / (count - 1) * float((residuals**2).sum()) / total**2
    alike = total**2 / float((sizes**2).sum())
    trials = min(max(trials_behind(share, variance, count - 1), alike), total) if variance > 0 else total
    return binomial_interval(share * trials, trials)
