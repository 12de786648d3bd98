"""Folders of images, to any depth: every file beneath is a record, or the mask of one, or named with its reason."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from hizumi.data.decoding import IMAGE_FORMATS, IMAGE_SUFFIXES, decode
from hizumi.data.files import Found, found_beneath
from hizumi.data.labels import ANOMALOUS
from hizumi.data.layouts import ADVICE, counted, understood
from hizumi.data.manifest import UNLABELLED, Manifest, Record, Unopened
from hizumi.data.masks import is_mask_folder, stem_of_picture
from hizumi.data.options import SourceOptions
from hizumi.errors import DataError
from hizumi.storage.files import printable

MASKS_FOLDER = "ground_truth"
LOSSY_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif"})
LOSSLESS_SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff"})
LEVELS_OF_A_MASK = 2


def open_folder(root: Path, options: SourceOptions) -> Manifest:
    """Manifest of a folder of images, labelled by the names of the folders in it (see `hizumi.data.layouts`).

    Masks are told by their folder or by their own name, or lie beside their picture under the same name. Raises
    DataError when it holds no image, or only sub-folders whose names do not mean good or bad.
    """
    found = found_beneath(root, recursive=options.recursive)
    pictures, masks, beside = _without_masks(root, found.images, options)
    if not pictures:
        raise DataError(f"{printable(root)}: {_nothing_in(found)}; {ADVICE}")
    understanding = understood(root, pictures, options)
    records = [_masked(root, record, beside) for record in understanding.records]
    note = f"understood as {understanding.layout}: {counted(records)}"
    used = {record.mask for record in records}
    videos = [Unopened(printable(path.relative_to(root)), "is a video beside images") for path in found.videos]
    unused = _unused_masks(root, [mask for mask in masks if mask not in used], pictures)
    return Manifest(
        tuple(records),
        name=printable(root.resolve().name),
        notes=(note, *understanding.notes, *_note_on_masks(records)),
        unopened=(*found.unopened, *videos, *unused),
    )


def _nothing_in(found: Found) -> str:
    nothing = f"holds no {IMAGE_FORMATS} image"
    if found.videos:
        return f"{nothing}, but {len(found.videos)} videos: say --motion (`motion`), by which frames are judged"
    if not found.unopened:
        return nothing
    first = found.unopened[0]
    return f"{nothing} among its {len(found.unopened)} files; the first, {first.name}, {first.reason}"


def _without_masks(
    root: Path, images: list[Path], options: SourceOptions
) -> tuple[list[Path], list[Path], dict[Path, Path]]:
    """Pictures, masks, and for pictures whose mask lies beside them that mask."""
    good = {name.lower() for name in options.good}

    def in_mask_folder(path: Path) -> bool:
        parts = path.relative_to(root).parts[:-1]
        return any(is_mask_folder(part) and part.lower() not in good for part in parts)

    masks = {path for path in images if in_mask_folder(path)}
    pictures = [path for path in images if path not in masks]
    by_stem: dict[tuple[Path, str], list[Path]] = {}
    for path in pictures:
        by_stem.setdefault((path.parent, path.stem.lower()), []).append(path)
    beside: dict[Path, Path] = {}
    for path in pictures:
        stem = stem_of_picture(path.stem)
        for picture in by_stem.get((path.parent, stem.lower()), []) if stem is not None else []:
            beside[picture] = path
    for paths in by_stem.values():
        beside.update(_lossless_masks(paths))
    masks |= set(beside.values())
    return [path for path in images if path not in masks], [path for path in images if path in masks], beside


def _lossless_masks(paths: list[Path]) -> dict[Path, Path]:
    """Of one name in one folder: a JPEG picture and, in a lossless format, its mask of at most two levels."""
    lossy = [path for path in paths if path.suffix.lower() in LOSSY_SUFFIXES]
    lossless = [path for path in paths if path.suffix.lower() in LOSSLESS_SUFFIXES]
    if len(lossy) != 1 or len(lossless) != 1:
        return {}
    try:
        pixels = decode(lossless[0]).pixels
    except DataError:
        return {}
    return {lossy[0]: lossless[0]} if len(np.unique(pixels)) <= LEVELS_OF_A_MASK else {}


def _masked(root: Path, record: Record, beside: dict[Path, Path]) -> Record:
    """The record with its mask; a mask beside the picture of an image taken to be good says whether it is."""
    assert record.path is not None, "a folder's record is a file"
    mask = beside.get(record.path)
    if record.label == 1:
        return replace(record, mask=mask or mask_of(root, record.path))
    if mask is None or record.label is None:
        return record
    try:
        is_good = not decode(mask).pixels.any()
    except DataError:
        return replace(record, kind=UNLABELLED, label=None)
    return record if is_good else replace(record, kind=ANOMALOUS, label=1, mask=mask)


def _unused_masks(root: Path, masks: Iterable[Path], pictures: list[Path]) -> list[Unopened]:
    stems = {path.stem.lower() for path in pictures}
    unused = []
    for mask in masks:
        own = {mask.stem.lower(), (stem_of_picture(mask.stem) or mask.stem).lower(), mask.parent.name.lower()}
        matched = bool(own & stems)
        reason = "is a mask" if matched else "is a mask by the name of its folder, and no picture has its name"
        unused.append(Unopened(printable(mask.relative_to(root)), reason, may_be_part=not matched))
    return unused


def mask_of(root: Path, path: Path) -> Path | None:
    """An image's mask, ground_truth/<kind>/<name>_mask.<suffix> or <name>.<suffix>; None without one."""
    folder = root / MASKS_FOLDER / path.parent.name
    for stem in (f"{path.stem}_mask", path.stem):
        for suffix in dict.fromkeys((".png", path.suffix, *sorted(IMAGE_SUFFIXES))):
            if (mask := folder / f"{stem}{suffix}").is_file():
                return mask
    return None


def _note_on_masks(records: list[Record]) -> list[str]:
    anomalous = [record for record in records if record.label == 1]
    without = sum(record.mask is None for record in anomalous)
    if not without or without == len(anomalous):
        return []
    return [f"{without} of {len(anomalous)} anomalous images have no mask and are left out of pixel metrics"]
