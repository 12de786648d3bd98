"""Every file beneath a folder, sorted into what can be opened and what cannot, with the reason."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hizumi.data.decoding import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from hizumi.data.manifest import Unopened
from hizumi.errors import DataError
from hizumi.storage.files import is_run_folder, printable

PLAIN_SUFFIXES = frozenset(
    {
        *(".arrow", ".bib", ".cfg", ".css", ".csv", ".doc", ".docx", ".feather", ".htm", ".html", ".ini", ".ipynb"),
        *(".js", ".json", ".log", ".md", ".m", ".parquet", ".py", ".rst", ".rtf", ".sh", ".toml", ".tsv", ".txt"),
        *(".url", ".xls", ".xlsx", ".xml", ".yaml", ".yml"),
    }
)
SYSTEM_FILES = frozenset({".ds_store", "desktop.ini", "license", "readme", "thumbs.db"})
HIDDEN = "is hidden by the dot before its name"


@dataclass
class Found:
    """Images and videos beneath a folder, in the order of their paths, and all other files."""

    images: list[Path] = field(default_factory=list)
    videos: list[Path] = field(default_factory=list)
    unopened: list[Unopened] = field(default_factory=list)


_Sort = Callable[[Path, Path, Found], None]


def found_beneath(root: Path, *, recursive: bool = True) -> Found:
    """All files of a folder, to any depth where `recursive`; names of those not opened are relative to the folder.

    A folder that is reached twice, through links, is read once. Raises DataError where the folder cannot be listed.
    """
    all_found = Found()
    for found in by_folder(root, recursive=recursive):
        all_found.images += found.images
        all_found.videos += found.videos
        all_found.unopened += found.unopened
    return all_found


def by_folder(root: Path, *, recursive: bool = True) -> Iterator[Found]:
    """As `found_beneath`, one folder after another: memory holds the files of one, and the names of the folders."""
    return _walk(root, root, recursive, _sort, {root.resolve()})


def tables_beneath(root: Path, suffixes: Sequence[str], *, recursive: bool = True) -> tuple[list[Path], list[Unopened]]:
    """Files of a folder whose names end in one of these suffixes, and all others; else as `found_beneath`."""
    tables: list[Path] = []

    def sort(root: Path, path: Path, found: Found) -> None:
        reason = _no_file(path) or (HIDDEN if _is_hidden(path) else None)
        if reason is not None:
            found.unopened.append(Unopened(_named(root, path), reason))
        elif path.name.lower().endswith(tuple(suffixes)):
            tables.append(path)
        else:
            found.unopened.append(Unopened(_named(root, path), "is no recording by its name", may_be_part=False))

    unopened = [each for found in _walk(root, root, recursive, sort, {root.resolve()}) for each in found.unopened]
    return tables, unopened


def _walk(root: Path, folder: Path, recursive: bool, sort: _Sort, seen: set[Path]) -> Iterator[Found]:
    """What lies in a folder itself, then, of each folder in it, what lies beneath that."""
    found = Found()
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        reason = f"cannot be listed ({os.strerror(error.errno or 0)})"
        if folder == root:
            raise DataError(f"{printable(folder)}: {reason}") from error
        found.unopened.append(Unopened(_named(root, folder, "/"), reason))
        yield found
        return
    folders = [entry for entry in entries if entry.is_dir()]
    inner = set(folders)
    for path in entries:
        if path not in inner:
            sort(root, path, found)
    yield found
    for path in folders:
        passed_over = _reason_to_pass_over(path, recursive, seen)
        if passed_over is None:
            seen.add(path.resolve())
            yield from _walk(root, path, recursive, sort, seen)
        else:
            yield Found(unopened=[Unopened(_named(root, path, "/"), passed_over, may_be_part=not recursive)])


def _reason_to_pass_over(folder: Path, recursive: bool, seen: set[Path]) -> str | None:
    if _is_hidden(folder):
        return "is a hidden folder"
    if is_run_folder(folder):
        return "holds what a run has written"
    if not recursive:
        return "is a folder, and folders in folders were not to be read"
    return "is a link to a folder that is read already" if folder.resolve() in seen else None


def _no_file(path: Path) -> str | None:
    if path.is_file():
        return None
    return "is not a regular file" if path.exists() else "is a link to nothing"


def _sort(root: Path, path: Path, found: Found) -> None:
    name = _named(root, path)
    if (reason := _no_file(path)) is not None:
        found.unopened.append(Unopened(name, reason))
    elif (unopened := no_picture(name, path.name)) is not None:
        found.unopened.append(unopened)
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        found.images.append(path)
    else:
        found.videos.append(path)


def no_picture(name: str, file_name: str) -> Unopened | None:
    """Why a file called so is neither an image nor a video; None where it is one by its name."""
    suffix = PurePosixPath(file_name).suffix.lower()
    if file_name.lower() in SYSTEM_FILES or suffix in PLAIN_SUFFIXES:
        return Unopened(name, "is no image by its name", may_be_part=False)
    if file_name.startswith("._"):
        return Unopened(name, "holds a file's attributes, not an image", may_be_part=False)
    if file_name.startswith("."):
        return Unopened(name, HIDDEN)
    if suffix in IMAGE_SUFFIXES or suffix in VIDEO_SUFFIXES:
        return None
    return Unopened(
        name, f"files of the kind {printable(suffix)} are not read" if suffix else "has no suffix that names its kind"
    )


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _named(root: Path, path: Path, end: str = "") -> str:
    return printable(path.relative_to(root)) + end
