"""Clips: consecutive frames of video, from folders or from any source that groups its frames."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hizumi.data.decoding import decode
from hizumi.data.files import found_beneath
from hizumi.data.folders import MASKS_FOLDER, mask_of
from hizumi.data.labels import is_normal, split_named
from hizumi.data.manifest import GOOD, UNLABELLED, Manifest, Neighbour, Record, Unopened
from hizumi.data.masks import is_mask_folder
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
    found = found_beneath(root)
    masks = [path for path in found.images if any(map(is_mask_folder, path.relative_to(root).parts[:-1]))]
    folders = sorted({path.parent for path in set(found.images).difference(masks)}, key=_natural_path(root))
    records = [record for folder in folders for record in _clip(root, folder)]
    if not records:
        raise DataError(f"{printable(root)}: holds no frames; {LAYOUTS}")
    used = {record.mask for record in records}
    unused = (Unopened(printable(path.relative_to(root)), "is a mask", False) for path in masks if path not in used)
    videos = (Unopened(printable(path.relative_to(root)), "is a video beside frames") for path in found.videos)
    manifest = Manifest(
        tuple(records), name=printable(root.resolve().name), unopened=(*found.unopened, *videos, *unused)
    )
    return with_neighbours(manifest)


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


def _frames(folder: Path) -> list[Path]:
    return _in_natural_order(found_beneath(folder, recursive=False).images)


def _in_natural_order(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: natural_order(path.name))


def _natural_path(root: Path) -> Callable[[Path], list[list[tuple[int, str]]]]:
    return lambda path: [natural_order(part) for part in path.relative_to(root).parts]


def _clip(root: Path, folder: Path) -> list[Record]:
    words = folder.relative_to(root).parts
    split = next((split for word in words if (split := split_named(word))), None)
    good = split != "test" or any(map(is_normal, words))
    masked = (root / MASKS_FOLDER / folder.name).is_dir()
    records = []
    for path in _frames(folder):
        record = Record(printable(path.relative_to(root)), split=split, path=path)
        if not good:
            record = _labelled(record, mask_of(root, path)) if masked else replace(record, kind=UNLABELLED, label=None)
        records.append(record)
    return records


def _labelled(record: Record, mask: Path | None) -> Record:
    """Label a frame by its mask: anomalous where the mask marks any pixel."""
    if mask is None or not decode(mask, name=f"mask of {record.name}").pixels.any():
        return replace(record, kind=GOOD, label=0)
    return replace(record, kind="anomalous", label=1, mask=mask)
