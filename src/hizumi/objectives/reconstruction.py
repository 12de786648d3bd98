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


def squared_distance(a: Float[Tensor, "n *shape"], b: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
    """||a - b||² of each pair of images or vectors."""
    return (a - b).square().flatten(1).sum(1)


def structural_dissimilarity(
    a: Float[Tensor, "n c h w"],
    b: Float[Tensor, "n c h w"],
    sigma: float = 1.5,
    dynamic_range: float = DYNAMIC_RANGE,
) -> Float[Tensor, "n 1 h w"]:
    """Channel mean of 1 - SSIM under a Gaussian window of standard deviation `sigma` pixels (Wang et al. 2004)."""
    c1, c2 = (0.01 * dynamic_range) ** 2, (0.03 * dynamic_range) ** 2
    means, variances = local_moments(torch.cat([a, b, a - b], 1), sigma)
    mean_a, mean_b, mean_difference = means.chunk(3, 1)
    variance_a, variance_b, variance_difference = variances.chunk(3, 1)
    # SSIM's two factors, each as 1 minus a ratio: in single precision, what nearly equal images differ by survives.
    luminance = mean_difference.square() / (mean_a.square() + mean_b.square() + c1)
    structure = variance_difference / (variance_a + variance_b + c2)
    return (luminance + structure - luminance * structure).mean(1, keepdim=True)


def contrast_difference(
    image: Float[Tensor, "n c h w"], rebuilt: Float[Tensor, "n c h w"], sigma: float = 2.0, floor: float = 0.05
) -> Float[Tensor, "n 1 h w"]:
    """Channel mean of (image - rebuilt)² over the local variance of the reconstruction.

    A busy texture is reconstructed less exactly than a smooth one, so an error counts for more where the
    reconstruction varies little. The variance is taken in a Gaussian window of standard deviation `sigma` pixels;
    `floor` is the standard deviation, in units of [-1, 1], below which contrast counts as noise.
    """
    _, variance = local_moments(rebuilt, sigma)
    return ((image - rebuilt).square() / (variance + floor**2)).mean(1, keepdim=True)


def smooth(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Gaussian blur of each channel with standard deviation `sigma` pixels, edges mirrored."""
    if sigma <= 0:
        return images
    for dimension in (2, 3):
        images = _blurred(images, sigma, dimension)
    return images


def local_moments(
    images: Float[Tensor, "n c h w"], sigma: float
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]]:
    """Mean and variance of each channel under a Gaussian window of standard deviation `sigma` pixels, edges mirrored.

    Deviations are squared, not values: E[x²] - E[x]² would lose all digits where the image is flat and far from zero.
    """
    means, variances = images, torch.zeros_like(images)
    for dimension in (2, 3):
        # Var(x) = E[Var(x | line)] + Var(E[x | line]), one dimension after the other.
        values, means = means, _blurred(means, sigma, dimension)
        variances = _blurred(variances, sigma, dimension) if dimension == 3 else variances
        weights, mirrored = _window(values, sigma, dimension)
        for offset, weight in enumerate(weights.unbind()):
            deviations = mirrored.narrow(dimension, offset, images.shape[dimension]) - means
            variances = torch.addcmul(variances, deviations * weight, deviations)
    return means, variances


def _blurred(images: Tensor, sigma: float, dimension: int) -> Tensor:
    weights, mirrored = _window(images, sigma, dimension)
    kernel = weights.expand(images.shape[1], 1, -1).unsqueeze(3 if dimension == 2 else 2)
    return conv2d(mirrored, kernel, groups=images.shape[1])


def _window(images: Tensor, sigma: float, dimension: int) -> tuple[Tensor, Tensor]:
    """Weights of a window along one dimension, and the images mirrored beyond their edges by its radius."""
    # Reflection padding cannot be wider than the image.
    radius = min(int(3.5 * sigma + 0.5), images.shape[dimension] - 1)
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-0.5 * (offsets / sigma).square())
    padding = (0, 0, radius, radius) if dimension == 2 else (radius, radius, 0, 0)
    return weights / weights.sum(), pad(images, padding, mode="reflect")


def winner_takes_all(losses: Float[Tensor, "n h"], loser_share: float = 0.0) -> Float[Tensor, " n"]:
    """The loss of each item's best hypothesis, weight 1 - `loser_share`; the others share the rest equally.

    With a share of 0 the losers get no gradient (Guzman-Rivera et al. 2012; above 0, Rupprecht et al. 2017).
    """
    best = losses.amin(1)
    if not loser_share or losses.shape[1] == 1:
        return best
    others = (losses.sum(1) - best) / (losses.shape[1] - 1)
    return torch.lerp(best, others, loser_share)
