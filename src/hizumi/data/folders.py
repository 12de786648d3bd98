"""Folders of images: flat, by kind (good/ beside defects), or in the MVTec AD layout."""

import os
from pathlib import Path

from hizumi.data.decoding import IMAGE_SUFFIXES
from hizumi.data.labels import ANOMALOUS_WORDS, NORMAL_WORDS, SPLITS, with_classes
from hizumi.data.manifest import GOOD, Manifest, Record
from hizumi.data.masks import is_mask_folder, with_masks
from hizumi.data.options import SourceOptions
from hizumi.errors import DataError
from hizumi.storage.files import printable

LAYOUTS = "put good images directly in it, or in good/ beside one folder per defect, or in train/good and test/<kind>"


def open_folder(root: Path, options: SourceOptions) -> Manifest:
    """Manifest of a folder of images, whose layout is recognised by the names of its sub-folders.

    With `normal_class` "all", sub-folders whose names do not mean good or bad are classes, all of them normal.
    Raises DataError when it holds no image, or only sub-folders whose names do not mean good or bad.
    """
    folders, files, others = listed(root)
    names = {folder.name.lower(): folder for folder in folders}
    splits = [name for name in names if name in SPLITS]
    notes = _note_on_others(others)
    if splits:
        parts = [_by_kind(root, names[name], SPLITS[name], notes) for name in splits]
        records = [record for part in parts for record in part]
    elif names.keys() & (NORMAL_WORDS | ANOMALOUS_WORDS) or (options.normal_class == "all" and folders and not files):
        records = _by_kind(root, root, None, notes)
    elif files:
        records = [Record(printable(path.name), path=path) for path in files]
        if folders:
            notes.append(f"sub-folders of {printable(root)} were not read")
    elif folders:
        found = ", ".join(printable(folder.name) for folder in folders[:5])
        raise DataError(f"{printable(root)}: holds no image, only the folders {found}; {LAYOUTS}")
    else:
        records = []
    if options.normal_class == "all" and not {record.kind.lower() for record in records} & (
        NORMAL_WORDS | ANOMALOUS_WORDS
    ):
        records = with_classes(records, [record.kind for record in records])
    if not records:
        raise DataError(f"{printable(root)}: holds no PNG, JPEG, BMP, TIFF or WebP image; {LAYOUTS}")
    records, said = with_masks(root, records)
    return Manifest(tuple(records), name=printable(root.resolve().name), notes=(*notes, *said))


def listed(folder: Path) -> tuple[list[Path], list[Path], int]:
    """Sub-folders and images of a folder, sorted, and the number of its other files; hidden ones do not count."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        folders = [entry for entry in entries if entry.is_dir()]
    except OSError as error:
        raise DataError(f"{printable(folder)}: cannot be listed ({os.strerror(error.errno or 0)})") from error
    images = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry not in set(folders)]
    return folders, images, len(entries) - len(folders) - len(images)


def _by_kind(root: Path, folder: Path, split: str | None, notes: list[str]) -> list[Record]:
    """Records of good/ and of one folder per defect; in train/ without sub-folders, all images are good."""
    folders, files, others = listed(folder) if folder != root else (listed(root)[0], listed(root)[1], 0)
    notes.extend(_note_on_others(others))
    records = []
    if files and not folders and split in ("train", "calibration"):
        records = [_record(root, path, GOOD, split) for path in files]
    elif files:
        notes.append(
            f"{len(files)} images of {printable(folder)} are in no folder that names their kind and were not read"
        )
    for kind_folder in folders:
        if is_mask_folder(kind_folder.name):
            continue
        kind = GOOD if kind_folder.name.lower() in NORMAL_WORDS else printable(kind_folder.name)
        inner_folders, images, inner_others = listed(kind_folder)
        notes.extend(_note_on_others(inner_others))
        records += [_record(root, path, kind, split) for path in images]
        for inner in inner_folders:
            if is_mask_folder(inner.name):
                continue
            inner_kind = GOOD if kind == GOOD else printable(inner.name)
            records += [_record(root, path, inner_kind, split) for path in listed(inner)[1]]
    return records


def _record(root: Path, path: Path, kind: str, split: str | None) -> Record:
    label = 0 if kind == GOOD else 1
    return Record(printable(path.relative_to(root)), kind, label, split, path=path)


def _note_on_others(count: int) -> list[str]:
    return [f"ignored files that are not images by their names: {count}"] if count else []
