"""Two detectors on the same images: what is hard for one is often hard for the other, which their difference knows."""

import math
from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float, Integer

from hizumi.evaluation.bootstrap import UNKNOWN, Estimate
from hizumi.evaluation.metrics import auroc, binomial_interval
from hizumi.evaluation.units import fewest, numbered, pairs_of, strata_of


def auroc_difference(
    scores: Float[np.ndarray, "n"],
    others: Float[np.ndarray, "n"],
    labels: Integer[np.ndarray, "n"],
    *,
    units: Sequence[Hashable] | None = None,
) -> Estimate:
    """By how much the AUROC of scores is above that of others for the same images, with its 95% interval.

    The variance is that of what each image, or each of the `units` that images were not drawn independently of, adds
    to the difference (DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver
    operating characteristic curves", 1988; Obuchowski, "Nonparametric analysis of clustered ROC curve data", 1997).
    Where both rank all images alike, any pair of units might be the first that they do not. NaN when a class is
    missing.
    """
    from scipy.special import stdtrit

    if len(set(labels.tolist())) < 2:
        return UNKNOWN
    value = auroc(scores, labels) - auroc(others, labels)
    anomalous = labels == 1
    unit_of = numbered(range(len(labels)) if units is None else units)
    strata = strata_of(unit_of, ~anomalous, anomalous)
    count = fewest(strata)
    if count < 2:
        return Estimate(value, -1.0, 1.0)
    added = np.bincount(unit_of, weights=_added(scores, anomalous) - _added(others, anomalous))
    variance = float((added**2).sum()) * count / (count - 1)
    if math.sqrt(variance) > 1e-12:
        reach = float(stdtrit(len(strata) - len(np.unique(strata)), 0.975)) * math.sqrt(variance)
    else:
        pairs = pairs_of(strata)
        reach = binomial_interval(0, pairs)[1]
    return Estimate(value, max(-1.0, value - reach), min(1.0, value + reach))


def _added(scores: Float[np.ndarray, "n"], anomalous: np.ndarray) -> Float[np.ndarray, "n"]:
    """What each image adds to AUROC, beyond the mean of its class."""
    added = np.empty(len(scores))
    for chosen in (anomalous, ~anomalous):
        rivals = np.sort(scores[~chosen])
        below = (np.searchsorted(rivals, scores[chosen], "left") + np.searchsorted(rivals, scores[chosen], "right")) / 2
        right = below if chosen is anomalous else len(rivals) - below
        share = right / len(rivals)
        added[chosen] = (share - share.mean()) / len(share)
    return added
