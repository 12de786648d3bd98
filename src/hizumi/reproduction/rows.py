"""A row of the ledger that is asked for: what it is to hold, and which of its runs are missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hizumi.reproduction.entrants import Entrant
from hizumi.reproduction.ledger import Row, Run, add_run, begin_row, row_path
from hizumi.reproduction.protocol import BudgetName, Mode, Protocol


@dataclass(frozen=True, eq=False)
class RowToRun:
    """An entrant in one mode and budget of a protocol, whose results go into a folder."""

    protocol: Protocol
    entrant: Entrant
    mode: Mode
    budget: BudgetName
    folder: Path

    @property
    def title(self) -> str:
        """What it is called where it fails."""
        return f"{self.entrant.name}, {self.mode}"

    @property
    def path(self) -> Path:
        """Its file."""
        return row_path(self.folder, self.protocol.name, self.entrant.name, self.mode, self.budget)

    @property
    def request(self) -> dict[str, Any]:
        """What its runs are asked to be."""
        return {
            "protocol": self.protocol.name,
            "name": self.entrant.name,
            "detector": self.entrant.detector,
            "mode": self.mode,
            "budget": self.budget,
            "leaks": sorted(self.protocol.leaks_of(self.entrant.detector, self.mode)),
            "options": self.entrant.specification,
            "changes": self.entrant.changes,
        }

    def begun(self) -> Row:
        """As earlier calls have left it; raises UsageError where these asked for something else."""
        return begin_row(self.path, self.request)

    def missing(self, cases: Sequence[str], seeds: int) -> list[tuple[str, int]]:
        """Cases and seeds that are still to be run."""
        row = self.begun()
        return [(case, seed) for seed in range(seeds) for case in cases if not row.done(case, seed)]

    def add(self, run: Run) -> None:
        """Keep a run."""
        add_run(self.path, self.request, run)
