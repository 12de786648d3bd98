"""The one training loop: batches in, steps taken, checkpoints out. It knows no model."""

import logging
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hizumi.data.progress import Observer
from hizumi.data.stream import Batches, Stream, View, as_source, in_order, mix_seed, moved
from hizumi.errors import DivergedError, UsageError
from hizumi.networks import lay_out
from hizumi.training.checkpoint import load_checkpoint, save_checkpoint
from hizumi.training.journal import Journal
from hizumi.training.options import Budget, TrainingOptions
from hizumi.training.trainable import Trainable

if TYPE_CHECKING:
    from lightning_fabric import Fabric

JOURNAL_RECORDS = 500  # about so many step records for a phase, whatever its length


@dataclass
class _Position:
    """Where a phase stands; everything that a checkpoint holds besides the model."""

    step: int = 0
    seconds: float = 0.0
    best_validation: float = math.inf
    epochs_without_gain: int = 0
    finished: bool = False


def make_fabric(options: TrainingOptions) -> "Fabric":
    """The Fabric that these options describe; `launch` it before anything is computed."""
    from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its greetings are not for our users
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice of another package's start-up code is not for our users
        return Fabric(
            accelerator=options.accelerator,
            devices=options.devices,
            num_nodes=options.num_nodes,
            precision=options.precision,
            strategy="ddp" if options.devices * options.num_nodes > 1 else "auto",
        )


def fit(
    phases: Sequence[Trainable],
    images: Any,
    options: TrainingOptions,
    *,
    validation: Batches | None = None,
    run_folder: Path | None = None,
    observe: Observer | None = None,
    fabric: "Fabric | None" = None,
) -> Journal:
    """Train models one after the other on the same data, and resume where a run folder holds checkpoints.

    Random numbers are a function of seed, step and process alone; the caller's random state is left as it was.
    """
    source = as_source(images)
    fabric = fabric or _launched(options)
    journal = Journal(run_folder / "journal.jsonl" if run_folder and fabric.is_global_zero else None)
    budgets = options.budgets([model.default_budget for model in phases])
    with torch.random.fork_rng():
        for number, (model, budget) in enumerate(zip(phases, budgets, strict=True)):
            torch.manual_seed(mix_seed(options.seed, number))
            model.prepare(source.shape).to(fabric.device)
            checkpoint = run_folder / f"phase-{number}.safetensors" if run_folder else None
            name = f"{number + 1} {type(model).__name__}" if len(phases) > 1 else type(model).__name__
            phase = _Phase(model, source, options, budget, name, checkpoint, fabric, journal, observe)
            phase.run(validation)
    return journal


class _Phase:
    """The training of one model."""

    def __init__(
        self,
        model: Trainable,
        source: Batches,
        options: TrainingOptions,
        budget: Budget,
        name: str,
        checkpoint: Path | None,
        fabric: "Fabric",
        journal: Journal,
        observe: Observer | None,
    ) -> None:
        self.model, self.options, self.budget, self.name, self.fabric = model, options, budget, name, fabric
        self.checkpoint, self.journal, self.observe = checkpoint, journal, observe
        batch_size = options.batch_size or model.default_batch_size
        self.stream = Stream(source, batch_size, options.seed, fabric.world_size, fabric.global_rank)
        self.position = _Position()

    def run(self, validation: Batches | None) -> None:
        """Take steps until the budget is spent."""
        position, model, stream = self.position, self.model, self.stream
        model.fabric = self.fabric
        lay_out(model, channels_last_in_memory=True)
        if self.checkpoint is not None and self.checkpoint.exists():
            vars(position).update(load_checkpoint(self.checkpoint, model))
            self.journal.rewind(self.name, position.step)
        saved_at, started = time.monotonic(), time.monotonic() - position.seconds
        if position.step == 0:
            model.eval()
            with torch.no_grad():
                model.begin(View(stream.source, function=lambda batch: moved(batch, self.fabric.device)))
        model.train()
        while not position.finished:
            # Take one step.
            model.progress = self.budget.spent(position.step, position.seconds, stream.steps_per_epoch)
            self._seed(mix_seed(self.options.seed, position.step, self.fabric.global_rank, 2))
            model.steps_done = position.step
            batch = moved(stream.batch(position.step), self.fabric.device)
            with self.fabric.autocast():
                losses = model.step(batch)
            model.synchronise_buffers()
            position.step += 1
            model.images_seen += stream.batch_size * stream.world_size
            position.seconds = self._agreed(time.monotonic() - started)

            # Look at it.
            record = self._record(losses)
            if validation is not None and position.step % stream.steps_per_epoch == 0:
                self._validate(validation, record)
            spent = self.budget.spent(position.step, position.seconds, stream.steps_per_epoch)
            out_of_patience = position.epochs_without_gain >= (self.budget.patience or math.inf)
            position.finished = spent >= 1 or out_of_patience
            if position.finished or "validation" in record or position.step % self._journal_interval(spent) == 0:
                self.journal.write(record)
            if self.observe is not None:
                self.observe(record | {"share": spent})

            # Save it.
            if self.checkpoint is not None and self.fabric.is_global_zero:
                due = time.monotonic() - saved_at >= self.options.checkpoint_seconds
                if due or position.finished:
                    save_checkpoint(self.checkpoint, model, vars(position))
                    saved_at = time.monotonic()
        model.fabric = None
        model.eval()
        lay_out(model, channels_last_in_memory=False)

    def _seed(self, seed: int) -> None:
        # torch.manual_seed goes through every kind of device: a twentieth of the step of a small network on a table.
        if self.fabric.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def _record(self, losses: Mapping[str, Tensor]) -> dict[str, Any]:
        values = {term: float(value) for term, value in losses.items()}
        for term, value in values.items():
            if not math.isfinite(value):
                raise DivergedError(
                    f"{type(self.model).__name__} diverged at step {self.position.step}: {term} is {value}; lower the "
                    "learning rate, use precision 32-true, or look for extreme values in the data"
                )
        return {
            "phase": self.name,
            "step": self.position.step,
            "images_seen": int(self.model.images_seen),
            "seconds": round(self.position.seconds, 3),
            "losses": values,
        }

    @torch.no_grad()
    def _validate(self, validation: Batches, record: dict[str, Any]) -> None:
        self.model.eval()
        total = 0.0
        for batch in in_order(validation):
            loss = self.model.validation_loss(moved(batch, self.fabric.device))
            if loss is None:
                raise UsageError(f"{type(self.model).__name__} has no validation loss; train it without patience")
            total += float(loss) * (len(batch[0]) if isinstance(batch, tuple) else len(batch))
        self.model.train()
        value = record["validation"] = total / (len(validation) * validation.views)
        improved = value < self.position.best_validation
        self.position.best_validation = min(value, self.position.best_validation)
        self.position.epochs_without_gain = 0 if improved else self.position.epochs_without_gain + 1

    def _journal_interval(self, spent: float) -> int:
        expected = self.position.step / spent if spent > 0 else 1
        return max(1, round(expected / JOURNAL_RECORDS))

    def _agreed(self, seconds: float) -> float:
        # Processes must stop at the same step, so all go by the first one's clock.
        return float(self.fabric.broadcast(seconds)) if self.fabric.world_size > 1 else seconds


def _launched(options: TrainingOptions) -> "Fabric":
    fabric = make_fabric(options)
    fabric.launch()
    return fabric
