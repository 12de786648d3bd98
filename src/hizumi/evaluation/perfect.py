"""What may lie behind a sample that is all ranked right: its resamples are so, too, and tell nothing of it."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer

from hizumi.evaluation.metrics import PRO_LIMIT, binomial_interval
from hizumi.evaluation.units import ANOMALOUS, NORMAL


class LeastOfPerfect(NamedTuple):
    """The lowest average precision and AUPRO, each with 95% confidence; of AUROC it is known in closed form."""

    average_precision: float
    aupro: float


def least_of_perfect(strata: Integer[np.ndarray, "u"], normal_per_anomalous: float) -> LeastOfPerfect:
    """From the strata of the units, and how many normal items, images or pixels, there are for one that is anomalous.

    Any score between the kinds has but a share of all units with anomalous items below it and one of those with normal
    items above it, of which none was drawn. Precision and overlap are lowest where all normal items of the latter are
    above all that is anomalous, and the anomalous ones of the former below all that is normal.
    """
    anomalous, normal = (int((strata != other).sum()) for other in (NORMAL, ANOMALOUS))
    below, above = (binomial_interval(0, count)[1] for count in (anomalous, normal))

    def integral(recall: float, normal_share: float) -> float:
        """Of the precision r / (r + ratio * share), from 0 to this recall."""
        beside = normal_per_anomalous * normal_share
        return recall - beside * math.log1p(recall / beside)

    precision = integral(1 - below, above) + integral(1, 1) - integral(1 - below, 1)
    overlap = (1 - below) * max(0.0, 1 - above / PRO_LIMIT)
    return LeastOfPerfect(precision, overlap)
