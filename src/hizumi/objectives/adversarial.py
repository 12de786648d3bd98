"""Losses of the adversarial game, from logits (Goodfellow et al. 2014)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus


def discriminator_loss(real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """-E log D(x) - E log(1 - D(G(z))): binary cross-entropy, real towards 1 and fake towards 0."""
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def non_saturating_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """-E log D(G(z)): a strong gradient while the discriminator wins."""
    return softplus(-fake_logits).mean()


def minimax_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """E log(1 - D(G(z))): the game's own value for the generator, flat while the discriminator wins."""
    return -softplus(fake_logits).mean()
