"""Losses that keep normal items together in feature space."""

from jaxtyping import Float
from torch import Tensor


def compactness(features: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    """Mean over items and features of (u - m)², m being the mean of the *other* items (Perera & Patel 2019).

    As u - m = n / (n - 1) (u - mean of all), it is the biased variance times (n / (n - 1))². One item alone has none.
    """
    count = len(features)
    if count < 2:
        return features.sum() * 0
    return (count / (count - 1)) ** 2 * features.var(0, correction=0).mean()
