"""Objectives: pure functions, tensors in, losses or maps out."""

from hizumi.objectives.adversarial import (
    GAMES as GAMES,
    Game as Game,
    GameName as GameName,
    adagan_weights as adagan_weights,
    density_ratio as density_ratio,
    discriminator_loss as discriminator_loss,
    gradient_penalty as gradient_penalty,
    least_squares_discriminator_loss as least_squares_discriminator_loss,
    least_squares_generator_loss as least_squares_generator_loss,
    minimax_loss as minimax_loss,
    non_saturating_loss as non_saturating_loss,
    wasserstein_critic_loss as wasserstein_critic_loss,
    wasserstein_generator_loss as wasserstein_generator_loss,
)
from hizumi.objectives.augmentation import Change as Change, augmented as augmented
from hizumi.objectives.distillation import (
    direction_difference as direction_difference,
    position_difference as position_difference,
    value_difference as value_difference,
)
from hizumi.objectives.likelihood import (
    bernoulli_log_density as bernoulli_log_density,
    categorical_log_density as categorical_log_density,
    gaussian_log_density as gaussian_log_density,
    kl_to_standard_normal as kl_to_standard_normal,
)
from hizumi.objectives.one_class import compactness as compactness
from hizumi.objectives.pasting import with_defects as with_defects
from hizumi.objectives.reconstruction import (
    absolute_difference as absolute_difference,
    contrast_difference as contrast_difference,
    smooth as smooth,
    squared_difference as squared_difference,
    squared_distance as squared_distance,
    structural_dissimilarity as structural_dissimilarity,
    winner_takes_all as winner_takes_all,
)
from hizumi.objectives.segmentation import focal_loss as focal_loss
