"""A generator that is told how an item begins, and makes the rest of it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.dcgan import Encoder, Generator


class ContinuationGenerator(nn.Module):
    """Codes (n, latent) and the first columns of items to whole items (n, c, h, w), which begin with these columns.

    What is known passes through an encoder to a code of as many numbers as the random one has, and of the same scale:
    without it, the weak signal of the first steps is drowned, and the condition goes unheard.
    """

    def __init__(self, shape: tuple[int, ...], latent: int, width: int) -> None:
        super().__init__()
        channels, *sides = shape
        self.context = nn.Sequential(Encoder((channels + 1, *sides), latent, width), nn.BatchNorm1d(latent))
        self.body = Generator(shape, 2 * latent, width)

    def forward(
        self, codes: Float[Tensor, "n d"], items: Float[Tensor, "n c h w"], known: Float[Tensor, "n 1 h w"]
    ) -> Float[Tensor, "n c h w"]:
        """`known` is 1 in columns that are taken from `items`, and 0 in those that are made."""
        told = items * known
        context = self.context(torch.cat([told, known], dim=1))
        return told + self.body(torch.cat([codes, context], dim=1)) * (1 - known)
