"""Weights that boost a mixture of generators (Tolstikhin et al. 2017)."""

import torch
from jaxtyping import Float
from torch import Tensor

SURE = 1e-4  # probabilities of a classifier that is surer than this are not believed


def density_ratio(logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """p_mixture / p_data at each item, from the logits of a classifier that tells data (positive) from the mixture."""
    probability = logits.sigmoid().clamp(SURE, 1 - SURE)
    return (1 - probability) / probability


def adagan_weights(ratios: Float[Tensor, " n"], beta: float) -> Float[Tensor, " n"]:
    """How much each item should count in the training of the next generator; the weights sum to 1.

    If items are equally likely and the mixture has `ratios` times their density, then the best distribution to mix in
    with the share `beta`, in (0, 1], has weights max(0, level - (1 - beta) * ratio) / (n * beta): it fills up what is
    lacking, like water, to one level.
    """
    count = len(ratios)
    ascending, _ = ratios.sort()
    fewest = torch.arange(1, count + 1, device=ratios.device, dtype=ratios.dtype)
    # levels[i]: where the water would stand if it covered the i + 1 smallest ratios.
    levels = (beta * count + (1 - beta) * ascending.cumsum(0)) / fewest
    covered = ((1 - beta) * ascending < levels).sum()
    weights = (levels[covered - 1] - (1 - beta) * ratios).clamp(min=0)
    return weights / weights.sum()
