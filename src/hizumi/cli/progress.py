"""How far a long command is: a bar on a terminal, plain lines now and then elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hizumi.runs.folder import has_checkpoint

if TYPE_CHECKING:
    from rich.progress import Progress

    from hizumi.data.progress import Observer

SECONDS_BETWEEN_LINES = 10.0
STEPS_TO_JUDGE_BY = 5
FAR_ENOUGH = 0.25  # of the usual steps
LONG_SECONDS = 1800.0


@contextmanager
def shown_progress(title: str = "") -> "Iterator[Observer]":
    """An observer of {"phase", "step", "share", "losses"} that shows them on standard error."""
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    prefix = f"{title}: " if title else ""
    if not console.is_terminal:
        yield _Lines(prefix, lambda line: console.print(line, soft_wrap=True))
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[losses]}", style="dim", markup=False),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        auto_refresh=True,
        refresh_per_second=4,
    )
    try:
        yield _Bar(prefix, bar)
    finally:
        bar.stop()


@contextmanager
def resumable(folder: Path) -> "Iterator[Observer]":
    """Shown progress of a run with checkpoints in this folder; when it is cut short, say what can be done next."""

    def advice() -> str:
        if has_checkpoint(folder):
            return f"To go on from the last checkpoint in {folder}, give the same command with --resume."
        return "There was no checkpoint yet: to begin anew, give the same command again."

    with advising(advice), shown_progress() as observe:
        yield observe


@contextmanager
def advising(advice: str | Callable[[], str]) -> Iterator[None]:
    """When what is done inside is cut short, say what can be done next, as is known then."""
    try:
        yield
    except (KeyboardInterrupt, OSError):  # interrupted, or the disk is full
        typer.echo(f"\n{advice if isinstance(advice, str) else advice()}", err=True)
        raise


def foretelling(observe: "Observer", usual_steps: int | None, cheaper: str) -> "Observer":
    """The observer, and a word on standard error, early on, where training will not get far or will take long.

    `usual_steps` is what the model is usually given; None where its budget is not counted in steps. `cheaper` is what
    makes its training cheaper, in words; empty where nothing does.
    """
    seen: list[float] = []  # when each record of training came

    def told(record: Mapping[str, Any]) -> None:
        observe(record)
        if not record["losses"] or len(seen) == STEPS_TO_JUDGE_BY:
            return
        seen.append(time.monotonic())
        if len(seen) == STEPS_TO_JUDGE_BY and 0 < record["share"] < 1:
            expected = record["step"] / record["share"]
            seconds = (seen[-1] - seen[0]) / (STEPS_TO_JUDGE_BY - 1)
            if usual_steps is not None and expected < FAR_ENOUGH * usual_steps:
                typer.echo(
                    f"Note: about {expected:.0f} steps fit in, and this model usually takes some {usual_steps}: "
                    f"give it longer{cheaper and f', or take {cheaper}'}.",
                    err=True,
                )
            elif expected * seconds > LONG_SECONDS:
                typer.echo(
                    f"Note: this will take about {expected * seconds / 3600:.1f} h; "
                    f"{cheaper or '--max-time MINUTES'} ends it sooner.",
                    err=True,
                )

    return told


class _Bar:
    """One line for each phase, the last one moving."""

    def __init__(self, prefix: str, bar: "Progress") -> None:
        self.prefix = prefix
        self.bar = bar
        self.tasks: dict[str, Any] = {}

    def __call__(self, record: Mapping[str, Any]) -> None:
        self.bar.start()  # late, so that a process that is told nothing draws nothing
        phase = record["phase"]
        if phase not in self.tasks:
            self.tasks[phase] = self.bar.add_task(f"{self.prefix}{phase}", total=1.0, losses="")
        self.bar.update(self.tasks[phase], completed=record["share"], losses=_losses(record))


class _Lines:
    """A line when a phase begins, when it ends, and now and then between."""

    def __init__(self, prefix: str, say: Callable[[str], None]) -> None:
        self.prefix = prefix
        self.say = say
        self.phase: str | None = None
        self.began_at = 0.0
        self.said_at = 0.0

    def __call__(self, record: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if record["phase"] != self.phase:
            self.phase, self.began_at, self.said_at = record["phase"], now, now - SECONDS_BETWEEN_LINES
        share = record["share"]
        if share < 1 and now - self.said_at < SECONDS_BETWEEN_LINES:
            return
        self.said_at = now
        elapsed = now - self.began_at
        left = f"{elapsed * (1 - share) / share:.0f} s left" if 0 < share < 1 and elapsed > 1 else ""
        parts = [f"{self.prefix}{record['phase']} {int(100 * share):3d}%", _losses(record), left]
        self.say("  ".join(part for part in parts if part))


def _losses(record: Mapping[str, Any]) -> str:
    return "  ".join(f"{term} {value:.4g}" for term, value in record["losses"].items())
