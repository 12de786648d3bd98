"""Images as networks take them that were trained on ImageNet."""

import torch
from jaxtyping import Float
from torch import Tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in [0, 1], red, green, blue


def in_colour(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
    """Images of three channels; others are replaced by three copies of their channel mean."""
    return images if images.shape[1] == 3 else images.mean(1, keepdim=True).expand(-1, 3, -1, -1)


def standardised(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
    """Images in [-1, 1], of any number of channels, by the mean and deviation of ImageNet's colours."""
    mean, deviation = (torch.tensor(each, device=images.device)[:, None, None] for each in (MEAN, DEVIATION))
    return ((in_colour(images) + 1) / 2 - mean) / deviation
