"""Differences between an image and its reconstruction, as maps (n, 1, h, w); the loss of several hypotheses."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

DYNAMIC_RANGE = 2.0  # of images in [-1, 1]


def absolute_difference(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 h w"]:
    """Channel mean of |a - b|."""
    return (a - b).abs().mean(1, keepdim=True)


def squared_difference(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 h w"]:
    """Channel mean of (a - b)²."""
    return (a - b).square().mean(1, keepdim=True)


def structural_dissimilarity(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"], sigma: float = 1.5
) -> Float[Tensor, "n 1 h w"]:
    """Channel mean of 1 - SSIM under a Gaussian window of standard deviation `sigma` pixels (Wang et al. 2004)."""
    c1, c2 = (0.01 * DYNAMIC_RANGE) ** 2, (0.03 * DYNAMIC_RANGE) ** 2
    mean_a, mean_b, square_a, square_b, product = smooth(torch.cat([a, b, a * a, b * b, a * b], 1), sigma).chunk(5, 1)
    variance_a, variance_b = square_a - mean_a.square(), square_b - mean_b.square()
    covariance = product - mean_a * mean_b
    similarity = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a.square() + mean_b.square() + c1) * (variance_a + variance_b + c2)
    )
    return (1 - similarity).mean(1, keepdim=True)


def contrast_difference(
    image: Float[Tensor, "n c h w"], rebuilt: Float[Tensor, "n c h w"], sigma: float = 2.0, floor: float = 0.05
) -> Float[Tensor, "n 1 h w"]:
    """Channel mean of (image - rebuilt)² over the local variance of the reconstruction.

    A busy texture is reconstructed less exactly than a smooth one, so an error counts for more where the
    reconstruction varies little. The variance is taken in a Gaussian window of standard deviation `sigma` pixels;
    `floor` is the standard deviation, in units of [-1, 1], below which contrast counts as noise.
    """
    mean, square = smooth(torch.cat([rebuilt, rebuilt * rebuilt], 1), sigma).chunk(2, 1)
    variance = (square - mean.square()).clamp(min=0) + floor**2
    return ((image - rebuilt).square() / variance).mean(1, keepdim=True)


def smooth(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Gaussian blur of each channel with standard deviation `sigma` pixels, edges mirrored."""
    if sigma <= 0:
        return images
    channels = images.shape[1]
    for dimension in (2, 3):
        # Reflection padding cannot be wider than the image.
        radius = min(int(3.5 * sigma + 0.5), images.shape[dimension] - 1)
        offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
        weights = torch.exp(-0.5 * (offsets / sigma).square())
        kernel = (weights / weights.sum()).expand(channels, 1, -1)
        kernel = kernel.unsqueeze(3 if dimension == 2 else 2)
        padding = (0, 0, radius, radius) if dimension == 2 else (radius, radius, 0, 0)
        images = conv2d(pad(images, padding, mode="reflect"), kernel, groups=channels)
    return images


def winner_takes_all(losses: Float[Tensor, "n h"], loser_share: float = 0.0) -> Float[Tensor, " n"]:
    """The loss of each item's best hypothesis, weight 1 - `loser_share`; the others share the rest equally.

    With a share of 0 the losers get no gradient (Guzman-Rivera et al. 2012; above 0, Rupprecht et al. 2017).
    """
    best = losses.amin(1)
    if not loser_share or losses.shape[1] == 1:
        return best
    others = (losses.sum(1) - best) / (losses.shape[1] - 1)
    return torch.lerp(best, others, loser_share)
