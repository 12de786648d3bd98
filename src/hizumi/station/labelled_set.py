"""Reviewed pictures as a labelled set, in the layout of MVTec AD: to fit, to evaluate, or to hand on."""

import hashlib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from PIL import Image

from hizumi.data.decoding import outline_of
from hizumi.data.labels import is_anomalous, is_normal, is_unknown, plain_words, split_named
from hizumi.data.masks import is_mask_folder
from hizumi.errors import DataError, UsageError
from hizumi.station.batches import batches
from hizumi.station.entry import Entry
from hizumi.station.log import Filter, Log, Review
from hizumi.station.pictures import Pictures
from hizumi.storage.files import write_atomically
from hizumi.storage.tables import write_csv
from hizumi.words import counted

TEST_SHARE = 0.3
BEGINNINGS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"II+\0": ".tif",
    b"MM\0+": ".tif",
    b"RIFF": ".webp",
    b"GIF8": ".gif",
    b"P4": ".pbm",
    b"P5": ".pgm",
    b"P6": ".ppm",
    b"\x93NUMPY": ".npy",
}
LONGEST_KIND = 60  # characters of a folder's name


@dataclass(frozen=True)
class LabelledSet:
    """What was written, by split and folder, such as {"test/scratch": 3}, and sentences on what was left out."""

    folder: Path
    counts: dict[str, int]
    notes: tuple[str, ...]


def export_labelled_set(
    log: Log, pictures: Pictures, folder: Path, *, test_share: float = TEST_SHARE, **filters: Unpack[Filter]
) -> LabelledSet:
    """Write pictures reviewed as good or defect into a folder, with labels.csv, which says what each one was.

    Good ones go to train/good, and a share of them, chosen by their content and so always the same, to test/good;
    defects to test/<kind>, with a mask in ground_truth/<kind> where a region was drawn. The files are the pictures as
    they came. Of equal pictures the one reviewed last counts. Raises UsageError for a folder that is not empty, and
    DataError where there is nothing to write.
    """
    if not 0 <= test_share <= 1:
        raise UsageError(f"the share of good pictures for the test is {test_share:g}; it must lie between 0 and 1")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the folder for the labelled set is not empty; name a new one")
    found, notes = _reviewed(log, filters)
    if not found:
        raise DataError("no inspection was reviewed as good or defect here; review some first")
    kinds = _folders_of_kinds(sorted({review.kind for _, review in found if review.label == "defect"}))
    rows, missing, damaged = [], 0, 0
    for entry, review in found:
        try:
            content = pictures.read(entry.picture_sha256)
        except DataError:
            damaged += 1
            continue
        if content is None:
            missing += 1
            continue
        kind = "good" if review.label == "good" else kinds[review.kind]
        split = "train" if kind == "good" and not _is_tested(entry, test_share) else "test"
        rows.append(_written(folder, split, kind, content, entry, review))
    if missing:
        notes.append(f"left out, as no longer kept: {counted(missing, 'reviewed picture')}")
    if damaged:
        notes.append(f"left out, as damaged on the disk: {counted(damaged, 'reviewed picture')}")
    if without := sum(row["label"] == "defect" and not row["mask"] for row in rows):
        notes.append(f"without a mask, as no region was drawn: {counted(without, 'defect')}")
    if not rows:
        raise DataError("none of the reviewed pictures is kept whole any more; there is nothing to write")
    write_csv(folder / "labels.csv", rows)
    counts = Counter(row["file"].rpartition("/")[0] for row in rows)
    if test_share and not counts["test/good"]:
        good = counted(counts["train/good"], "good picture")
        notes.append(
            f"none of {good} is to test with, as about {test_share:.0%} of them are, by chance: an evaluation cannot "
            "tell of false alarms; review more good pictures"
        )
    return LabelledSet(folder, dict(sorted(counts.items())), tuple(notes))


def _reviewed(log: Log, filters: Filter) -> tuple[list[tuple[Entry, Review]], list[str]]:
    """Inspections reviewed as good or defect, one of each picture, and notes on the others."""
    chosen: dict[str, tuple[Entry, Review]] = {}
    unsure = equal = changed = 0
    for entry, review in _with_reviews(log, filters):
        if review.label == "unsure":
            unsure += 1
            continue
        other = chosen.get(entry.picture_sha256)
        if other is not None:
            equal, changed = equal + 1, changed + (other[1].label != review.label)
        if other is None or review.made_at > other[1].made_at:
            chosen[entry.picture_sha256] = entry, review
    notes = [f"left out, as reviewers were unsure: {counted(unsure, 'picture')}"] if unsure else []
    if equal:
        notes.append(
            f"inspected and reviewed more than once, of which the last counts: {counted(equal, 'picture')} "
            f"({changed} with another word before)"
        )
    return list(chosen.values()), notes


def _with_reviews(log: Log, filters: Filter) -> Iterator[tuple[Entry, Review]]:
    for batch in batches(log.every(**(filters | Filter(reviewed=True)))):
        reviews = log.newest_reviews([entry.id for entry in batch])
        yield from ((entry, reviews[entry.id]) for entry in batch if entry.id in reviews)


def _written(folder: Path, split: str, kind: str, content: bytes, entry: Entry, review: Review) -> dict[str, Any]:
    """Write a picture and its mask; the row of the table."""
    suffix = next((ending for start, ending in BEGINNINGS.items() if content.startswith(start)), ".bin")
    place = f"{split}/{kind}/{entry.id}{suffix}"
    write_atomically(folder / place, content)
    mask = ""
    if review.label == "defect" and review.regions:
        mask = f"ground_truth/{kind}/{entry.id}_mask.png"
        write_atomically(folder / mask, _mask(folder / place, review))
    return {
        "file": place,
        "label": review.label,
        "kind": review.kind,
        "mask": mask,
        "name": entry.name,
        "recipe": entry.recipe,
        "part": entry.part,
        "view": entry.view,
        "inspected_at": entry.inspected_at.isoformat(),
        "anomalous": entry.anomalous,
        "score": entry.score,
        "p_value": entry.p_value,
        "reviewed_by": review.who,
        "reviewed_at": review.made_at.isoformat(),
        "note": review.note,
        "picture_sha256": entry.picture_sha256,
        "bundle_sha256": entry.bundle_sha256,
    }


def _mask(picture: Path, review: Review) -> bytes:
    """The pixels whose middles lie in the drawn regions, in white, at the size at which the picture is shown.

    A region too thin to hold any middle has the pixels along its edges.
    """
    from skimage.draw import polygon, polygon_perimeter

    outline = outline_of(picture)
    mask = np.zeros((outline.height, outline.width), np.uint8)
    for region in review.regions or ():
        columns, rows = np.array(region, dtype=np.float64).T - 0.5
        inside = polygon(rows, columns, mask.shape)
        if not len(inside[0]):
            rows, columns = rows.clip(-1, outline.height), columns.clip(-1, outline.width)
            inside = polygon_perimeter(rows.round().astype(int), columns.round().astype(int), mask.shape)
        mask[inside] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


def _is_tested(entry: Entry, share: float) -> bool:
    # By the content, so that a picture does not change sides when the set is written again with more of them.
    digest = hashlib.sha256(b"test" + entry.picture_sha256.encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _folders_of_kinds(kinds: Sequence[str]) -> dict[str, str]:
    """A folder's name for each kind: one that leads nowhere else, means a kind, and is no other kind's in any case."""
    folders: dict[str, str] = {}
    for kind in kinds:
        plain = unicodedata.normalize("NFC", re.sub(r"[^\w-]+", "_", kind)).strip("_-")[:LONGEST_KIND].strip("_-")
        means_more = any(told(plain) for told in (is_normal, is_unknown, split_named, is_mask_folder))
        if not plain:
            plain = "defect"
        elif (means_more or not plain_words(plain)) and not is_anomalous(plain):
            plain = f"{plain}_kind" if is_mask_folder(plain) else f"kind_{plain}"  # where it would be told again
        taken, number, name = {each.lower() for each in folders.values()}, 2, plain
        while name.lower() in taken:
            name, number = f"{plain}_{number}", number + 1
        folders[kind] = name
    return folders
