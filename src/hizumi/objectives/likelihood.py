"""Log-densities and divergences, summed over the dimensions of each item."""

import math

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy


def kl_to_standard_normal(mean: Float[Tensor, "n d"], log_variance: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def gaussian_log_density(
    values: Float[Tensor, "..."], mean: Float[Tensor, "..."], log_variance: Tensor
) -> Float[Tensor, "..."]:
    """Elementwise log N(values; mean, exp(log_variance)) in nats."""
    return -0.5 * ((values - mean).square() * (-log_variance).exp() + log_variance + math.log(2 * math.pi))


def bernoulli_log_density(values: Float[Tensor, "..."], logits: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Elementwise values log p + (1 - values) log(1 - p) in nats, for values in [0, 1] and p = sigmoid(logits)."""
    return -binary_cross_entropy_with_logits(logits, values, reduction="none")


def categorical_log_density(
    values: Int[Tensor, "n *shape"], logits: Float[Tensor, "n k *shape"]
) -> Float[Tensor, "n *shape"]:
    """Elementwise log p(value) in nats, for values 0 to k - 1 and p = softmax(logits)."""
    return -cross_entropy(logits, values, reduction="none")
