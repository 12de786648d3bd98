"""Losses on their way from the device to the journal."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hizumi.errors import DivergedError


class Losses:
    """Losses of a training, kept on the device until they are read.

    Args:
        owner: Name of the model, for error messages.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.latest: dict[str, float] = {}
        self._unread: list[tuple[int, Mapping[str, Tensor]]] = []

    def keep(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Take note of a step's losses without waiting for them."""
        self._unread.append((step, losses))

    def read(self) -> None:
        """Bring `latest` up to date; raise DivergedError at the first step whose losses are not all finite."""
        if not self._unread:
            return
        steps = [(step, term) for step, losses in self._unread for term in losses]
        # Here the CPU waits until the device has finished all steps so far: once in a while is cheap, each step is not.
        values = torch.stack([loss for _, losses in self._unread for loss in losses.values()]).tolist() if steps else []
        for (step, term), value in zip(steps, values, strict=True):
            if not math.isfinite(value):
                raise DivergedError(
                    f"{self.owner} diverged at step {step}: {term} is {value}; lower the learning rate, use precision "
                    "32-true, or look for extreme values in the data"
                )
        last_step = self._unread[-1][0]
        self.latest = {term: value for (step, term), value in zip(steps, values, strict=True) if step == last_step}
        self._unread.clear()


def mean_of(parts: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """Mean of each loss over the batches of a step that have it."""
    if len(parts) == 1:
        return parts[0]
    terms = dict.fromkeys(term for part in parts for term in part)
    return {term: torch.stack([part[term] for part in parts if term in part]).mean() for term in terms}
