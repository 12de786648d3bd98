"""Two detectors on the same images: what is hard for one is often hard for the other, which their difference knows."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from hizumi.evaluation.bootstrap import UNKNOWN, Estimate
from hizumi.evaluation.metrics import auroc, binomial_interval
from hizumi.evaluation.units import fewest, numbered, pairs_of, strata_of


@dataclass(frozen=True, eq=False)
class Pair:
    """Scores that one fit each of two detectors gave the same images, and the unit that each image belongs to.

    Images of one unit, such as photographs of one part, were not drawn independently; those of several pairs have it
    in common, too.
    """

    scores: Float[np.ndarray, "n"]
    others: Float[np.ndarray, "n"]
    labels: Integer[np.ndarray, "n"]
    units: Sequence[Hashable]

    @property
    def difference(self) -> float:
        """By how much the AUROC of the scores is above that of the others."""
        return auroc(self.scores, self.labels) - auroc(self.others, self.labels)


def auroc_difference(pairs: Sequence[Pair]) -> Estimate:
    """By how much one detector's AUROC is above another's, on average over fits with several seeds; 95% interval.

    The variance of one pair is that of what each unit of images adds to the difference (DeLong, DeLong and
    Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating characteristic curves", 1988;
    Obuchowski, "Nonparametric analysis of clustered ROC curve data", 1997). Of several it is that between them, beside
    what they have in common: what a unit adds to more than one. Degrees of freedom are put together as Welch's are.
    Where both rank all images alike, any two units might be the first that they do not. NaN when a class is missing.
    """
    from scipy.special import stdtrit

    if any(len({*pair.labels.tolist()}) < 2 for pair in pairs):
        return UNKNOWN
    differences = np.array([pair.difference for pair in pairs])
    value = float(differences.mean())
    anomalous = np.concatenate([pair.labels == 1 for pair in pairs])
    unit_of = numbered([unit for pair in pairs for unit in pair.units])
    strata = strata_of(unit_of, ~anomalous, anomalous)
    count = fewest(strata)
    if count < 2:
        return Estimate(value, -1.0, 1.0)
    added = [_added(pair.scores, pair.labels) - _added(pair.others, pair.labels) for pair in pairs]
    of_units = np.zeros((len(pairs), len(strata)))
    for row, each, units in zip(of_units, added, np.split(unit_of, np.cumsum([*map(len, added)])[:-1]), strict=True):
        np.add.at(row, units, each)
    between_units = of_units @ of_units.T * count / (count - 1)  # covariances of the pairs
    freedom = float(len(strata) - len(np.unique(strata)))
    if len(pairs) == 1:
        variance = float(between_units[0, 0])
    else:
        in_common = max(0.0, float(between_units[~np.eye(len(pairs), dtype=bool)].mean()))
        between_pairs = float(differences.var(ddof=1)) / len(pairs)
        variance = in_common + between_pairs
        if variance > 0:
            freedom = variance**2 / (in_common**2 / freedom + between_pairs**2 / (len(pairs) - 1))
    if math.sqrt(variance) > 1e-12:
        reach = float(stdtrit(freedom, 0.975)) * math.sqrt(variance)
    else:
        reach = binomial_interval(0, pairs_of(strata))[1]
    return Estimate(value, max(-1.0, value - reach), min(1.0, value + reach))


def _added(scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """What each image adds to AUROC, beyond the mean of its class."""
    added, anomalous = np.empty(len(scores)), labels == 1
    for chosen in (anomalous, ~anomalous):
        rivals = np.sort(scores[~chosen])
        below = (np.searchsorted(rivals, scores[chosen], "left") + np.searchsorted(rivals, scores[chosen], "right")) / 2
        right = below if chosen is anomalous else len(rivals) - below
        share = right / len(rivals)
        added[chosen] = (share - share.mean()) / len(share)
    return added
