"""A trained GAN as detectors use it: fixed, with its discriminator as an extractor of features."""

from typing import Any

from torch import Tensor

from hizumi.models.abilities import HasOpponent
from hizumi.networks import JointCritic


def freeze(gan: HasOpponent) -> None:
    """Fix weights, running averages and the statistics of batch norm."""
    gan.eval().requires_grad_(False)


def features_of(gan: HasOpponent, items: Tensor, codes: Tensor | None = None) -> Tensor:
    """The discriminator's features (n, k) of items, seen together with codes where it judges pairs."""
    opponent: Any = gan.opponent
    judged = (items, codes) if isinstance(opponent, JointCritic) else (items,)
    return opponent.features(*judged).flatten(1)
