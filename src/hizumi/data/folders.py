"""Folders of images, to any depth: every file beneath is a record, or the mask of one, or named with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hizumi.data.decoding import IMAGE_FORMATS
from hizumi.data.files import Found, found_beneath
from hizumi.data.labels import ANOMALOUS, good_again, is_normal, note_on_good_again
from hizumi.data.layouts import ADVICE, purposes, understood
from hizumi.data.manifest import UNLABELLED, Manifest, Record, Unopened
from hizumi.data.mask_pixels import marks_of
from hizumi.data.masks import (
    is_mask_folder,
    notes_on_masks,
    one_or_all,
    pair_in_turn,
    stem_of_picture,
    without_masks_beside,
)
from hizumi.data.options import SourceOptions
from hizumi.errors import DataError
from hizumi.storage.files import printable
from hizumi.words import counted


def open_folder(root: Path, options: SourceOptions) -> Manifest:
    """Manifest of a folder of images, labelled by the names of the folders in it (see `hizumi.data.layouts`).

    Masks are told by their folder or by their own name, or lie beside their picture under the same name (see
    `hizumi.data.masks`). Raises DataError when it holds no image, or only sub-folders whose names do not mean good or
    bad.
    """
    found = found_beneath(root, recursive=options.recursive)
    options, said = _as_before(root, found.images, options)
    in_folders = [path for path in found.images if _is_in_mask_folder(root, path, options)]
    pictures, beside = without_masks_beside([path for path in found.images if path not in set(in_folders)])
    if not pictures:
        advice = "" if options.layout == "unlabelled" else f"; {ADVICE}"  # of no use for images to be judged
        raise DataError(f"{printable(root)}: {_nothing_in(found)}{advice}")
    understanding = understood(root, pictures, options)
    in_test = {record.source for record in understanding.records if record.split == "test"}
    anomalous = {record.source for record in understanding.records if record.label == 1}
    tiers = ([path for path in pictures if path in images] for images in (anomalous, in_test, set(pictures)))
    pairing = pair_in_turn(root, tiers, in_folders)
    masks, unmatched = {**pairing.masks, **beside}, pairing.unmatched
    records = [_masked(root, record, masks, beside, options) for record in understanding.records]
    note = f"understood as {understanding.layout}: {purposes(records)}"
    stems = {path.stem.lower() for path in pictures}
    used = {mask for record in records for mask in record.mask_files}
    unused = [path for path in found.images if path not in used and path not in set(pictures)]
    return Manifest(
        tuple(records),
        name=printable(root.resolve().name),
        notes=(note, *said, *understanding.notes, *notes_on_masks(root, records, unmatched)),
        unopened=(
            *found.unopened,
            *(Unopened(printable(path.relative_to(root)), "is a video beside images") for path in found.videos),
            *(_unused_mask(root, path, bool(_own_names(path) & stems)) for path in unused),
        ),
    )


def _as_before(root: Path, images: Sequence[Path], options: SourceOptions) -> tuple[SourceOptions, tuple[str, ...]]:
    """The options, with the folders here that meant good before where nothing is said of these, and a note on them."""
    if options.good or options.layout not in ("auto", "kinds", "splits"):
        return options, ()
    folders = {part for path in images for part in path.relative_to(root).parts[:-1]}
    good = good_again(folders, [name.strip("/\\") for name in options.good_before])
    return (replace(options, good=good), (note_on_good_again(good),)) if good else (options, ())


def _is_in_mask_folder(root: Path, path: Path, options: SourceOptions) -> bool:
    good = {name.lower() for name in options.good}
    return any(is_mask_folder(part) and part.lower() not in good for part in path.relative_to(root).parts[:-1])


def _masked(
    root: Path,
    record: Record,
    masks: Mapping[Path, tuple[Path, ...]],
    beside: Mapping[Path, tuple[Path, ...]],
    options: SourceOptions,
) -> Record:
    """The record with its mask; one beside a picture that no folder calls good says whether it is."""
    assert record.path is not None, "a folder's record is a file"
    if record.label is None or record.path not in masks:
        return record
    own = masks[record.path]
    masked = replace(record, mask=one_or_all(own))
    if record.label == 1 or record.path not in beside or _is_called_good(root, record.path, options):
        return masked
    try:
        is_good = not any(marks_of(mask).marks.any() for mask in own)
    except DataError:
        return replace(record, kind=UNLABELLED, label=None)
    return masked if is_good else replace(masked, kind=ANOMALOUS, label=1)


def _is_called_good(root: Path, path: Path, options: SourceOptions) -> bool:
    good = {name.lower() for name in options.good}
    return any(is_normal(part) or part.lower() in good for part in path.relative_to(root).parts[:-1])


def _own_names(mask: Path) -> set[str]:
    """Names that a picture of this mask may have, in lower case."""
    return {mask.stem.lower(), stem_of_picture(mask.stem) or mask.stem.lower(), mask.parent.name.lower()}


def _unused_mask(root: Path, mask: Path, matched: bool) -> Unopened:
    reason = "is a mask" if matched else "is a mask by the name of its folder, and no picture has its name"
    return Unopened(printable(mask.relative_to(root)), reason, may_be_part=not matched)


def _nothing_in(found: Found) -> str:
    nothing = f"holds no {IMAGE_FORMATS} image"
    if found.videos:
        videos = counted(len(found.videos), "video")
        return f"{nothing}, but {videos}: fit with --motion (`motion`), by which frames are judged"
    if not found.unopened:
        return nothing
    first = found.unopened[0]
    return f"{nothing} among its {len(found.unopened)} files; the first, {first.name}, {first.reason}"
