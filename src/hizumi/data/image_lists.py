"""CSV files that list images: ours, VisA's (object, split, label, image, mask), anomalib's (image_path, mask_path)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from hizumi.data.cells import Line, number_of
from hizumi.data.decoding import IMAGE_SUFFIXES
from hizumi.data.labels import labelled_record
from hizumi.data.manifest import Manifest, Record
from hizumi.errors import DataError
from hizumi.storage.files import printable

PATH_COLUMNS = ("path", "image_path", "img_path", "filepath", "file_path", "filename", "file_name", "file", "image")
MASK_COLUMNS = ("mask", "mask_path", "mask_file")
FIRST = 100  # images by which the folder is found that their paths begin in
FOLDERS_UP = 2  # VisA's lists lie in split_csv/ beside the folders that their paths begin with


def path_column(path: Path, positions: Mapping[str, int], lines: Sequence[Line]) -> str | None:
    """Which column names images: one of the usual names whose first cell is no number, or the first that names files.

    None in a table of numbers.
    """
    for name in PATH_COLUMNS:
        if name in positions and ((cell := lines[0][1][positions[name]].strip()) == "" or number_of(cell) is None):
            return name
    others = (name for name in positions if name not in MASK_COLUMNS)
    return next((name for name in others if _names_images(path, lines, positions[name])), None)


def _names_images(path: Path, lines: Sequence[Line], position: int) -> bool:
    """Whether all cells of a column end as the names of images do, and there is one of the first."""
    # Of a table of numbers, however long, the first cell of each column tells.
    if not all(PurePosixPath(_slashes(cells[position].strip())).suffix.lower() in IMAGE_SUFFIXES for _, cells in lines):
        return False
    names = [_slashes(cells[position].strip()) for _, cells in lines[:FIRST]]
    return any((_base(path.parent, names) / name).is_file() for name in names)


def open_image_list(path: Path, positions: Mapping[str, int], lines: Sequence[Line], column: str) -> Manifest:
    """Each line an image, with its label, split, mask, group and kind where columns of these names say them.

    Paths are relative to the folder of the list, or to one that it lies in, with slashes of either kind. Raises
    DataError for a line without a path, and for a mask that is not there.
    """
    fields = [{name: cells[position].strip() for name, position in positions.items()} for _, cells in lines]
    named = [_slashes(each[column]) for each in fields]
    base = _base(path.parent, named)
    records: dict[str, Record] = {}
    for (number, _), each, name in zip(lines, fields, named, strict=True):
        where = f"{printable(path)}: line {number}"
        if not name:
            raise DataError(f"{where} has no path")
        record = labelled_record(printable(name), each, where)
        if record.name in records:
            raise DataError(f"{where}: {record.name} is listed before; leave one of the two lines out")
        records[record.name] = replace(record, path=base / name, mask=_mask(base, each, where))
    objects = {each["object"] for each in fields if each.get("object")}
    notes = (f"lists {len(objects)} objects as one: {', '.join(map(printable, sorted(objects)))}",)
    return Manifest(tuple(records.values()), name=printable(path.stem), notes=notes if len(objects) > 1 else ())


def _mask(base: Path, fields: Mapping[str, str], where: str) -> Path | None:
    name = next((_slashes(fields[column]) for column in MASK_COLUMNS if fields.get(column)), None)
    if name is None or name.lower() in ("nan", "none"):
        return None
    if not (base / name).is_file():
        raise DataError(f"{where}: there is no mask file {printable(base / name)}")
    return base / name


def _base(folder: Path, names: Sequence[str]) -> Path:
    """The nearest folder that any of the first images is found from; the list's own where none is."""
    nearest = [folder, *folder.resolve().parents[:FOLDERS_UP]]
    return next((base for base in nearest if any((base / name).is_file() for name in names[:FIRST])), folder)


def _slashes(name: str) -> str:
    """A path written on Windows, as other systems write it."""
    return name.replace("\\", "/")
