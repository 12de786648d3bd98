"""Random changes to images through which gradients flow, for discriminators that would learn few pictures by heart."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

Change = Literal["colour", "translation", "cutout"]
FARTHEST = 1 / 8  # of a side, by which images are moved
CUT = 1 / 2  # of a side, which is cut out


def augmented(images: Float[Tensor, "n c h w"], changes: Sequence[Change]) -> Float[Tensor, "n c h w"]:
    """Images changed at random, each differently, in this order (Zhao et al., NeurIPS 2020).

    Shown to a discriminator in place of real and generated images alike, they leave what it teaches the generator
    unbiased. The random numbers are torch's own.
    """
    for change in changes:
        images = CHANGES[change](images)
    return images


def _recoloured(images: Tensor) -> Tensor:
    """Brightness moved by at most 0.5, saturation times 0 to 2, contrast times 0.5 to 1.5."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1, device=images.device, dtype=images.dtype)
    images = images + brightness - 0.5
    grey = images.mean(1, keepdim=True)
    images = grey + 2 * saturation * (images - grey)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (0.5 + contrast) * (images - mean)


def _moved(images: Tensor) -> Tensor:
    """By at most an eighth of either side; what comes in is 0."""
    count, _, height, width = images.shape
    tallest, widest = round(FARTHEST * height), round(FARTHEST * width)
    down = torch.randint(2 * tallest + 1, (count, 1, 1), device=images.device)
    right = torch.randint(2 * widest + 1, (count, 1, 1), device=images.device)
    rows = down + torch.arange(height, device=images.device)[:, None]
    columns = right + torch.arange(width, device=images.device)
    framed = pad(images, (widest, widest, tallest, tallest)).permute(0, 2, 3, 1)
    own = torch.arange(count, device=images.device)[:, None, None]
    return framed[own, rows, columns].permute(0, 3, 1, 2)


def _cut(images: Tensor) -> Tensor:
    """A rectangle of half of either side is 0, wherever its centre lies; of one row, half of its columns."""
    count, _, height, width = images.shape
    tall = CUT * height / 2 if height > 1 else height
    middle = torch.rand(2, count, 1, 1, 1, device=images.device)
    rows = torch.arange(height, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device)
    inside = ((rows - middle[0] * height).abs() < tall) & ((columns - middle[1] * width).abs() < CUT * width / 2)
    return images.masked_fill(inside, 0.0)


CHANGES = {"colour": _recoloured, "translation": _moved, "cutout": _cut}
