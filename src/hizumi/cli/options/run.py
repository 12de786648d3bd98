"""How a run goes: how long, on what machine, from which seed, and whether it goes on with an earlier one."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import typer

from hizumi.cli.options.data import Strict
from hizumi.cli.options.files import refuse_other_file
from hizumi.errors import UsageError
from hizumi.storage.files import RUN_SUFFIX, refuse_unwritable
from hizumi.storage.statements import LARGEST_SEED

if TYPE_CHECKING:
    from hizumi.data.progress import Observer
    from hizumi.runs.tracking.tracker import Tracking
    from hizumi.scale.group import Work
    from hizumi.scale.jobs import Workplace
    from hizumi.storage.archive import Kind
    from hizumi.training import TrainingOptions

Fitted = TypeVar("Fitted")


def refuse_no_cluster(on: str | None) -> str | None:
    """Refuse what is no address of a cluster."""
    if on is not None:
        from hizumi.scale.cluster import refuse_no_address

        refuse_no_address(on)
    return on


def refuse_no_program(targets: list[str] | None) -> list[str] | None:
    """Refuse what names no program that shows runs."""
    from hizumi.runs.tracking.targets import split_target

    for target in targets or ():
        split_target(target)
    return targets


Steps = Annotated[int | None, typer.Option(metavar="N", min=1, help="Training ends after so many steps.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, max=LARGEST_SEED, help="Where every random choice starts from.")]
Accelerator = Annotated[
    Literal["cpu", "cuda", "mps", "auto"], typer.Option(metavar="A", help="Where to train: cpu, cuda, mps or auto.")
]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ADDRESS",
        help="Work on a Ray cluster: local, auto, HOST:6379 or ray://HOST:10001.",
        callback=refuse_no_cluster,
    ),
]


Track = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PROGRAM",
        help="Show the run in mlflow:URI or tensorboard:FOLDER, too; may be repeated.",
        callback=refuse_no_program,
    ),
]


@dataclass(frozen=True)
class WorkplaceArguments:
    """Where many fits are done: one after another in this process, or each by a worker of a cluster."""

    heading: ClassVar[str] = "Where it runs"

    on: On = None
    cores: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Threads of each fit, of which equal numbers give equal results; those that torch takes here if not "
            "given.",
        ),
    ] = None

    @contextmanager
    def workplace(self) -> "Iterator[Workplace]":
        """Connected to, and left at the end."""
        import torch

        from hizumi.cli.progress import shown_progress
        from hizumi.scale.jobs import Here

        threads = self.cores or torch.get_num_threads()
        if self.on is None:
            yield Here(threads, shown_progress)
            return
        from hizumi.scale.cluster import cluster
        from hizumi.scale.workers import Cluster

        with cluster(self.on) as ray:
            yield Cluster(ray, self.on, threads, partial(typer.echo, err=True))


@dataclass(frozen=True)
class TrainingArguments:
    """How long to train, on what batches, and where."""

    heading: ClassVar[str] = "Training"

    steps: Steps = None
    epochs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Training ends after so many epochs.")] = None
    max_time: Annotated[float | None, typer.Option(metavar="MINUTES", help="Training ends after so many minutes.")] = (
        None
    )
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Training ends when held-out good inputs have not improved for so many epochs."
        ),
    ] = None
    batch_size: Annotated[int | None, typer.Option(metavar="N", min=1, help="Images or rows in one training step.")] = (
        None
    )
    accumulation: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Batches whose gradients are averaged before the weights move."),
    ] = None
    precision: Annotated[
        Literal["32-true", "bf16-mixed"], typer.Option(metavar="P", help="Of the numbers: 32-true or bf16-mixed.")
    ] = "32-true"
    accelerator: Accelerator = "cpu"

    def for_training_alone(self) -> list[str]:
        """Names of the options given that change nothing where nothing is trained."""
        names = ("steps", "epochs", "max_time", "patience", "batch_size", "accumulation")
        return [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) is not None]

    def options(self, **others: Any) -> "TrainingOptions":
        """Training options; with a budget where any limit is given, with the model's own otherwise."""
        from hizumi.training import Budget, TrainingOptions

        refuse_missing(self.accelerator)
        limits: dict[str, Any] = {
            "steps": self.steps,
            "epochs": self.epochs,
            "max_minutes": self.max_time,
            "patience": self.patience,
        }
        given = any(limit is not None for limit in limits.values())
        return TrainingOptions(
            budget=Budget(**limits) if given else None,
            batch_size=self.batch_size,
            precision=self.precision,
            accelerator=self.accelerator,
            **({} if self.accumulation is None else {"accumulation": self.accumulation}),
            **others,
        )


@dataclass(frozen=True)
class RunArguments:
    """How one run goes: from which seed, on how many machines, and whether it goes on with an earlier one."""

    heading: ClassVar[str] = "Run"

    seed: Seed = 0
    devices: Annotated[int, typer.Option(metavar="N", min=1, help="Processes on each machine.")] = 1
    num_nodes: Annotated[int, typer.Option(metavar="N", min=1, help="Machines that train together.")] = 1
    track: Track = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run of the same command.")] = (
        False
    )
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete the checkpoints of an unfinished run and begin anew.")
    ] = False
    strict: Strict = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, with estimated time and memory, and stop.")
    ] = False

    def options(self, training: TrainingArguments) -> "TrainingOptions":
        """Training options for this run."""
        return training.options(seed=self.seed, devices=self.devices, num_nodes=self.num_nodes)

    def tracked(self, folder: Path, output: Path, request: Mapping[str, Any]) -> "AbstractContextManager[Tracking]":
        """Show the run that makes this file, from this folder, in the programs asked for."""
        from hizumi.runs.tracking.tracker import tracked

        return tracked(self.track or (), folder, output.stem, request, _say)

    def folder_beside(self, output: Path, kind: "Kind", example: str) -> Path:
        """The run folder of a file to be written; what stands in the way is found before the work, not after it."""
        from hizumi.runs.folder import check_run_folder
        from hizumi.storage.archive import NOUNS

        if output.suffix in ("", RUN_SUFFIX):
            raise UsageError(f"--output {output} is no name for {NOUNS[kind]}; give one such as {example}")
        folder = output.with_suffix(RUN_SUFFIX)
        if not self.dry_run:
            refuse_other_file(output, kind)
            refuse_unwritable(output)
            check_run_folder(folder, resume=self.resume, restart=self.restart)
        return folder


def done_on(
    on: str | None, training: "TrainingOptions", folder: Path, work: "Work[Fitted]", observe: "Observer"
) -> Fitted:
    """Do the work here, or in a group of processes on a cluster, the first of which sends back what it fitted."""
    if on is None:
        return work(observe=observe)
    from hizumi.scale.group import train_on

    return train_on(on, training, folder, work, observe, _say)


def _say(note: str) -> None:
    typer.echo(f"Note: {note}.", err=True)


def refuse_missing(accelerator: str) -> None:
    """Make sure that torch can compute there."""
    import torch

    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not found.get(accelerator, True):
        raise UsageError(f"--accelerator {accelerator}: torch finds none on this machine; use cpu")
