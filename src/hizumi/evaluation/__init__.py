"""How good the verdicts are: image and pixel metrics with intervals, per kind of defect; numpy and scipy only."""

from hizumi.evaluation.bootstrap import Estimate, image_estimates, pixel_estimates
from hizumi.evaluation.evaluation import Evaluation, KindResult, evaluate
from hizumi.evaluation.metrics import (
    Confusion,
    aupro,
    auroc,
    average_precision,
    best_f1,
    binomial_acceptance,
    binomial_interval,
    confusion_at,
    pixel_auroc,
    pixel_average_precision,
)

__all__ = [
    "Confusion",
    "Estimate",
    "Evaluation",
    "KindResult",
    "aupro",
    "auroc",
    "average_precision",
    "best_f1",
    "binomial_acceptance",
    "binomial_interval",
    "confusion_at",
    "evaluate",
    "image_estimates",
    "pixel_auroc",
    "pixel_average_precision",
    "pixel_estimates",
]
