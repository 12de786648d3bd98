"""Clips: consecutive frames of video, from folders or from any source that groups its frames."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median_low

import numpy as np

from hizumi.data.clip_truth import with_clip_truth
from hizumi.data.files import found_beneath
from hizumi.data.labels import ANOMALOUS, is_normal, split_named
from hizumi.data.manifest import GOOD, UNLABELLED, Manifest, Neighbour, Record, Unopened
from hizumi.data.mask_pixels import marks_of
from hizumi.data.masks import is_mask_folder, one_or_all, pair_in_turn, stem_of_picture
from hizumi.data.motion import of_other_rate, rate_in_words
from hizumi.data.options import Layout, SourceOptions
from hizumi.data.video import LARGEST_BYTES, TooLongError, read_video
from hizumi.errors import DataError
from hizumi.storage.files import printable
from hizumi.words import counted

PARTS = 10  # into which a single clip is cut, so that it can be split into training and calibration

LAYOUTS = "put the frames of each clip into a folder of their own: <clip>, or train/<clip> and test/<clip>"


def open_clips(root: Path, options: SourceOptions) -> Manifest:
    """Manifest of clips: each folder of frames, and each video file, to any depth.

    Clips outside test/ are normal, and so are clips below a folder named good. Other test clips are labelled by masks,
    ground_truth/<clip>/<frame>_mask.png or, as in UCSD's sets, <clip>_gt/<frame>.bmp, or by a file for the whole clip
    (see `hizumi.data.clip_truth`): a frame whose mask marks any pixel is anomalous, one without a mask is normal. A
    test clip without either is unlabelled, and so is every clip where the layout is "unlabelled". Neighbours are still
    to be found. Raises DataError for a folder without frames.
    """
    found = found_beneath(root, recursive=options.recursive)
    masks = [path for path in found.images if any(map(is_mask_folder, path.relative_to(root).parts[:-1]))]
    folders = sorted({path.parent for path in set(found.images).difference(masks)}, key=_natural_path(root))
    clips = {folder: _frames(folder) for folder in folders}
    tested = [
        frame
        for folder, frames in clips.items()
        if _split_in(folder.relative_to(root).parts) == "test"
        for frame in frames
    ]
    every = [frame for frames in clips.values() for frame in frames]
    found_masks = pair_in_turn(root, (tested, every), masks).masks
    records = [record for folder in folders for record in _clip(root, folder, options, found_masks)]
    videos = sorted(found.videos, key=_natural_path(root))
    film = open_videos([(printable(path.relative_to(root)), path) for path in videos])
    records += [_of_folders(record, Path(record.group or "").parts, options) for record in film.records]
    if not records:
        raise DataError(f"{printable(root)}: holds no frames; {LAYOUTS}")
    used = {mask for record in records for mask in record.mask_files}
    unused = (Unopened(printable(path.relative_to(root)), "is a mask", False) for path in masks if path not in used)
    name = printable(root.resolve().name)
    manifest = Manifest(tuple(records), film.arrays, name=name, unopened=(*found.unopened, *film.unopened, *unused))
    if options.layout != "unlabelled":
        manifest = with_clip_truth(manifest, root)
    count = len(folders) + len({record.group for record in film.records})
    note = f"understood as {counted(count, 'clip')}: {_purposes(manifest.records)}"
    return replace(manifest, notes=(note, *film.notes, *manifest.notes))


def open_videos(named: Sequence[tuple[str, Path]]) -> Manifest:
    """Frames of video files, each a clip of the name given with it; frames of several sizes keep theirs.

    Of several files, one that cannot be read is not opened, and is named; raises DataError where none can.
    """
    records: list[Record] = []
    frames: list[np.ndarray] = []
    notes: list[str] = []
    unopened: list[Unopened] = []
    for clip, path in named:
        try:
            film = read_video(path, LARGEST_BYTES - sum(each.nbytes for each in frames))
        except TooLongError:
            raise
        except DataError as error:
            if not records and path == named[-1][1]:
                raise
            unopened.append(Unopened(clip, str(error).removeprefix(f"{printable(path)}: ")))
            continue
        notes += [] if film.note is None else [f"{clip}: {film.note}"]
        unopened += [] if film.missing is None else [Unopened(clip, film.missing)]
        records += [
            Record(f"{clip}: frame {number}", group=clip, row=row, frame_seconds=film.frame_seconds)
            for number, row in enumerate(range(len(records), len(records) + len(film.frames)))
        ]
        frames.append(film.frames)
    name = named[0][0] if named else "videos"
    said = (*_few(notes), *_note_on_rates(records))
    return Manifest(tuple(records), _in_one(frames), name=name, notes=said, unopened=tuple(unopened))


def _why_alone(record: Record) -> str:
    if record.path is not None and not record.path.exists():
        return "there is no such file"
    return "is the only frame of its clip, or between two gaps; motion needs at least two"


def _few(notes: Sequence[str]) -> tuple[str, ...]:
    """The first of notes on single clips, and how many others there are."""
    more = f"; likewise of {counted(len(notes) - 1, 'other clip')}" if len(notes) > 1 else ""
    return (f"{notes[0]}{more}",) if notes else ()


def _note_on_rates(records: Sequence[Record]) -> tuple[str, ...]:
    """Which clips have the most and the fewest frames a second, where that differs."""
    timed = [(record.frame_seconds, record.group) for record in records if record.frame_seconds is not None]
    if not timed or not of_other_rate(max(timed)[0], min(timed)[0]):
        return ()
    fast, slow = (f"{clip} has {rate_in_words(seconds)}" for seconds, clip in (min(timed), max(timed)))
    return (f"{fast} and {slow}: motion is measured from frame to frame, so write all at one frame rate",)


def _in_one(frames: Sequence[np.ndarray]) -> np.ndarray | None:
    """Frames (n, h, w, c) of all clips, or an object array of them where their sizes differ."""
    if not frames:
        return None
    if len({each.shape[1:] for each in frames}) == 1:
        return frames[0] if len(frames) == 1 else np.concatenate(frames)
    together = np.empty(sum(map(len, frames)), dtype=object)
    together[:] = [frame for each in frames for frame in each]
    return together


def with_neighbours(manifest: Manifest, *, layout: Layout = "auto") -> Manifest:
    """Give each record a neighbour: the frame before it in its clip, or for the first frame the one after it.

    Records of one group are a clip, in their order. Files without a group form a clip with all images of their folder,
    in the natural order of their names, whichever of them were given. Arrays without groups are one clip. A clip
    becomes a group, so that no split divides it; a single clip is cut into consecutive groups, but where the layout is
    "unlabelled" and nothing is learned. Raises DataError for data without clips.
    """
    if manifest.vectors:
        raise DataError(f"{manifest.name}: holds rows of numbers; motion needs frames of video")
    if all(record.neighbour for record in manifest.records):
        return manifest
    clips: dict[str, list[int]] = {}
    for index, record in enumerate(manifest.records):
        clips.setdefault(_clip_of(manifest, record), []).append(index)
    found: dict[int, Record] = {}
    alone: list[Record] = []
    gaps: list[tuple[Path | int, Path | int]] = []
    for clip, indices in clips.items():
        runs = _unbroken(_sources([manifest.records[index] for index in indices]))
        gaps += [(one[-1], other[0]) for one, other in pairwise(runs)]
        neighbours = {source: neighbour for run in runs for source, neighbour in _neighbours(run).items()}
        for index in indices:
            record = manifest.records[index]
            if (neighbour := neighbours.get(record.source)) is None:
                alone.append(record)
            else:
                found[index] = replace(record, neighbour=neighbour, group=clip)
    if not found:
        raise DataError(f"{alone[0].name}: is the only frame of its clip; motion needs at least two. {LAYOUTS}")
    unopened = (*manifest.unopened, *(Unopened(record.name, _why_alone(record)) for record in alone))
    notes = (*manifest.notes, *_note_on_gaps(gaps))
    records = tuple(found[index] for index in sorted(found))
    manifest = replace(manifest, records=records, notes=notes, unopened=unopened)
    return manifest if layout == "unlabelled" else _divided(manifest)


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


def _sources(records: Sequence[Record]) -> Sequence[Path | int]:
    """All frames of the clip that such records belong to, in order."""
    first = records[0]
    if first.path is not None and first.group is None:
        return _frames(first.path.parent)
    return [record.source for record in records]


def _unbroken(sources: Sequence[Path | int]) -> list[list[Path | int]]:
    """A clip cut where the numbers of its files leap further than they usually do."""
    numbers = [_number_of(source) for source in sources]
    leaps = [later - earlier for earlier, later in pairwise(numbers) if later is not None and earlier is not None]
    if len(leaps) != len(sources) - 1 or not leaps:
        return [[*sources]]
    usual = median_low(leaps)
    runs: list[list[Path | int]] = [[sources[0]]]
    for leap, source in zip(leaps, sources[1:], strict=True):
        if leap > usual:
            runs.append([])
        runs[-1].append(source)
    return runs


def _number_of(source: Path | int) -> int | None:
    """The last number in a file's name; None for a row, whose place among others says nothing."""
    found = re.findall(r"\d+", source.stem) if isinstance(source, Path) else []
    return int(found[-1]) if found else None


def _note_on_gaps(gaps: Sequence[tuple[Path | int, Path | int]]) -> tuple[str, ...]:
    if not gaps:
        return ()
    before, after = (Path(str(source)) for source in gaps[0])
    where = f"the first in {printable(before.parent.name)} between {printable(before.name)} and {printable(after.name)}"
    return (f"frames are missing in {counted(len(gaps), 'place')}, {where}; no motion is measured across them",)


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
    parts = min(PARTS, len(free))
    for place, index in enumerate(free):
        part = place * parts // len(free) + 1
        records[index] = replace(records[index], group=f"{records[index].group}, part {part}")
    note = (
        f"only one clip to learn from: cut into {parts} parts, which are not independent; "
        "a threshold set on some of them may be too low for another clip"
    )
    return replace(manifest, records=tuple(records), notes=(*manifest.notes, note))


def _frames(folder: Path) -> list[Path]:
    return _in_natural_order(found_beneath(folder, recursive=False).images)


def _in_natural_order(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: natural_order(path.name))


def _natural_path(root: Path) -> Callable[[Path], list[list[tuple[int, str]]]]:
    return lambda path: [natural_order(part) for part in path.relative_to(root).parts]


def _clip(root: Path, folder: Path, options: SourceOptions, masks: Mapping[Path, tuple[Path, ...]]) -> list[Record]:
    beside, frames = _masks_beside(folder), _frames(folder)
    masked = beside is not None or any(path in masks for path in frames)
    words = folder.relative_to(root).parts
    records = []
    for path in frames:
        record = _of_folders(Record(printable(path.relative_to(root)), path=path), words, options)
        own = masks.get(path, ()) if beside is None else beside.get(path.stem.lower(), ())
        if record.label == 0 and own:
            record = replace(record, mask=one_or_all(own))
        elif masked and options.layout != "unlabelled":
            record = _labelled(record, own)
        records.append(record)
    return records


def _of_folders(record: Record, words: Sequence[str], options: SourceOptions) -> Record:
    """A frame with the split and label that the folders of its clip tell of; a test clip is unlabelled so far."""
    split = _split_in(words)
    good = split != "test" or any(map(is_normal, words))
    record = replace(record, split=split)
    if good and options.layout != "unlabelled":
        return record
    return replace(record, kind=UNLABELLED, label=None)


def _split_in(words: Sequence[str]) -> str | None:
    """The split that the folders of a clip tell of."""
    return next((split for word in words if (split := split_named(word))), None)


def _masks_beside(folder: Path) -> dict[str, tuple[Path, ...]] | None:
    """Masks by the stems of their frames, in lower case, from the folder <clip>_gt beside a clip; None without one."""
    for beside in (folder.with_name(f"{folder.name}{ending}") for ending in ("_gt", "_GT", "_mask", "_masks")):
        if beside.is_dir():
            paths = found_beneath(beside, recursive=False).images
            return {(stem_of_picture(path.stem) or path.stem).lower(): (path,) for path in paths}
    return None


def _purposes(records: Sequence[Record]) -> str:
    """Frames by what they are for, such as "200 good to learn from, 180 to test, 20 of them anomalous"."""
    test = sum(record.split == "test" for record in records)
    counts = {
        "good frames to learn from": sum(record.label == 0 and record.split != "test" for record in records),
        "to test": test,
        "anomalous": sum(record.label == 1 for record in records),
        "unlabelled": sum(record.label is None for record in records),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _labelled(record: Record, masks: tuple[Path, ...]) -> Record:
    """Label a frame by its masks: anomalous where one marks any pixel."""
    masked = replace(record, mask=one_or_all(masks)) if masks else record
    if not any(marks_of(mask, f"mask of {record.name}").marks.any() for mask in masks):
        return replace(masked, kind=GOOD, label=0)
    return replace(masked, kind=ANOMALOUS, label=1)
