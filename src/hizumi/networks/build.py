"""A network for a shape: convolutional for images (c, h, w), fully connected for vectors (d,).

`width` and `batch_norm` apply to convolutional networks, `hidden` to the others: its sizes run from the item inwards.
`residual` selects the residual networks of WGAN-GP and f-AnoGAN, whose normalisation is fixed.
"""

import math
from collections.abc import Sequence

from torch import nn

from hizumi.networks.axes import bound
from hizumi.networks.dcgan import Critic, Encoder, Generator
from hizumi.networks.mlp import HIDDEN, VectorCritic, mlp
from hizumi.networks.residual import ResidualCritic, ResidualEncoder, ResidualGenerator


def encoder(
    shape: tuple[int, ...], outputs: int, width: int = 64, hidden: Sequence[int] = HIDDEN, residual: bool = False
) -> nn.Module:
    """Items to codes (n, outputs)."""
    if len(shape) == 1:
        return mlp(shape[0], outputs, hidden)
    return ResidualEncoder(shape, outputs, width) if residual else Encoder(shape, outputs, width)


def generator(
    shape: tuple[int, ...],
    latent: int,
    width: int = 64,
    bounded: bool = True,
    batch_norm: bool = True,
    hidden: Sequence[int] = HIDDEN,
    residual: bool = False,
) -> nn.Module:
    """Codes (n, latent) to items: images in [-1, 1], or logits where `bounded` is off; all others are unbounded."""
    if len(shape) == 1:
        return flat_generator(shape, latent, hidden)
    if residual:
        return ResidualGenerator(shape, latent, width)
    return Generator(shape, latent, width, batch_norm, bounded)


def critic(
    shape: tuple[int, ...],
    width: int = 64,
    batch_norm: bool = True,
    hidden: Sequence[int] = HIDDEN,
    residual: bool = False,
) -> Critic | ResidualCritic | VectorCritic:
    """Items to logits (n,); `features` gives the last hidden layer."""
    if len(shape) == 1:
        return VectorCritic(shape[0], hidden)
    return ResidualCritic(shape, width) if residual else Critic(shape, width, batch_norm)


def flat_generator(shape: tuple[int, ...], latent: int, hidden: Sequence[int], batch_norm: bool = False) -> nn.Module:
    """Codes (n, latent) to items, fully connected for images too, which lie in [-1, 1], and for windows of series.

    ReLU, as in DCGAN's generator: it is flat on one side, so samples gather at modes instead of between them.
    """
    body = mlp(latent, math.prod(shape), hidden[::-1], batch_norm, slope=0.0)
    return body if len(shape) == 1 else nn.Sequential(body, nn.Unflatten(1, shape), bound(shape))


def flat_critic(shape: tuple[int, ...], hidden: Sequence[int], batch_norm: bool = False) -> VectorCritic:
    """Items to logits (n,), fully connected for images too."""
    return VectorCritic(math.prod(shape), hidden, batch_norm)
