"""Where a training stands: kept by the loop, read by models."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(eq=False)
class Clock:
    """Progress of one training; a model that wraps another shares its clock with it.

    Args:
        steps_done: Completed steps, whose number learning rates and turns depend on.
        images_seen: Items trained on so far, by all processes together.
        progress: Share of the budget that is spent, from 0 to 1.
        fabric: Devices and processes; None outside the loop.
        accumulation: Batches in a step.
        batch: Number of the current batch within its step, from 0.
        updates: How often each optimiser has been given a loss in this step.
    """

    steps_done: int = 0
    images_seen: int = 0
    progress: float = 0.0
    fabric: "Fabric | None" = None
    accumulation: int = 1
    batch: int = 0
    updates: Counter[str] = field(default_factory=Counter)

    @property
    def batches_done(self) -> int:
        """Batches before the current one, in this step and all earlier ones."""
        return self.steps_done * self.accumulation + self.batch

    @property
    def in_last_batch(self) -> bool:
        """Whether the current batch completes its step."""
        return self.batch == self.accumulation - 1
