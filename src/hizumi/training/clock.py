"""The state of a training run that the loop keeps and models read."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(eq=False)
class Clock:
    """How far a training run has come; a model and the models that it wraps share one clock.

    Args:
        steps_done: Completed steps.
        images_seen: Items trained on so far, by all processes together.
        progress: Share of the budget that is spent, from 0 to 1.
        fabric: Devices and processes; None outside the loop.
        accumulation: Batches per step.
        batch: Index of the current batch within its step.
        updates: Number of losses that each optimiser has received in this step.
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
        """Batches completed in this step and all earlier ones."""
        return self.steps_done * self.accumulation + self.batch

    @property
    def in_last_batch(self) -> bool:
        """Whether the current batch completes its step."""
        return self.batch == self.accumulation - 1
