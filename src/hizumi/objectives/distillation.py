"""Differences between two networks' feature maps of the same images, in value and in direction."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity


def value_difference(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Mean of (a - b)² over each image's map."""
    return (a - b).square().mean((1, 2, 3))


def direction_difference(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """1 - cosine of the angle between a and b, each image's whole map taken as one vector."""
    return 1 - cosine_similarity(a.flatten(1), b.flatten(1), dim=1)


def position_difference(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"], value_weight: float
) -> Float[Tensor, "n 1 h w"]:
    """1 - cosine of the channel vectors at each position, plus `value_weight` times their mean squared difference."""
    direction = 1 - cosine_similarity(a, b, dim=1)
    return (direction + value_weight * (a - b).square().mean(1))[:, None]
