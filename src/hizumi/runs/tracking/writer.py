"""The contract of what tells another program of runs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

Outcome = Literal["finished", "failed", "interrupted"]


class Metric(NamedTuple):
    """One number of a run: its name, the step it belongs to, and its value."""

    name: str
    step: int
    value: float


class Made(NamedTuple):
    """The file that a run has made, its hash, and numbers that say what it is worth."""

    path: Path
    sha256: str
    numbers: Mapping[str, float]


class Writer(ABC):
    """Tells one program of one run; any method may raise what that program's library raises."""

    @abstractmethod
    def begin(self, name: str, options: Mapping[str, str], earlier: str | None) -> str:
        """Begin a run, or go on with the earlier one that this method named; gives the name to go on with."""

    @abstractmethod
    def write(self, metrics: Sequence[Metric]) -> None:
        """Add numbers."""

    @abstractmethod
    def keep(self, made: Made) -> None:
        """Add the file that was made."""

    @abstractmethod
    def end(self, outcome: Outcome) -> None:
        """Say how the run has ended."""
