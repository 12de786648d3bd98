"""A running average of a network's weights, which samples better than the last weights do."""

import copy

import torch
from torch import Tensor, nn


class WeightAverage(nn.Module):
    """Exponential moving average of a network: `network` is the averaged copy, to sample from.

    Args:
        network: What is trained; the copy starts equal to it.
        decay: Share of the average that each step keeps; early steps keep less, so that the first weights fade.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, network: nn.Module, steps_done: int) -> None:
        """Move the average towards the network; its buffers, such as batch-norm statistics, are copied."""
        decay = min(self.decay, (1 + steps_done) / (10 + steps_done))
        own: list[Tensor] = list(self.network.parameters())
        new: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(own, new, 1 - decay)
        for mine, its in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(its)
