"""Files that commands read and write, looked at before the work begins."""

from pathlib import Path
from typing import Annotated

import typer

from hizumi.errors import BundleError, SaveError, UsageError
from hizumi.storage.files import open_regular, printable


def _refuse_unreadable(path: Path) -> Path:
    """Make sure that a file can be opened, before what reads it is imported, which takes seconds."""
    try:
        open_regular(path).close()
    except OSError as error:
        raise BundleError(f"{printable(path)}: cannot be read: {error.strerror}") from error
    return path


BundlePath = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE", show_default=False, callback=_refuse_unreadable, help="A file that fit has written."
    ),
]
ModelPath = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", show_default=False, callback=_refuse_unreadable, help="A file that train has written."
    ),
]
JsonTo = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Also write the result as JSON; - is standard output.")
]
CsvTo = Annotated[
    str | None,
    typer.Option("--csv", metavar="FILE", help="Also write one row for each input as CSV; - is standard output."),
]


def refuse_two_on_standard_output(json_to: str | None, csv_to: str | None) -> None:
    """Make sure that JSON and CSV do not mix."""
    if json_to == csv_to == "-":
        raise UsageError("--json and --csv cannot both go to standard output; name a file for one of them")


def refuse_other_file(path: Path) -> None:
    """Make sure that a bundle to be written would take the place of nothing but another bundle."""
    from hizumi.storage.archive import kind_of

    if not path.is_file() or not path.stat().st_size:
        return
    try:
        kind_of(path)
    except BundleError as error:
        raise UsageError(f"{printable(path)} is a file and no bundle; name another --output, or delete it") from error


def refuse_unwritable(path: Path) -> None:
    """Make sure that a file can be written, and make its folder: before the work, not after it."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SaveError(f"cannot write {path}: {error.strerror}; name another --output") from error
