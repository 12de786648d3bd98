"""Clips: consecutive frames of video, from folders or from any source that groups its frames."""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hizumi.data.folders import listed
from hizumi.data.labels import NORMAL_WORDS, SPLITS
from hizumi.data.manifest import GOOD, UNLABELLED, Manifest, Neighbour, Record
from hizumi.data.mask_pixels import marks_of
from hizumi.data.masks import is_mask_folder, mask_files, pair
from hizumi.errors import DataError
from hizumi.storage.files import printable

PARTS = 10  # into which a single clip is cut, so that it can be split into training and calibration

LAYOUTS = "put the frames of each clip into a folder of their own: <clip>, or train/<clip> and test/<clip>"


def open_clips(root: Path) -> Manifest:
    """Manifest of clips, one per folder of frames: the folder itself, <clip>/, or train/<clip>/ and test/<clip>/.

    Clips outside test/ are normal, and so are clips below a folder named good. Other test clips are labelled by masks,
    ground_truth/<clip>/<frame>_mask.png or <frame>.png: a frame whose mask marks any pixel is anomalous, one without a
    mask is normal. A test clip without a folder of masks is unlabelled. Raises DataError for a folder without frames.
    """
    folders, masks = _folders_of_frames(root), mask_files(root)
    found = pair(root, [frame for folder in folders for frame in _frames(folder)], masks).masks
    records = [record for folder in folders for record in _clip(root, folder, found)]
    if not records:
        raise DataError(f"{printable(root)}: holds no frames; {LAYOUTS}")
    return with_neighbours(Manifest(tuple(records), name=printable(root.resolve().name)))


def with_neighbours(manifest: Manifest) -> Manifest:
    """Give each record a neighbour: the frame before it in its clip, or for the first frame the one after it.

    Records of one group are a clip, in their order. Files without a group form a clip with all images of their folder,
    in the natural order of their names, whichever of them were given. Arrays without groups are one clip. A clip
    becomes a group, so that no split divides it; a single clip is cut into consecutive groups. Raises DataError for
    data without clips.
    """
    if manifest.vectors:
        raise DataError(f"{manifest.name}: holds rows of numbers; motion needs frames of video")
    if all(record.neighbour for record in manifest.records):
        return manifest
    clips: dict[str, list[int]] = {}
    for index, record in enumerate(manifest.records):
        clips.setdefault(_clip_of(manifest, record), []).append(index)
    found: dict[int, Record] = {}
    for clip, indices in clips.items():
        own = [manifest.records[index] for index in indices]
        sources = [record.source for record in own]
        if own[0].path is not None and own[0].group is None:
            sources = [*_frames(own[0].path.parent)]
        neighbours = _neighbours(sources)
        for index, record in zip(indices, own, strict=True):
            if (neighbour := neighbours.get(record.source)) is None:
                raise DataError(f"{record.name}: is the only frame of its clip; motion needs at least two. {LAYOUTS}")
            found[index] = replace(record, neighbour=neighbour, group=clip)
    return _divided(replace(manifest, records=tuple(found[index] for index in range(len(manifest)))))


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key that puts frame 2 before frame 10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name.lower())]


def _clip_of(manifest: Manifest, record: Record) -> str:
    if record.group is not None:
        return record.group
    if record.path is not None:
        return printable(record.path.parent)
    if record.split is not None:
        raise DataError(f"{manifest.name}: does not say which frames belong to one clip; add clip or group numbers")
    return manifest.name


def _neighbours(sources: list[Path | int]) -> dict[Path | int, Neighbour]:
    neighbours = {later: Neighbour(earlier, -1) for earlier, later in pairwise(sources)}
    if len(sources) > 1:
        neighbours[sources[0]] = Neighbour(sources[1], 1)
    return neighbours


def _divided(manifest: Manifest) -> Manifest:
    """Cut a single clip of training frames into consecutive parts, each a group of its own."""
    free = [index for index, record in enumerate(manifest.records) if record.label == 0 and record.split != "test"]
    if len({manifest.records[index].group for index in free}) != 1:
        return manifest
    records = list(manifest.records)
    for place, index in enumerate(free):
        part = place * PARTS // len(free) + 1
        records[index] = replace(records[index], group=f"{records[index].group}, part {part}")
    note = (
        f"only one clip to learn from: cut into {PARTS} parts, which are not independent; "
        "a threshold set on some of them may be too low for another clip"
    )
    return replace(manifest, records=tuple(records), notes=(*manifest.notes, note))


def _folders_of_frames(folder: Path) -> list[Path]:
    folders, frames, _ = listed(folder)
    own = [folder] if frames else []
    inner = (_folders_of_frames(each) for each in _in_natural_order(folders) if not is_mask_folder(each.name))
    return sum(inner, own)


def _frames(folder: Path) -> list[Path]:
    return _in_natural_order(listed(folder)[1])


def _in_natural_order(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: natural_order(path.name))


def _clip(root: Path, folder: Path, masks: Mapping[Path, tuple[Path, ...]]) -> list[Record]:
    words = [part.lower() for part in folder.relative_to(root).parts]
    split = SPLITS.get(words[0]) if words else None
    good = split != "test" or bool(NORMAL_WORDS & set(words))
    frames = _frames(folder)
    masked = any(path in masks for path in frames)
    records = []
    for path in frames:
        record = Record(printable(path.relative_to(root)), split=split, path=path)
        if not good:
            record = _labelled(record, masks.get(path, ())) if masked else replace(record, kind=UNLABELLED, label=None)
        records.append(record)
    return records


def _labelled(record: Record, masks: tuple[Path, ...]) -> Record:
    """Label a frame by its masks: anomalous where one marks any pixel."""
    if not any(marks_of(mask, f"mask of {record.name}").marks.any() for mask in masks):
        return replace(record, kind=GOOD, label=0)
    return replace(record, kind="anomalous", label=1, mask=masks)
