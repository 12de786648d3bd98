"""Ground truth of whole clips, a file for each: Avenue's volLabel in .mat, ShanghaiTech's arrays in .npy files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hizumi.data.labels import ANOMALOUS
from hizumi.data.manifest import GOOD, Manifest, Record, Unopened
from hizumi.data.masks import stem_of_picture
from hizumi.errors import DataError, ShortageError, is_shortage
from hizumi.shapes import Shaped
from hizumi.storage.files import open_regular, printable
from hizumi.storage.npy import read_npy

SUFFIXES = (".mat", ".npy")
CELLS = "volLabel"  # of Avenue: a cell for each frame, not zero where it is anomalous
LARGEST_COMPRESSED = 4 * 2**20  # bytes; .mat files may unfold to a thousand times their size
MISSING = "belongs to no clip to test by its name, or to several: 1_label.mat is read for clip 01"


def with_clip_truth(manifest: Manifest, root: Path) -> Manifest:
    """Frames labelled, and masked where the files mark pixels, by files of ground truth that were not opened so far.

    A file belongs to the one unlabelled test clip of its name, without an ending such as _label, or of its number.
    Files that cannot be used are named with the reason.
    """
    files = [each for each in manifest.unopened if Path(each.name).suffix.lower() in SUFFIXES]
    clips = _unlabelled_clips(manifest)
    if not files or not clips:
        return manifest
    truths, reasons = _truths(root, files, clips)
    records, masks, notes = list(manifest.records), [np.empty(0, dtype=object)], []
    for clip, truth in truths.items():
        size, first = manifest.read_still(clips[clip][0]).pixels.shape[:2], sum(map(len, masks))
        fits = truth.shape[1:] == size
        for place, index in enumerate(clips[clip]):
            records[index] = _labelled(records[index], bool(truth[place].any()), first + place if fits else None)
        if fits:
            masks.append(_in_one(truth))
        elif truth.ndim == 3:
            notes.append(
                f"ground truth of {clip} is {truth.shape[2]}x{truth.shape[1]} pixels, its frames {size[1]}x{size[0]}: "
                "it says which frames are anomalous, and is left out of pixel metrics"
            )
    return replace(
        manifest,
        records=tuple(records),
        masks=np.concatenate(masks) if len(masks) > 1 else manifest.masks,
        notes=(*manifest.notes, *notes),
        unopened=tuple(each for each in manifest.unopened if each not in files) + reasons,
    )


def _truths(
    root: Path, files: Sequence[Unopened], clips: Mapping[str, Sequence[int]]
) -> tuple[Mapping[str, np.ndarray], tuple[Unopened, ...]]:
    """The ground truth of each clip, and the files that give none; of several files, masks are taken before labels."""
    truths: dict[str, np.ndarray] = {}
    unused = []
    for file in files:
        path = root / file.name
        likely = [clip for clip in clips if path.is_file() and _belongs(path.stem, Path(clip).stem)]
        try:
            if len(likely) != 1:
                raise DataError(MISSING)
            truth = _truth_of(path, len(clips[likely[0]]))
        except DataError as error:
            unused.append(Unopened(file.name, str(error), may_be_part=False))
            continue
        if likely[0] not in truths or truths[likely[0]].ndim < truth.ndim:
            truths[likely[0]] = truth
    return truths, tuple(unused)


def _unlabelled_clips(manifest: Manifest) -> Mapping[str, Sequence[int]]:
    """Places of the frames of each test clip without labels, by the path of its folder or file."""
    clips: dict[str, list[int]] = {}
    for index, record in enumerate(manifest.records):
        if record.split == "test" and record.label is None:
            clips.setdefault(record.group or str(Path(record.name).parent), []).append(index)
    return clips


def _belongs(stem: str, clip: str) -> bool:
    own, clip = stem_of_picture(stem) or stem.lower(), clip.lower()
    return own == clip or (own.isdecimal() and clip.isdecimal() and int(own) == int(clip))


def _truth_of(path: Path, frames: int) -> Shaped[np.ndarray, "n ..."]:
    """Marks (n, h, w) or labels (n,) of so many frames; raises DataError with the reason alone where there are none."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            truth = _cells_of(file, size) if path.suffix.lower() == ".mat" else read_npy(file, size)
    except DataError:
        raise
    except Exception as error:  # on damaged files scipy raises a dozen unrelated types
        if is_shortage(error):
            raise ShortageError.of(error, printable(path), "free some, or leave the file out") from error
        reason = printable(error).strip() or type(error).__name__
        raise DataError(f"cannot be read as ground truth ({reason})") from error
    if truth.dtype.kind not in "biuf" or truth.ndim not in (1, 3):
        raise DataError(
            f"has shape {truth.shape} of {truth.dtype}; ground truth is (frames,) or (frames, h, w) numbers"
        )
    if len(truth) != frames:
        raise DataError(f"is ground truth of {len(truth)} frames, and its clip has {frames}")
    return truth


def _cells_of(file: object, size: int) -> Shaped[np.ndarray, "n h w"]:
    from scipy.io import loadmat

    if size > LARGEST_COMPRESSED:
        raise DataError(f"is {size >> 20} MiB large, which no compressed ground truth is; save it as .npy")
    cells = loadmat(file, variable_names=[CELLS]).get(CELLS)
    if cells is None:
        raise DataError(f"holds no {CELLS}, as Avenue's ground truth does; save masks (frames, h, w) as .npy")
    return np.stack([np.asarray(cell) != 0 for cell in np.asarray(cells).reshape(-1)])


def _labelled(record: Record, anomalous: bool, mask: int | None) -> Record:
    return replace(record, kind=ANOMALOUS if anomalous else GOOD, label=int(anomalous), mask=mask)


def _in_one(truth: Shaped[np.ndarray, "n h w"]) -> np.ndarray:
    """An object array of masks, since clips may differ in size."""
    together = np.empty(len(truth), dtype=object)
    together[:] = [mask != 0 for mask in truth]
    return together
