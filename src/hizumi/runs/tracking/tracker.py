"""Runs that other programs are told of: from the journal, as it grows, and never in its place."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import methodcaller
from pathlib import Path
from typing import Any

from hizumi.arguments import flat
from hizumi.data.progress import Observer
from hizumi.errors import HizumiError, RunError
from hizumi.runs.folder import is_first_process
from hizumi.runs.tracking.targets import WRITERS, split_target
from hizumi.runs.tracking.writer import Made, Metric, Outcome, Writer
from hizumi.storage.files import first_line, printable, write_atomically
from hizumi.training.journal import Journal
from hizumi.training.loop import JOURNAL

STATE = ".hizumi-tracking.json"  # in the run folder: how each run is called there, and what was written of it
SECONDS_BETWEEN = 2.0


@contextmanager
def tracked(
    targets: Sequence[str], folder: Path, name: str, request: Mapping[str, Any], say: Callable[[str], None]
) -> "Iterator[Tracking]":
    """Tell programs of the run in this folder, which is open; see `Tracking`.

    Args:
        targets: Such as mlflow:sqlite:///runs.db; see `split_target`.
        folder: The run folder: with what an interrupted run has left there, its runs are gone on with.
        name: Of the run and of what it makes.
        request: What was asked for.
        say: Told in a sentence where a program can no longer be reached, which ends nothing.
    """
    tracking = Tracking(folder, name, say)
    try:
        tracking.begin(targets if is_first_process() else (), flat(request))
        yield tracking
    except BaseException as error:
        tracking.end("failed" if isinstance(error, Exception) else "interrupted")
        raise
    tracking.end("finished")


class Tracking:
    """What is told to every program."""

    def __init__(self, folder: Path, name: str, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.name = name
        self.say = say
        self.written_at = 0.0
        self.state = _state_in(folder)
        self.writers: dict[str, Writer] = {}

    def begin(self, targets: Sequence[str], options: Mapping[str, Any]) -> None:
        """Begin runs, or go on with those of the interrupted run; raises RunError where a program cannot be reached."""
        plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.items()}
        for target in targets:
            program, address = split_target(target)
            before = self.state.get(target, {})
            try:
                writer = WRITERS[program](address)
                run = writer.begin(self.name, plain, before.get("run"))
            except HizumiError:
                raise
            except Exception as error:  # libraries of several kinds, each with errors of its own
                raise RunError(f"--track {printable(target)}: it cannot be written to ({first_line(error)})") from error
            self.writers[target] = writer
            self.state[target] = {"run": run, "steps": before.get("steps", {})}
            self._remember()

    def beside(self, observe: Observer) -> Observer:
        """The observer, and whatever is new in the journal every few seconds."""
        if not self.writers:
            return observe

        def seen(record: Mapping[str, Any]) -> None:
            observe(record)
            if time.monotonic() - self.written_at >= SECONDS_BETWEEN:
                self.follow()

        return seen

    def follow(self) -> None:
        """Write what the journals of the run hold and was not written yet."""
        for path in sorted(self.folder.rglob(JOURNAL)) if self.writers else ():
            within = path.parent.relative_to(self.folder).as_posix()
            records = Journal.read(path)
            for target in tuple(self.writers):
                steps = self.state[target]["steps"]
                new = [record for record in records if record["step"] > steps.get(_place(within, record), 0)]
                metrics = [metric for record in new for metric in _metrics(within, record)]
                if metrics and self._tell(target, methodcaller("write", metrics)):
                    steps |= {_place(within, record): record["step"] for record in new}
                    self._remember()
        self.written_at = time.monotonic()

    def keep(self, path: Path, numbers: Mapping[str, float | None]) -> None:
        """Write the rest of the journal, and the file that was made."""
        self.follow()
        if not self.writers:
            return
        known = {name: float(value) for name, value in numbers.items() if value is not None}
        made = Made(path, hashlib.sha256(path.read_bytes()).hexdigest(), known)
        for target in tuple(self.writers):
            self._tell(target, lambda writer: writer.keep(made))

    def end(self, outcome: Outcome) -> None:
        """Say how the run has ended."""
        if outcome != "finished":
            self.follow()
        for target in tuple(self.writers):
            self._tell(target, lambda writer: writer.end(outcome))
        if outcome == "finished":
            (self.folder / STATE).unlink(missing_ok=True)

    def _tell(self, target: str, tell: Callable[[Writer], None]) -> bool:
        """Whether that went well; a program that does not take it is told no more, and the training goes on."""
        try:
            tell(self.writers[target])
        except Exception as error:  # libraries of several kinds, each with errors of its own
            del self.writers[target]
            self.say(
                f"--track {printable(target)}: it can no longer be written to ({first_line(error)}); the run goes on, "
                "and the bundle's journal holds all"
            )
            return False
        return True

    def _remember(self) -> None:
        write_atomically(self.folder / STATE, json.dumps(self.state).encode())


def _state_in(folder: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state


def _place(within: str, record: Mapping[str, Any]) -> str:
    """Of a record's curve: the phase, and the fold that it is of, if any."""
    return record["phase"] if within == "." else f"{within}/{record['phase']}"


def _metrics(within: str, record: Mapping[str, Any]) -> Iterator[Metric]:
    place, step = _place(within, record), record["step"]
    numbers = {**record["losses"], "images_seen": record["images_seen"], "validation": record.get("validation")}
    for name, value in numbers.items():
        if value is not None and math.isfinite(value):
            yield Metric(f"{place}/{name}", step, float(value))
