"""The page of the reliability catalogue, from the rows that `make test-hard` measures."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "reliability"
HEADING = """# Reliability

What happens to the program where files, disks, memory and other programs misbehave. `make test-hard` measures each row
anew (tens of minutes); this page is made from what it found.

| What is done | Found | Mark | Holds |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """One row: what is done, the figure, its mark, and, where it falls short, why."""

    what: str
    figure: str
    mark: str
    holds: bool
    cause: str
    python: str
    date: str

    def __str__(self) -> str:
        verdict = "yes" if self.holds else f"no: {self.cause or 'the figure is short of the mark'}"
        return f"| {self.what} | {self.figure} | {self.mark} | {verdict} |"


def rows() -> list[Row]:
    """All that were measured, in the order of their names."""
    return [Row(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(RESULTS.glob("*.json"))]


def page() -> str:
    """The text of `docs/reliability.md`."""
    found = rows()
    days = sorted({row.date for row in found})
    measured = f"Measured {' to '.join(dict.fromkeys([days[0], days[-1]]))}, Python {found[-1].python}." if days else ""
    return HEADING + "".join(f"{row}\n" for row in found) + f"\n{measured}\n"
