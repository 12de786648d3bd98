"""The ledger: one JSON file for each detector, protocol, mode and budget, which grows run by run."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from hizumi.errors import DataError, UsageError
from hizumi.registry import construct, specify
from hizumi.storage.files import printable, write_atomically

Run = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Row:
    """All runs of one detector in one mode of a protocol, and what they were asked to be."""

    request: Mapping[str, Any]
    runs: tuple[Run, ...] = ()

    def done(self, case: str, seed: int) -> bool:
        """Whether this run is there already."""
        return any((run["case"], run["seed"]) == (case, seed) for run in self.runs)


def row_path(folder: Path, protocol: str, name: str, mode: str, budget: str) -> Path:
    """The file of a row."""
    return folder / f"{protocol}--{re.sub('[^a-z0-9]+', '_', name.lower()).strip('_')}--{mode}--{budget}.json"


def read_row(path: Path) -> Row:
    """A row from its file; raises DataError for a file that is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Row(content["request"], tuple(content["runs"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{printable(path)}: is no row of the ledger ({error}); move it away") from error


def begin_row(path: Path, request: Mapping[str, Any]) -> Row:
    """The row to go on with: what an earlier call of the same request left, or an empty one."""
    if not path.exists():
        return Row(request)
    row = read_row(path)
    asked, begun = json.loads(json.dumps(request)), _in_todays_form(row.request)
    changed = [name for name in asked if name != "changes" and begun.get(name) != asked[name]]  # follow from the others
    if changed:
        raise UsageError(
            f"{printable(path)} was begun with another {', '.join(changed)}; move it away, or give another --output"
        )
    return row


def _in_todays_form(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored request whose options are written as its detector's are now: arguments may have moved into a part."""
    options = request.get("options", {})
    if "arguments" not in options:
        return request
    try:
        now = json.loads(json.dumps(specify(construct(options))))
    except UsageError:  # it has other arguments now
        return request
    return {**request, "options": {**options, **now}}


def add_run(path: Path, request: Mapping[str, Any], run: Run) -> Row:
    """Write a row with one more run, keeping what others have written meanwhile."""
    runs = {(other["case"], other["seed"]): other for other in (*begin_row(path, request).runs, run)}
    row = Row(request, tuple(runs[key] for key in sorted(runs)))
    write_atomically(path, (json.dumps({"request": request, "runs": row.runs}, indent=1) + "\n").encode())
    return row


def read_ledger(folder: Path) -> list[Row]:
    """All rows of a folder, in the order of their files' names."""
    return [read_row(path) for path in sorted(folder.glob("*--*.json"))]


@dataclass(frozen=True)
class Summary:
    """One figure of a row: the mean over cases of the means over seeds.

    The deviation is that of seeds within a case, pooled over the cases that have several; None where none has. The
    median is over seeds, and there only where a row has one case and at least three seeds.
    """

    mean: float
    deviation: float | None
    median: float | None
    by_case: Mapping[str, float]


def summarise_figure(runs: Sequence[Run], figure: str) -> Summary | None:
    """A figure, such as "image_auroc" or "auroc_by_kind/crack", over all runs that have it; None where none has."""
    values: dict[str, list[float]] = {}
    for run in runs:
        value: Any = run["figures"]
        for key in figure.split("/"):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            values.setdefault(run["case"], []).append(value)
    if not values:
        return None
    by_case = {case: fmean(found) for case, found in values.items()}
    spread = [stdev(found) ** 2 * (len(found) - 1) for found in values.values() if len(found) > 1]
    degrees = sum(len(found) - 1 for found in values.values())
    only = next(iter(values.values()))
    return Summary(
        fmean(by_case.values()),
        (sum(spread) / degrees) ** 0.5 if degrees else None,
        median(only) if len(values) == 1 and len(only) >= 3 else None,
        by_case,
    )
