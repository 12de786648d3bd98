"""Metrics of verdicts and of generated items: image and pixel metrics with intervals, distances between sets."""

from hizumi.evaluation.bootstrap import Estimate, image_estimates, pixel_estimates
from hizumi.evaluation.evaluation import Evaluation, KindResult, evaluate
from hizumi.evaluation.generation import (
    Agreement,
    ModeCoverage,
    Similarity,
    bits_per_dimension,
    class_agreement,
    density_coverage,
    frechet_distance,
    mode_coverage,
    precision_recall,
    similarity,
)
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
    "Agreement",
    "Confusion",
    "Estimate",
    "Evaluation",
    "KindResult",
    "ModeCoverage",
    "Similarity",
    "aupro",
    "auroc",
    "average_precision",
    "best_f1",
    "binomial_acceptance",
    "binomial_interval",
    "bits_per_dimension",
    "class_agreement",
    "confusion_at",
    "density_coverage",
    "evaluate",
    "frechet_distance",
    "image_estimates",
    "mode_coverage",
    "pixel_auroc",
    "pixel_average_precision",
    "pixel_estimates",
    "precision_recall",
    "similarity",
]
