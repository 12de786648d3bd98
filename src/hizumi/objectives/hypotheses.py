"""Losses of several answers to one question."""

import torch
from jaxtyping import Float
from torch import Tensor


def winner_takes_all(losses: Float[Tensor, "n h"], loser_share: float = 0.0) -> Float[Tensor, " n"]:
    """The loss of each item's best hypothesis; the others share `loser_share` of the weight among them.

    Without a share no gradient reaches the losers (Guzman-Rivera et al. 2012; with one, Rupprecht et al. 2017).
    """
    best = losses.amin(1)
    if not loser_share or losses.shape[1] == 1:
        return best
    others = (losses.sum(1) - best) / (losses.shape[1] - 1)
    return torch.lerp(best, others, loser_share)
