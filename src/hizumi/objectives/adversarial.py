"""Adversarial games: losses from logits, each of which its player minimises; the gradient penalty; AdaGAN's weights.

Real logits come first and fake ones second. `smoothing` makes the labels one-sided (Salimans et al. 2016): real items
are labelled 1 - smoothing, fake ones stay at 0.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

SURE = 1e-4  # a classifier's probabilities are clamped to [SURE, 1 - SURE]


def discriminator_loss(
    real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " m"], smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """-E log D(x) - E log(1 - D(G(z))): binary cross-entropy, real towards 1 and fake towards 0."""
    # With t the label of real items, -t log σ(a) - (1 - t) log(1 - σ(a)) is softplus(-a) + (1 - t) a.
    return (softplus(-real_logits) + smoothing * real_logits).mean() + softplus(fake_logits).mean()


def non_saturating_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """-E log D(G(z)): keeps a strong gradient while the discriminator wins."""
    return softplus(-fake_logits).mean()


def minimax_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """E log(1 - D(G(z))): the value of the minimax game, whose gradient vanishes while the discriminator wins."""
    return -softplus(fake_logits).mean()


def least_squares_discriminator_loss(
    real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " m"], smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """½ E (D(x) - 1)² + ½ E D(G(z))², on outputs without a sigmoid (Mao et al. 2017)."""
    return 0.5 * ((real_logits - (1 - smoothing)).square().mean() + fake_logits.square().mean())


def least_squares_generator_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """½ E (D(G(z)) - 1)²: still a gradient for samples that the discriminator already takes for real."""
    return 0.5 * (fake_logits - 1).square().mean()


def wasserstein_critic_loss(real_scores: Float[Tensor, " n"], fake_scores: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """E D(G(z)) - E D(x): minus the earth mover's distance for the optimal 1-Lipschitz critic."""
    return fake_scores.mean() - real_scores.mean()


def wasserstein_generator_loss(fake_scores: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """-E D(G(z)): the generator's part of the estimated earth mover's distance."""
    return -fake_scores.mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Float[Tensor, "n *shape"], fake: Float[Tensor, "n *shape"]
) -> Float[Tensor, ""]:
    """E (‖∇D(x̂)‖ - 1)² at one random point x̂ between each real and fake item (Gulrajani et al. 2017).

    The norm is taken over each item, so the critic must score items independently: no batch norm. Only the critic
    receives a gradient.
    """
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = torch.lerp(fake.to(real.dtype), real, share).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


class Game(NamedTuple):
    """The losses of the two players."""

    discriminator: Callable[[Tensor, Tensor, float], Tensor]  # of real logits, fake logits and label smoothing
    generator: Callable[[Tensor], Tensor]  # of fake logits


GameName = Literal["non-saturating", "minimax", "least-squares"]

GAMES: dict[GameName, Game] = {
    "non-saturating": Game(discriminator_loss, non_saturating_loss),
    "minimax": Game(discriminator_loss, minimax_loss),
    "least-squares": Game(least_squares_discriminator_loss, least_squares_generator_loss),
}


def density_ratio(logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """p_mixture / p_data at each item, from the logits of a classifier of data (positive) against the mixture."""
    probability = logits.sigmoid().clamp(SURE, 1 - SURE)
    return (1 - probability) / probability


def adagan_weights(ratios: Float[Tensor, " n"], beta: float) -> Float[Tensor, " n"]:
    """Weights of the items for training the next generator (Tolstikhin et al. 2017); they sum to 1.

    For equally likely items whose density under the mixture is `ratios` times as high, the best distribution to mix in
    with share `beta`, in (0, 1], has weights max(0, level - (1 - beta) * ratio) / (n * beta): water-filling.
    """
    count = len(ratios)
    ascending, _ = ratios.sort()
    fewest = torch.arange(1, count + 1, device=ratios.device, dtype=ratios.dtype)
    # levels[i]: the water level if it covered the i + 1 smallest ratios.
    levels = (beta * count + (1 - beta) * ascending.cumsum(0)) / fewest
    covered = ((1 - beta) * ascending < levels).sum()
    weights = (levels[covered - 1] - (1 - beta) * ratios).clamp(min=0)
    return weights / weights.sum()
