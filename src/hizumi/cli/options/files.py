"""Files that commands read and write, looked at before the work begins."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hizumi.errors import BundleError, UsageError
from hizumi.storage.files import (
    open_regular,
    printable,
    refuse_over_inputs as refuse_over_inputs,
    refuse_unwritable,
    refuse_unwritable_folder,
    refuse_unwritable_text,
    with_home,
)

if TYPE_CHECKING:
    from hizumi.storage.archive import Kind


def _refuse_unreadable(path: Path) -> Path:
    """Make sure that a file can be opened, before what reads it is imported, which takes seconds."""
    try:
        open_regular(path).close()
    except IsADirectoryError as error:
        raise BundleError(f"{printable(path)}: is a folder; the .hizumi file comes first, then the data") from error
    except OSError as error:
        raise BundleError(f"{printable(path)}: cannot be read: {error.strerror}") from error
    return path


def _refuse_unwritable_table(file: str | None) -> str | None:
    """Make sure that a table of results can be written, before the work whose results it takes."""
    if file is not None:
        refuse_unwritable_text(file)
    return file


def writable_folder(folder: Path | None) -> Path | None:
    """Make sure that files can be written into a folder, before the work that makes them."""
    if folder is not None:
        refuse_unwritable_folder(folder)
    return folder


def writable_folder_or_table(place: Path) -> Path:
    """Make sure that images can be written into a folder, or rows into a .csv file, before the work that makes them."""
    (refuse_unwritable if place.suffix.lower() == ".csv" else refuse_unwritable_folder)(place)
    return place


FailOnAnomaly = Annotated[
    bool,
    typer.Option(
        "--fail-on-anomaly",
        help="Exit with 3 where something is anomalous, and else with 4 where something could not be judged.",
    ),
]
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
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        callback=_refuse_unwritable_table,
        help="Also write the result as JSON; - is standard output.",
    ),
]
CsvTo = Annotated[
    str | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        callback=_refuse_unwritable_table,
        help="Also write one row for each input as CSV; - is standard output.",
    ),
]


def refuse_mixed(json_to: str | None, csv_to: str | None) -> None:
    """Make sure that JSON and CSV do not mix."""
    if json_to == csv_to == "-":
        raise UsageError("--json and --csv cannot both go to standard output; name a file for one of them")
    if json_to is not None and csv_to is not None and Path(json_to).resolve() == Path(csv_to).resolve():
        raise UsageError(f"--json and --csv both name {printable(json_to)}; name another file for one of them")


def refuse_among_inputs(inputs: Iterable[str | Path], **results: Path | None) -> None:
    """Make sure that no folder for pictures, by the name of its option, lies in a folder that is read to any depth."""
    read = {with_home(given).resolve(): given for given in inputs}
    for option, place in results.items():
        within = None if place is None or place.suffix else next(filter(read.get, place.resolve().parents), None)
        if within is not None and within.is_dir():
            raise UsageError(
                f"--{option} {printable(str(place))} lies in {printable(str(read[within]))}, so that its pictures "
                "would be read next time; name a place outside"
            )


def shown_place(path: Path) -> str:
    """A result's place for what is said in the end; asked before it is written, which may replace an earlier one."""
    return f"{printable(path)}, in place of an earlier one" if path.is_file() else printable(path)


def refuse_other_file(path: Path, kind: "Kind") -> None:
    """Make sure that a bundle to be written would take the place of nothing but another one of its kind."""
    from hizumi.storage.archive import NOUNS, kind_of

    if not path.is_file() or not path.stat().st_size:
        return
    try:
        found = kind_of(path)
    except BundleError as error:
        raise UsageError(f"{printable(path)} is a file and no bundle; name another --output, or delete it") from error
    if found != kind:
        raise UsageError(
            f"{printable(path)} holds {NOUNS[found]}, which would be lost; name another --output, or delete it"
        )
