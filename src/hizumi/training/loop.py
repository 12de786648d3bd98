"""The training loop, which knows no model: batches in, checkpoints and a journal out."""

import logging
import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hizumi.data.guard import trusted
from hizumi.data.progress import Observer
from hizumi.data.seeds import seed_for
from hizumi.data.stream import Batches, Stream, View, as_source, dealt, in_order, moved
from hizumi.errors import DataError, ShortageError, UsageError, is_shortage
from hizumi.networks import lay_out
from hizumi.networks.kernels import kernels_that_fail_well
from hizumi.storage.locks import held
from hizumi.training.checkpoint import load_checkpoint, save_checkpoint
from hizumi.training.identity import checksum_of, identity_of, names_of
from hizumi.training.journal import Journal, check_journal
from hizumi.training.losses import Losses, mean_of
from hizumi.training.options import Budget, TrainingOptions
from hizumi.training.randomness import own_random_numbers
from hizumi.training.torch_settings import usual_torch
from hizumi.training.trainable import Trainable
from hizumi.words import counted

if TYPE_CHECKING:
    from lightning_fabric import Fabric

JOURNAL = "journal.jsonl"
JOURNAL_RECORDS = 500  # about as many for each phase, whatever its length
ONE_NUMBER = "Expected more than 1 value per channel"  # what torch says of a batch norm that standardises nothing


@dataclass
class _Position:
    """What a checkpoint holds besides the model's state and its number of steps."""

    seconds: float = 0.0
    best_validation: float = math.inf
    epochs_without_gain: int = 0
    finished: bool = False


def make_fabric(options: TrainingOptions) -> "Fabric":
    """A Fabric for these options; call `launch` on it before computing anything.

    In a process that is in a group already, such as one that Ray or torchrun has made, it joins that.
    """
    from hizumi.training.joined import JoinedGroup, in_group, processes_here
    from hizumi.training.plain_fabric import PlainFabric

    joins = in_group()
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # no greetings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # raised by its start-up code; users can do nothing about them
        return PlainFabric(
            accelerator=options.accelerator,
            devices=processes_here() if joins else options.devices,
            num_nodes=options.num_nodes,
            precision=options.precision,
            strategy="ddp" if joins or options.processes > 1 else "auto",
            plugins=[JoinedGroup()] if joins else None,
        )


def launched(options: TrainingOptions) -> "Fabric":
    """A Fabric for these options, with which can be computed."""
    fabric = make_fabric(options)
    fabric.launch()
    return fabric


def fit(
    phases: Sequence[Trainable],
    images: Any,
    options: TrainingOptions,
    *,
    validation: Batches | None = None,
    run_folder: str | Path | None = None,
    observe: Observer | None = None,
    fabric: "Fabric | None" = None,
) -> Journal:
    """Train models one after the other on the same data, resuming from the checkpoints in a run folder.

    Random numbers depend on seed, step and process alone, for which fits in several threads take turns; the caller's
    random state is left unchanged. Raises UsageError, naming the holder, where another run has the folder.

    Where the Fabric has fewer processes than the options ask for, each takes the batches of several, one after the
    other: every step still sees the same items, and checkpoints of the whole group are gone on from, and the reverse.
    """
    source = as_source(images)
    _check_validation(validation, source, options, phases)
    fabric = fabric or launched(options)
    _refuse_other_items(len(source), fabric)
    folder = None if run_folder is None else Path(run_folder)
    kept = folder if fabric.is_global_zero else None
    budgets = options.budgets([model.default_budget for model in phases])
    with nullcontext() if kept is None else held(kept), own_random_numbers(), usual_torch(gradients=True):
        run = identity_of(phases, source, options, max(options.processes, fabric.world_size))
        if folder is not None and phases:
            run["data"] = {"checksum": checksum_of(source)}
        options = _shared_out(options, fabric.world_size)
        if folder is not None:
            check_journal(folder / JOURNAL, run)  # in all processes, so that none waits for one that was refused
        journal = Journal(None if kept is None else kept / JOURNAL, run)
        for number, (model, budget) in enumerate(zip(phases, budgets, strict=True)):
            torch.manual_seed(seed_for("networks", options.seed, number))
            model.prepare(source.shape).to(fabric.device)
            checkpoint = None if folder is None else folder / f"phase-{number}.safetensors"
            name = names_of(phases)[number]
            own = {"data": run.get("data"), "settings": {name: run["settings"][name]}}
            phase = _Phase(model, source, options, budget, name, own, checkpoint, fabric, journal, observe)
            with trusted(), kernels_that_fail_well():
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
        own: Mapping[str, Any],
        checkpoint: Path | None,
        fabric: "Fabric",
        journal: Journal,
        observe: Observer | None,
    ) -> None:
        self.model = model
        self.options = options
        self.budget = budget
        self.name = name
        self.own = own  # data and settings, by which its checkpoint is told from others
        self.checkpoint = checkpoint
        self.fabric = fabric
        self.journal = journal
        self.observe = observe
        training, self.held_out = deal(source, model.held_out_share, options)
        self.stream = make_stream(model, training, options, fabric.world_size, fabric.global_rank)
        self.processes = max(options.processes, fabric.world_size)  # whose batches make a step
        self.position = _Position()
        self.losses = Losses(type(model).__name__)

    def run(self, validation: Batches | None) -> None:
        """Take steps until the budget is spent."""
        position, model, clock = self.position, self.model, self.model.clock
        clock.fabric = self.fabric
        clock.accumulation = self.options.accumulation
        lay_out(model, channels_last_in_memory=True)
        if self.checkpoint is not None and self.checkpoint.exists():
            numbers = load_checkpoint(self.checkpoint, model, self._identity())
            clock.steps_done = numbers.pop("step")
            vars(position).update(numbers)
        self.journal.rewind(self.name, clock.steps_done)
        try:
            self._take_steps(validation)
        finally:  # of a training that is interrupted, too, what was learned so far may be used
            clock.fabric = None
            clock.accumulation, clock.batch = 1, 0
            model.eval()
        if self.held_out is not None:
            self._seed(seed_for("held out", self.options.seed))
            with torch.no_grad():
                model.finish(View(self.held_out, function=lambda batch: moved(batch, self.fabric.device)))
        lay_out(model, channels_last_in_memory=False)

    def _take_steps(self, validation: Batches | None) -> None:
        position, model, stream, losses, clock = self.position, self.model, self.stream, self.losses, self.model.clock
        saved_at, started = time.monotonic(), time.monotonic() - position.seconds
        if clock.steps_done == 0:
            model.eval()
            with torch.no_grad():
                model.begin(View(stream.source, function=lambda batch: moved(batch, self.fabric.device)))
        model.train()
        clock.progress = self._spent()
        kept = self.checkpoint if self.fabric.is_global_zero else None
        while not position.finished:
            # Take one step.
            self._seed(seed_for("step", self.options.seed, clock.steps_done, self.fabric.global_rank))
            self._step(stream.batch(clock.steps_done))
            model.synchronise_buffers()
            clock.steps_done += 1
            position.seconds = self._agreed(time.monotonic() - started)
            clock.progress = self._spent()

            # Look at it.
            validates = validation is not None and clock.steps_done % stream.steps_per_epoch == 0
            saves = kept is not None and time.monotonic() - saved_at >= self.options.checkpoint_seconds
            journals = validates or clock.progress >= 1 or clock.steps_done % self._journal_interval() == 0
            if journals or saves or not losses.latest:
                losses.read()  # before validating and saving, so that neither uses diverged weights
            record = self._record()
            if validation is not None and validates:
                self._validate(validation, record)
            out_of_patience = position.epochs_without_gain >= (self.budget.patience or math.inf)
            position.finished = clock.progress >= 1 or out_of_patience
            if journals:
                self.journal.write(record)
            if self.observe is not None:
                self.observe(record | {"share": clock.progress})

            # Save it.
            if kept is not None and (saves or position.finished):
                save_checkpoint(kept, model, {"step": clock.steps_done} | vars(position), self._identity())
                saved_at = time.monotonic()

    def _identity(self) -> dict[str, Any]:
        """What a run must share with the one whose checkpoint it goes on from; a budget may be longer."""
        return {
            "phase": self.name,
            "seed": self.options.seed,
            "batch_size": self.stream.batch_size // self.options.accumulation,
            "accumulation": self.options.accumulation * self.stream.world_size // self.processes,
            "precision": self.options.precision,
            "processes": self.processes,
            "items": len(self.stream.source),
            "shape": list(self.stream.source.shape),
            **self.own,
        }

    def _step(self, batch: Any) -> None:
        clock = self.model.clock
        clock.updates.clear()
        taken = []
        try:
            for number, part in enumerate(_parts(batch, clock.accumulation)):
                clock.batch = number
                with self.fabric.autocast():
                    taken.append(self.model.step(moved(part, self.fabric.device)))
                clock.images_seen += self.stream.batch_size * self.stream.world_size // clock.accumulation
        except (MemoryError, RuntimeError, ValueError) as error:
            if is_shortage(error):
                raise self._shortage(error) from error
            if ONE_NUMBER in str(error):
                raise UsageError(
                    f"{self._batch_in_words()} gives batch norm one number a channel, which has no spread; take a "
                    "larger batch (--batch-size), of more items, or larger items"
                ) from error
            self.losses.read()  # where the weights have diverged since the last reading, that is the cause
            raise
        self.losses.keep(clock.steps_done + 1, mean_of(taken))

    def _shortage(self, error: BaseException) -> ShortageError:
        advice = (
            "take a smaller batch (--batch-size, with --accumulation to learn as from a large one) or smaller items"
        )
        return ShortageError.of(error, self._batch_in_words(), advice)

    def _batch_in_words(self) -> str:
        size = self.stream.batch_size // self.options.accumulation
        shape = "x".join(map(str, self.stream.source.shape))
        return f"a step of {self.name} with a batch of {counted(size, 'item')} of {shape}"

    def _spent(self) -> float:
        return self.budget.spent(self.model.steps_done, self.position.seconds, self.stream.steps_per_epoch)

    def _seed(self, seed: int) -> None:
        # torch.manual_seed visits every kind of device, which takes 5 % of a small network's step.
        if self.fabric.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def _record(self) -> dict[str, Any]:
        return {
            "phase": self.name,
            "step": self.model.steps_done,
            "images_seen": self.model.images_seen,
            "seconds": round(self.position.seconds, 3),
            "losses": self.losses.latest,
        } | ({} if self.stream.world_size == self.processes else {"processes": self.stream.world_size})

    @torch.no_grad()
    def _validate(self, validation: Batches, record: dict[str, Any]) -> None:
        self.model.eval()
        # Equal draws in all processes, which stop by this loss, and in every epoch: epochs differ by weights alone.
        self._seed(seed_for("validation", self.options.seed))
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

    def _journal_interval(self) -> int:
        expected = self.model.steps_done / self.model.progress if self.model.progress > 0 else 1
        return max(1, round(expected / JOURNAL_RECORDS))

    def _agreed(self, seconds: float) -> float:
        # Processes must stop at the same step, so all use the first one's time.
        return float(self.fabric.broadcast(seconds)) if self.fabric.world_size > 1 else seconds


def deal(source: Batches, held_out_share: float, options: TrainingOptions) -> tuple[Batches, Batches | None]:
    """The items to train on, and those held out of them: at least one, unless it is the only one, which is both."""
    if held_out_share == 0:
        return source, None
    if len(source) == 1:
        return source, source
    return dealt(source, max(1, round(held_out_share * len(source))), seed_for("held out", options.seed))


def make_stream(
    model: Trainable, source: Batches, options: TrainingOptions, world_size: int = 1, rank: int = 0
) -> Stream:
    """The stream that the loop reads; its batch is all batches of a step in one."""
    available = len(source) // world_size
    if 1 <= available < options.accumulation:
        raise DataError(f"{available} items cannot be divided into {options.accumulation} batches; lower accumulation")
    batch_size = min(options.batch_size or model.default_batch_size, available // options.accumulation)
    return Stream(source, batch_size * options.accumulation, options.seed, world_size, rank)


def _parts(batch: Any, count: int) -> Iterable[Any]:
    """Split a batch, a tensor or a tuple of tensors, into equal parts."""
    return zip(*(each.chunk(count) for each in batch), strict=True) if isinstance(batch, tuple) else batch.chunk(count)


def _check_validation(
    validation: Batches | None, source: Batches, options: TrainingOptions, phases: Sequence[Trainable]
) -> None:
    """Raise an error, before anything is trained, where there is nothing to be patient by, or something else."""
    if validation is None and options.has_patience and phases:
        raise UsageError(
            "patience needs held-out normal data: give them to a detector's fit as `validation`, or fit by Inspector "
            "or Modeller, which hold some out"
        )
    if validation is not None and tuple(validation.shape) != tuple(source.shape):
        raise DataError(
            f"validation has items of shape {tuple(validation.shape)}, and the training {tuple(source.shape)}; "
            "give items alike"
        )


def _refuse_other_items(count: int, fabric: "Fabric") -> None:
    """Raise UsageError, in all processes, where machines do not read as many items as the others."""
    if fabric.world_size == 1:
        return
    gathered = fabric.all_gather(torch.tensor(count, device=fabric.device))
    assert isinstance(gathered, torch.Tensor)
    counts = gathered.tolist()
    if len(set(counts)) > 1:
        found = ", ".join(f"{count:,}" for count in counts)
        raise UsageError(f"the processes read {found} items; put the data where all machines read the same files")


def _shared_out(options: TrainingOptions, world_size: int) -> TrainingOptions:
    """What each process does where there are fewer than were asked for."""
    if options.processes % world_size and world_size < options.processes:
        raise UsageError(
            f"the batches of {options.processes} processes cannot be shared out evenly among {world_size}; "
            "train with a number that divides it"
        )
    return replace(options, accumulation=options.accumulation * max(1, options.processes // world_size))
