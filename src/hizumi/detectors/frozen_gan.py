"""A trained GAN's discriminator as an extractor of features, and a GAN small enough for tests."""

from functools import partial
from typing import Any

from torch import Tensor

from hizumi.models.abilities import HasOpponent
from hizumi.models.dcgan import DCGAN
from hizumi.networks import JointCritic

small_gan = partial(DCGAN, latent=8, width=16, learning_rate=1e-3, average_decay=0.9)


def features_of(gan: HasOpponent, items: Tensor, codes: Tensor | None = None) -> Tensor:
    """The discriminator's features (n, k) of items, seen together with codes where it judges pairs."""
    opponent: Any = gan.opponent
    judged = (items, codes) if isinstance(opponent, JointCritic) else (items,)
    return opponent.features(*judged).flatten(1)
