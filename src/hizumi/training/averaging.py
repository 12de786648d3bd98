"""Running averages of weights, which sample better than the last weights."""

import copy

import torch
from torch import Tensor, nn

from hizumi.training.clock import Clock


class WeightAverage(nn.Module):
    """Exponential moving average of a network's weights; `network` is the averaged copy.

    Args:
        network: The network that is trained; the copy starts equal to it.
        decay: Share of the average that each step keeps; early steps keep less, so that the initial weights fade.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, network: nn.Module, clock: Clock) -> None:
        """Move the average towards the network, once a step; buffers, such as batch-norm statistics, are copied."""
        if not clock.in_last_batch:
            return
        decay = min(self.decay, (1 + clock.steps_done) / (10 + clock.steps_done))
        own: list[Tensor] = list(self.network.parameters())
        new: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(own, new, 1 - decay)
        for mine, its in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(its)
