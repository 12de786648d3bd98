"""Writing what models make: files and tables, sheets and animations, and remarks on the way."""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hizumi.cli.console import WARNING, coloured
from hizumi.errors import SaveError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from hizumi.data import Manifest
    from hizumi.data.series.form import SeriesForm
    from hizumi.generation import Made, Modeller

SHEET_COLUMNS = 8
SHEET = "sheet.png"
SHOWN = 8  # items on the sheet that compares before and after
SAMPLE = "sample-"  # begins the names of files of samples
MADE_ROWS = "rows.csv"  # what was made of the rows of a table, where a folder is named for it
NOT_IN_NAMES = r"[^\w.-]"  # characters that not every file system takes
LONGEST_KIND = 50  # characters of a class in them
SECOND = 10**9  # in nanoseconds
LABEL = "label"  # column of the class, by which it is read as one
TIME, TIME_OF_MADE = "time", "time_s"  # columns of time stamps, and of seconds since the beginning


@dataclass
class Outcome:
    """How many were made, the first of them, and what could not be read."""

    count: int = 0
    first: "list[Made]" = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def noted(console: "Console") -> Iterator[None]:
    """Say each kind of warning once, as a note."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        console.print(coloured(f"Note: {message}.", WARNING))


def folder_for(path: Path) -> Path:
    """The folder, made where it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"cannot make the folder {path}: {error.strerror}; name another") from error
    return path


def sample_name(number: int, kinds: Sequence[str]) -> str:
    """The name of a sample's file, with its class where the model makes items of classes in turn."""
    name = f"{SAMPLE}{number:05d}"
    return f"{name}-{re.sub(NOT_IN_NAMES, '_', kinds[number % len(kinds)])[:LONGEST_KIND]}" if kinds else name


def write_made(path: Path, made: Iterable[Any], modeller: "Modeller", *, vectors: bool) -> Outcome:
    """Images into a folder, under their records' names, or rows into a table."""
    outcome = Outcome()
    rows: list[np.ndarray] = []
    taken = {path / Path(SHEET).stem}  # which is written last
    if not vectors and path.suffix:
        raise UsageError(f"{path} is a file; name a folder for images")
    for item in made:
        if not hasattr(item, "data"):
            outcome.failures.append((item.name, item.reason))
            continue
        outcome.count += 1
        if vectors:
            rows.append(item.data)
            continue
        target = _place(folder_for(path), item.name, taken)
        write_singly(target.parent, [target.name], [item.data])
        if len(outcome.first) < SHOWN:
            outcome.first.append(item)
    if vectors and rows:
        write_rows(table_in(path, MADE_ROWS), rows, modeller)
    return outcome


def write_singly(folder: Path, names: "Sequence[str]", items: "Iterable[np.ndarray]") -> None:
    """One file for each image, of the format that holds it without loss."""
    from hizumi.data.encoding import encoded
    from hizumi.storage.files import write_atomically

    for name, pixels in zip(names, items, strict=True):
        suffix, content = encoded(pixels)
        write_atomically(folder / f"{name}{suffix}", content)


def table_in(path: Path, name: str) -> Path:
    """Where a table is written: the path, or under this name where that is a folder."""
    return path if path.suffix.lower() == ".csv" else path / name


def write_rows(path: Path, rows: "Iterable[np.ndarray]", modeller: "Modeller", kinds: Sequence[str] = ()) -> None:
    """A table with the columns that the model learned from; with labels where the rows are of classes in turn."""
    from hizumi.storage.tables import write_csv

    folder_for(path.parent)
    form, columns = modeller.preprocessing_.table, modeller.options_["columns"]
    labels = ({LABEL: kind} for kind in cycle(kinds)) if kinds else repeat({})
    cells = (dict(zip(columns, row.tolist(), strict=True)) if form is None else form.written(row) for row in rows)
    write_csv(path, (row | label for row, label in zip(cells, labels, strict=False)))


def write_samples(folder: Path, recordings: "np.ndarray", form: "SeriesForm") -> None:
    """One table for each series (n, t, c), with the seconds since its beginning where a step takes a known time."""
    for number, values in enumerate(recordings):
        times = None
        if form.step_seconds is not None:
            times = [round(step * form.step_seconds * SECOND) / SECOND for step in range(len(values))]
        _write_steps(folder / f"{sample_name(number, ())}.csv", values, form, TIME_OF_MADE, times)


def write_recordings(folder: Path, made: Iterable[Any], manifest: "Manifest") -> Outcome:
    """What was made of a series' blocks, one table for each recording, with its own time stamps."""
    import numpy as np

    outcome = Outcome()
    parts: dict[int, list[Made]] = {}
    for item in made:
        if not hasattr(item, "data"):
            outcome.failures.append((item.name, item.reason))
            continue
        outcome.count += 1
        row = manifest.records[item.index].row
        assert row is not None, "a block has a recording"
        parts.setdefault(row, []).append(item)
    taken: set[Path] = set()
    for row, blocks in parts.items():
        recording, steps = manifest.recordings[row], [manifest.records[block.index].steps for block in blocks]
        chosen = np.concatenate([np.arange(each.start, each.stop) for each in steps if each is not None])
        times = None
        if recording.times is not None:
            times = np.datetime_as_string(recording.times[chosen].astype("datetime64[ns]")).tolist()
        place = _place(folder_for(folder), recording.name, taken)
        values, form = np.concatenate([block.data for block in blocks]), manifest.series
        assert form is not None, "series have a form"
        _write_steps(folder_for(place.parent) / f"{place.name}.csv", values, form, TIME, times)
    return outcome


def _write_steps(
    path: Path, values: "np.ndarray", form: "SeriesForm", time: str, times: Sequence[float | str] | None
) -> None:
    from hizumi.storage.tables import write_csv

    rows = [dict(zip(form.columns, row, strict=True)) for row in values.tolist()]
    if times is not None:
        rows = [{time: stamp, **row} for stamp, row in zip(times, rows, strict=True)]
    write_csv(path, rows)


def write_fan(path: Path, form: "SeriesForm", *, made: "np.ndarray", real: "np.ndarray | None" = None) -> Path:
    """Many series (n, t, c) drawn over one another, channel by channel, beside real ones where they are given."""
    from hizumi.report.fans import fan
    from hizumi.report.style import png
    from hizumi.storage.files import write_atomically

    write_atomically(path, png(fan(made, real, form.columns, form.step_seconds)))
    return path


def write_sheet(path: Path, pictures: "Sequence[np.ndarray]", columns: int) -> Path:
    """Pictures side by side in one PNG."""
    from hizumi.report.generations import picture_file, sheet
    from hizumi.storage.files import write_atomically

    write_atomically(path, picture_file(sheet(pictures, columns)))
    return path


def write_animation(path: Path, frames: "Iterable[Sequence[np.ndarray]]") -> None:
    """Frames of several pictures in one row each as a GIF."""
    from hizumi.report.generations import animation_file, sheet
    from hizumi.storage.files import write_atomically

    write_atomically(path, animation_file([sheet(frame, len(frame)) for frame in frames]))


def _place(folder: Path, name: str, taken: set[Path]) -> Path:
    """Under the folder whatever the name; with its ending where only that tells it from another."""
    parts = [part for part in Path(name).parts if part not in ("..", Path(name).anchor)]
    whole = folder.joinpath(*parts)
    place = whole.with_name(whole.stem) if whole.suffix and whole.with_name(whole.stem) not in taken else whole
    taken.add(place)
    return place
