"""Every file beneath a folder, sorted into what can be opened and what cannot, with the reason."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hizumi.data.decoding import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from hizumi.data.manifest import Unopened
from hizumi.errors import DataError
from hizumi.storage.files import printable

PLAIN_SUFFIXES = frozenset(
    {
        *(".bib", ".cfg", ".css", ".csv", ".doc", ".docx", ".htm", ".html", ".ini", ".ipynb", ".js", ".json", ".log"),
        *(".md", ".m", ".py", ".rst", ".rtf", ".sh", ".toml", ".tsv", ".txt", ".url", ".xls", ".xlsx", ".xml"),
        *(".yaml", ".yml"),
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
    found = Found()
    _collect(root, root, recursive, found, _sort, {root.resolve()})
    return found


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

    found = Found()
    _collect(root, root, recursive, found, sort, {root.resolve()})
    return tables, found.unopened


def _collect(root: Path, folder: Path, recursive: bool, found: Found, sort: _Sort, seen: set[Path]) -> None:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        reason = f"cannot be listed ({os.strerror(error.errno or 0)})"
        if folder == root:
            raise DataError(f"{printable(folder)}: {reason}") from error
        found.unopened.append(Unopened(_named(root, folder, "/"), reason))
        return
    folders = [entry for entry in entries if entry.is_dir()]
    inner = set(folders)
    for path in entries:
        if path not in inner:
            sort(root, path, found)
    for path in folders:
        passed_over = _reason_to_pass_over(path, recursive, seen)
        if passed_over is None:
            seen.add(path.resolve())
            _collect(root, path, recursive, found, sort, seen)
        else:
            found.unopened.append(Unopened(_named(root, path, "/"), passed_over, may_be_part=not recursive))


def _reason_to_pass_over(folder: Path, recursive: bool, seen: set[Path]) -> str | None:
    if _is_hidden(folder):
        return "is a hidden folder"
    if not recursive:
        return "is a folder, and folders in folders were not to be read"
    return "is a link to a folder that is read already" if folder.resolve() in seen else None


def _no_file(path: Path) -> str | None:
    if path.is_file():
        return None
    return "is a link to nothing" if path.is_symlink() else "is not a regular file"


def _sort(root: Path, path: Path, found: Found) -> None:
    suffix = path.suffix.lower()
    if (reason := _no_file(path)) is not None:
        found.unopened.append(Unopened(_named(root, path), reason))
    elif path.name.lower() in SYSTEM_FILES or suffix in PLAIN_SUFFIXES:
        found.unopened.append(Unopened(_named(root, path), "is no image by its name", may_be_part=False))
    elif path.name.startswith("._"):
        found.unopened.append(Unopened(_named(root, path), "holds a file's attributes, not an image", False))
    elif _is_hidden(path):
        found.unopened.append(Unopened(_named(root, path), HIDDEN))
    elif suffix in IMAGE_SUFFIXES:
        found.images.append(path)
    elif suffix in VIDEO_SUFFIXES:
        found.videos.append(path)
    else:
        reason = (
            f"files of the kind {printable(suffix)} are not read" if suffix else "has no suffix that names its kind"
        )
        found.unopened.append(Unopened(_named(root, path), reason))


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _named(root: Path, path: Path, end: str = "") -> str:
    return printable(path.relative_to(root)) + end
