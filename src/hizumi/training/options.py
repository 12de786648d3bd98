"""Training options: budget, batches, seed, precision and devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Interval

from hizumi.arguments import (
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    arguments_of,
    check_argument,
    check_arguments,
    plain,
)
from hizumi.errors import UsageError
from hizumi.storage.statements import LARGEST_SEED

Precision = Literal["32-true", "bf16-mixed"]
Accelerator = Literal["cpu", "cuda", "mps", "auto"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When training ends: after a number of steps, epochs or minutes, whichever comes first.

    With `patience`, training also ends once the loss on held-out normal data has not improved for that many epochs.
    """

    steps: PositiveInt | None = None
    epochs: PositiveInt | None = None
    max_minutes: PositiveFloat | None = None
    patience: PositiveInt | None = None

    def __post_init__(self) -> None:
        check_argument(Budget, "max_minutes", self.max_minutes, "--max-time (`max_minutes`)")
        _settle(self)
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
    batch_size: PositiveInt | None = None
    accumulation: PositiveInt = 1
    seed: Annotated[int, Interval(ge=0, le=LARGEST_SEED)] = 0
    precision: Precision = "32-true"
    accelerator: Accelerator = "cpu"
    devices: PositiveInt = 1
    num_nodes: PositiveInt = 1
    checkpoint_seconds: NonNegativeFloat = 30.0

    def __post_init__(self) -> None:
        _settle(self)

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


def options_given(options: Any, called: str) -> TrainingOptions:
    """These, or the defaults for None; raises UsageError, which names the receiver, for all else, as a Budget alone."""
    if options is None:
        return TrainingOptions()
    if not isinstance(options, TrainingOptions):
        kind = type(options).__name__
        raise UsageError(f"{called}: options are a {kind}; give TrainingOptions, such as TrainingOptions(budget=...)")
    return options


def _settle(options: Budget | TrainingOptions) -> None:
    """Check what was given, and keep numpy's numbers as Python's, which records of a run can be made of."""
    check_arguments(options)
    for name, value in arguments_of(options).items():
        object.__setattr__(options, name, plain(value))  # they are frozen
