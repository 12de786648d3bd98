"""Losses of adversarial games, from logits; each is what its player minimises.

Real logits come first and fake ones second. `smoothing` makes the labels one-sided (Salimans et al. 2016): real items
are labelled 1 - smoothing, fake ones stay at 0.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus


def discriminator_loss(
    real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " m"], smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """-E log D(x) - E log(1 - D(G(z))): binary cross-entropy, real towards 1 and fake towards 0."""
    # With t the label of real items, -t log σ(a) - (1 - t) log(1 - σ(a)) is softplus(-a) + (1 - t) a.
    return (softplus(-real_logits) + smoothing * real_logits).mean() + softplus(fake_logits).mean()


def non_saturating_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """-E log D(G(z)): a strong gradient while the discriminator wins."""
    return softplus(-fake_logits).mean()


def minimax_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """E log(1 - D(G(z))): the game's own value for the generator, flat while the discriminator wins."""
    return -softplus(fake_logits).mean()


def least_squares_discriminator_loss(
    real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " m"], smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """½ E (D(x) - 1)² + ½ E D(G(z))², on outputs that no sigmoid bounds (Mao et al. 2017)."""
    return 0.5 * ((real_logits - (1 - smoothing)).square().mean() + fake_logits.square().mean())


def least_squares_generator_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """½ E (D(G(z)) - 1)²: pulls samples in even where the discriminator already takes them for real."""
    return 0.5 * (fake_logits - 1).square().mean()


def wasserstein_critic_loss(real_scores: Float[Tensor, " n"], fake_scores: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """E D(G(z)) - E D(x): minus the earth mover's distance, where the critic is the best 1-Lipschitz one."""
    return fake_scores.mean() - real_scores.mean()


def wasserstein_generator_loss(fake_scores: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """-E D(G(z))."""
    return -fake_scores.mean()


class Game(NamedTuple):
    """What the two players minimise."""

    discriminator: Callable[[Tensor, Tensor, float], Tensor]  # of real logits, fake logits and label smoothing
    generator: Callable[[Tensor], Tensor]  # of fake logits


GameName = Literal["non-saturating", "minimax", "least-squares"]

GAMES: dict[GameName, Game] = {
    "non-saturating": Game(discriminator_loss, non_saturating_loss),
    "minimax": Game(discriminator_loss, minimax_loss),
    "least-squares": Game(least_squares_discriminator_loss, least_squares_generator_loss),
}
