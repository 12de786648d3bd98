"""Objectives: pure functions, tensors in, losses or maps out."""

from hizumi.objectives.adversarial import (
    GAMES,
    Game,
    GameName,
    adagan_weights,
    density_ratio,
    discriminator_loss,
    gradient_penalty,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    minimax_loss,
    non_saturating_loss,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)
from hizumi.objectives.distillation import direction_difference, position_difference, value_difference
from hizumi.objectives.likelihood import (
    bernoulli_log_density,
    categorical_log_density,
    gaussian_log_density,
    kl_to_standard_normal,
)
from hizumi.objectives.one_class import compactness
from hizumi.objectives.reconstruction import (
    absolute_difference,
    contrast_difference,
    smooth,
    squared_difference,
    structural_dissimilarity,
    winner_takes_all,
)

__all__ = [
    "GAMES",
    "Game",
    "GameName",
    "absolute_difference",
    "adagan_weights",
    "bernoulli_log_density",
    "categorical_log_density",
    "compactness",
    "contrast_difference",
    "density_ratio",
    "direction_difference",
    "discriminator_loss",
    "gaussian_log_density",
    "gradient_penalty",
    "kl_to_standard_normal",
    "least_squares_discriminator_loss",
    "least_squares_generator_loss",
    "minimax_loss",
    "non_saturating_loss",
    "position_difference",
    "smooth",
    "squared_difference",
    "structural_dissimilarity",
    "value_difference",
    "wasserstein_critic_loss",
    "wasserstein_generator_loss",
    "winner_takes_all",
]
