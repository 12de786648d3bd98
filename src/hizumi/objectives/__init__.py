"""Objectives: pure functions, tensors in, losses or maps out."""

from hizumi.objectives.adversarial import discriminator_loss, minimax_loss, non_saturating_loss
from hizumi.objectives.likelihood import bernoulli_log_density, gaussian_log_density, kl_to_standard_normal
from hizumi.objectives.reconstruction import (
    absolute_difference,
    contrast_difference,
    smooth,
    squared_difference,
    structural_dissimilarity,
)

__all__ = [
    "absolute_difference",
    "bernoulli_log_density",
    "contrast_difference",
    "discriminator_loss",
    "gaussian_log_density",
    "kl_to_standard_normal",
    "minimax_loss",
    "non_saturating_loss",
    "smooth",
    "squared_difference",
    "structural_dissimilarity",
]
