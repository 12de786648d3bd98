"""What one-class networks look at, and what keeps normal items together."""

from jaxtyping import Float
from torch import Tensor

from hizumi.objectives.background import FAINTEST


def contrast_normalised(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Each image minus its mean, over its mean absolute deviation: global contrast normalisation in the L1 norm.

    An image with less than a grey level of contrast is not amplified.
    """
    centred = images - images.mean((1, 2, 3), keepdim=True)
    return centred / centred.abs().mean((1, 2, 3), keepdim=True).clamp(min=FAINTEST)


def compactness(features: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    """Mean over items and features of (u - m)², m being the mean of the *other* items (Perera & Patel 2019).

    As u - m = n / (n - 1) (u - mean of all), it is the biased variance times (n / (n - 1))². One item alone has none.
    """
    count = len(features)
    if count < 2:
        return features.sum() * 0
    return (count / (count - 1)) ** 2 * features.var(0, correction=0).mean()
