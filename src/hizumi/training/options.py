"""Training options: budget, batches, seed, precision and devices."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from hizumi.errors import UsageError
from hizumi.storage.statements import LARGEST_SEED

Precision = Literal["32-true", "bf16-mixed"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When training ends: after a number of steps, epochs or minutes, whichever comes first.

    With `patience`, training also ends once the loss on held-out normal data has not improved for that many epochs.
    """

    steps: int | None = None
    epochs: int | None = None
    max_minutes: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "epochs", "max_minutes", "patience"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                option = "--max-time (`max_minutes`)" if name == "max_minutes" else name
                raise UsageError(f"{option} is {value:g}; it must be a positive number")
        if self.steps is None and self.epochs is None and self.max_minutes is None:
            raise UsageError("a training budget needs steps, epochs or minutes; with patience alone it might never end")

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """Steps after which training ends, None where only time limits it."""
        limits = [self.steps, None if self.epochs is None else self.epochs * steps_per_epoch]
        return min((limit for limit in limits if limit is not None), default=None)

    def spent(self, step: int, seconds: float, steps_per_epoch: int) -> float:
        """Share of the budget that is spent, from 0 to 1; training ends at 1."""
        total = self.total_steps(steps_per_epoch)
        by_steps = 0.0 if total is None else step / total
        by_time = 0.0 if self.max_minutes is None else seconds / (60 * self.max_minutes)
        return min(1.0, max(by_steps, by_time))


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What the loop needs besides a model and data; `None` stands for the model's own default.

    `budget` applies to every phase of a detector, or is a tuple with one for each. Each step takes `accumulation`
    batches in turn and follows the mean of their gradients: a large batch in the memory of a small one. It differs
    from a large batch in that batch norm sees the small ones; that a generator updated after its critic meets the
    updated critic in the last of them only; and that an optimiser with several updates in a step averages over fewer.
    """

    budget: Budget | tuple[Budget, ...] | None = None
    batch_size: int | None = None
    accumulation: int = 1
    seed: int = 0
    precision: Precision = "32-true"
    accelerator: str = "cpu"
    devices: int = 1
    num_nodes: int = 1
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        least = {"batch_size": 1, "accumulation": 1, "seed": 0, "devices": 1, "num_nodes": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            is_default = name == "batch_size" and value is None
            is_whole = isinstance(value, Integral) and not isinstance(value, bool)
            if not is_default and not (is_whole and value >= lowest):
                raise UsageError(f"{name} is {value!r}; it must be a whole number, {lowest} or more")
        if self.seed > LARGEST_SEED:
            raise UsageError(f"seed is {self.seed}; it must be {LARGEST_SEED} or less")
        if self.precision not in ("32-true", "bf16-mixed"):
            raise UsageError(f"precision {self.precision!r} is not known; use 32-true or bf16-mixed")

    def budgets(self, defaults: Sequence[Budget]) -> list[Budget]:
        """The budget of each phase; `defaults` are the phases' own."""
        if self.budget is None:
            return list(defaults)
        if isinstance(self.budget, Budget):
            return [self.budget] * len(defaults)
        if len(self.budget) != len(defaults):
            raise UsageError(f"{len(self.budget)} budgets were given for {len(defaults)} phases of training")
        return list(self.budget)

    @property
    def processes(self) -> int:
        """Processes that are to train together."""
        return self.devices * self.num_nodes

    @property
    def has_patience(self) -> bool:
        """Whether any phase may end early."""
        budgets = (self.budget,) if isinstance(self.budget, Budget) else self.budget or ()
        return any(budget.patience is not None for budget in budgets)
