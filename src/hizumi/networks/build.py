"""A body for a shape: convolutional for images (c, h, w), fully connected for vectors (d,)."""

from torch import nn

from hizumi.networks.dcgan import Critic, Encoder, Generator
from hizumi.networks.mlp import HIDDEN, VectorCritic, mlp


def encoder(shape: tuple[int, ...], outputs: int, width: int = 64) -> nn.Module:
    """Items to codes (n, outputs)."""
    return mlp(shape[0], outputs) if len(shape) == 1 else Encoder(shape, outputs, width)


def generator(shape: tuple[int, ...], latent: int, width: int = 64, bounded: bool = True) -> nn.Module:
    """Codes (n, latent) to items; images are bounded to [-1, 1] unless logits are wanted, vectors never are."""
    if len(shape) == 1:
        return mlp(latent, shape[0], HIDDEN[::-1])
    return Generator(shape, latent, width, bounded=bounded)


def critic(shape: tuple[int, ...], width: int = 64) -> Critic | VectorCritic:
    """Items to logits (n,), with `features` on the way."""
    return VectorCritic(shape[0]) if len(shape) == 1 else Critic(shape, width)
