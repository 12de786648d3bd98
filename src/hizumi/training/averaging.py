"""Running averages of weights, which sample better than the last weights."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from hizumi.training.clock import Clock


class WeightAverage(nn.Module):
    """Exponential moving average of a network's weights; `network` is the averaged copy.

    Args:
        network: The network that is trained; the copy starts equal to it.
        decay: Share of the average that each update keeps; its first updates, however late in the training, keep less,
            so that the initial weights fade.
    """

    updates: Tensor

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self.register_buffer("updates", torch.tensor(0))
        self.register_load_state_dict_pre_hook(_count_if_absent)  # type: ignore[no-untyped-call]  # torch has no types here

    @torch.no_grad()
    def follow(self, network: nn.Module, clock: Clock) -> None:
        """Move the average towards the network, once a step; buffers, such as batch-norm statistics, are copied."""
        if not clock.in_last_batch:
            return
        updates = int(self.updates)  # a synchronisation with the device, small beside the update that it follows
        decay = min(self.decay, (1 + updates) / (10 + updates))
        own: list[Tensor] = list(self.network.parameters())
        new: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(own, new, 1 - decay)
        for mine, its in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(its)
        self.updates += 1

    def restart(self) -> None:
        """Let the average move fast again, as at first."""
        self.updates.zero_()


def _count_if_absent(average: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Accept weights of bundles from before the count was kept; they are only read."""
    state.setdefault(f"{prefix}updates", average.updates)
