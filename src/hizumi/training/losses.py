"""Losses between the device, which computes them, and the journal."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hizumi.errors import DivergedError


class Losses:
    """Losses of one training run; they stay on the device until they are read.

    Args:
        owner: Name of the model, for error messages.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.latest: dict[str, float] = {}
        self._unread: list[tuple[int, Mapping[str, Tensor]]] = []

    def keep(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Record a step's losses without waiting for their values."""
        self._unread.append((step, losses))

    def read(self) -> None:
        """Update `latest`; raise DivergedError, naming the first step with a loss that is not finite."""
        if not self._unread:
            return
        origins = [(step, term) for step, losses in self._unread for term in losses]
        # Here the CPU waits for the device to finish all steps so far, and the device then waits for new work.
        scalars = [loss for _, losses in self._unread for loss in losses.values()]
        values = torch.stack(scalars).tolist() if scalars else []
        for (step, term), value in zip(origins, values, strict=True):
            if not math.isfinite(value):
                raise DivergedError(
                    f"{self.owner} diverged at step {step}: {term} is {value}; lower the learning rate, use precision "
                    "32-true, or look for extreme values in the data"
                )
        last_step = self._unread[-1][0]
        self.latest = {term: value for (step, term), value in zip(origins, values, strict=True) if step == last_step}
        self._unread.clear()


def mean_of(parts: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """Mean of each loss over those batches of a step that report it."""
    if len(parts) == 1:
        return parts[0]
    terms = dict.fromkeys(term for part in parts for term in part)
    return {term: torch.stack([part[term] for part in parts if term in part]).mean() for term in terms}
