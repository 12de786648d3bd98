"""Find the masks that belong to images, by the usual names of their folders and files, and check them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hizumi.data.decoding import decode
from hizumi.data.manifest import UNLABELLED, Manifest, Record
from hizumi.data.mask_pixels import LOSSY_SUFFIXES, marks_of
from hizumi.errors import DataError
from hizumi.shapes import Bool
from hizumi.storage.files import printable
from hizumi.words import counted

FOLDER_WORDS = frozenset(
    {
        *("groundtruth", "gt", "gts", "mask", "masks", "label", "labels", "anno", "annos", "annotation", "annotations"),
        *("segmentation", "segmentations", "gtmask", "gtmasks", "masklabel", "annotationmask"),
    }
)
MARK = r"(?:ground[_ -]?truth|gt|masks?|labels?|anno(?:tation)?s?|seg(?:mentation)?)"
MASK_NAME = re.compile(rf"(?:(?P<before>.+?)[_\-. ]{MARK}(?:[_\-. ]?\d+)?|{MARK}[_\-. ](?P<after>.+))", re.IGNORECASE)
OF_OTHERS = re.compile(r"(?!(?:.*[_\-. ])?(?:without|no)[_\-. ]).*[_\-. ](?:gt|masks?)", re.IGNORECASE)
NAMED_AT_MOST = 3
NAMED_PARTS = 3  # of the path of a mask


@dataclass(frozen=True)
class Pairing:
    """Masks by the image that they belong to, and those that belong to none, or to more than one."""

    masks: Mapping[Path, tuple[Path, ...]]
    unmatched: tuple[Path, ...]


def is_mask_folder(name: str) -> bool:
    """Whether a folder's name means masks: ground_truth, Masks, gt, labels, or as of a clip Test001_gt."""
    return re.sub(r"[_\-. ]", "", name.lower()) in FOLDER_WORDS or bool(OF_OTHERS.fullmatch(name))


def pair(root: Path, images: Iterable[Path], masks: Iterable[Path]) -> Pairing:
    """Masks by image: of its stem, in any case, alone or with an ending such as _mask, in a folder like its own.

    Folders agree where those of the mask, without the ones that mean masks, are among those of the image. A folder of
    the image's stem holds several masks of it. Masks with an ending take precedence over those of the stem alone.
    """
    by_stem = _by_stem(images)
    ranked: dict[Path, dict[int, list[Path]]] = {}
    unmatched = []
    for mask in masks:
        for rank, (folders, stem) in _meanings(root, mask):
            likely = [image for image in by_stem.get(stem, ()) if _agree(folders, _folders(root, image))]
            if len(likely) == 1:
                ranked.setdefault(likely[0], {}).setdefault(rank, []).append(mask)
                break
        else:
            unmatched.append(mask)
    best = {image: tuple(by_rank.pop(min(by_rank))) for image, by_rank in ranked.items()}
    unmatched += [mask for by_rank in ranked.values() for others in by_rank.values() for mask in others]
    return Pairing(best, tuple(unmatched))


def pair_in_turn(root: Path, tiers: Iterable[Iterable[Path]], masks: Iterable[Path]) -> Pairing:
    """As `pair`, with the images of the first tier, then with those of the next what masks are left.

    A mask's own folder may leave several images of one name to choose from, of which some are likelier to have one.
    """
    found: dict[Path, tuple[Path, ...]] = {}
    unmatched = tuple(masks)
    for images in tiers:
        pairing = pair(root, images, unmatched)
        found, unmatched = {**pairing.masks, **found}, pairing.unmatched
    return Pairing(found, unmatched)


def without_masks_beside(files: Sequence[Path]) -> tuple[list[Path], dict[Path, tuple[Path, ...]]]:
    """Images in their order, and the masks that lie beside them in the same folder; see `without_masks`."""
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    images: set[Path] = set()
    masks: dict[Path, tuple[Path, ...]] = {}
    for inner in by_folder.values():
        own, beside = without_masks(inner)
        images.update(own)
        masks |= beside
    return [file for file in files if file in images], masks


def without_masks(files: Sequence[Path]) -> tuple[list[Path], dict[Path, tuple[Path, ...]]]:
    """Images of one folder, and the masks beside them: 0_mask.png beside 0.png, or 0.png of two levels beside 0.jpg."""
    by_stem = _by_stem(files)
    masks: dict[Path, list[Path]] = {}
    named = {file: stem for file in files if (stem := stem_of_picture(file.stem)) in by_stem}
    for same in by_stem.values():
        unnamed = [file for file in same if file not in named]
        candidates = [file for file in unnamed if file.suffix.lower() not in LOSSY_SUFFIXES]
        drawn = [file for file in candidates if _is_drawn(file)] if len(unnamed) > 1 else []
        images = [file for file in unnamed if file not in drawn]
        if len(images) == 1 and drawn:
            masks[images[0]] = drawn
    of_others = {mask for drawn in masks.values() for mask in drawn} | named.keys()
    images = [file for file in files if file not in of_others]
    for image in images:
        if beside := [file for file, stem in named.items() if stem == image.stem.lower()]:
            masks[image] = beside
    return images, {image: tuple(found) for image, found in masks.items()}


def without_contradictions(manifest: Manifest) -> Manifest:
    """The manifest without the labels of good records whose mask marks a defect, each of them named in a note."""
    records, named = list(manifest.records), []
    for index, record in enumerate(manifest.records):
        if record.label == 0 and (mask := _marking(manifest, record)) is not None:
            records[index] = replace(record, kind=UNLABELLED, label=None, mask=None)
            named.append(f"{record.name}{mask}")
    if not named:
        return manifest
    note = (
        f"called good, but with a mask that marks a defect: {counted(len(named), manifest.noun)}, neither learned from "
        f"nor measured; correct label or mask of {_first_few(named, ', ')}"
    )
    return replace(manifest, records=tuple(records), notes=(*manifest.notes, note))


def _marking(manifest: Manifest, record: Record) -> str | None:
    """Which mask of a record marks anything, in words; None where none does, or none can be read."""
    if isinstance(record.mask, int):
        assert manifest.masks is not None, "a record points into masks that the manifest lacks"
        return "" if manifest.masks[record.mask].any() else None
    for path in record.mask_files:
        with suppress(DataError):  # named where masks are used
            if marks_of(path).marks.any():
                return f" ({printable(Path(*path.parts[-NAMED_PARTS:]))})"
    return None


def check_masks(manifest: Manifest) -> None:
    """Raise DataError for the first mask that cannot be used, before work that takes much longer."""
    for index in range(len(manifest)):
        manifest.read_mask(index)


@dataclass(eq=False)
class MaskReader:
    """The masks of a manifest, read one by one; `notes` say how, and name those that cannot be used.

    A mask that marks nothing of an anomalous image is not used either.
    """

    manifest: Manifest
    _refused: list[str] = field(default_factory=list, init=False)
    _empty: list[str] = field(default_factory=list, init=False)
    _ways: Counter[str] = field(default_factory=Counter, init=False)

    def read(self, index: int) -> Bool[np.ndarray, "h w"] | None:
        """True where the image is anomalous, at the image's size; None without a mask that can be used."""
        record = self.manifest.records[index]
        try:
            mask = self.manifest.mask_with_notes(index)
        except DataError as error:
            self._refused.append(str(error))
            return None
        if mask is not None and record.label == 1 and not mask.marks.any():
            self._empty.append(record.name)
            return None
        self._ways.update(() if mask is None else mask.notes)
        return None if mask is None else mask.marks

    @property
    def refused(self) -> int:
        """How many of those read cannot be used."""
        return len(self._refused) + len(self._empty)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on those that have been read."""
        noun = self.manifest.noun
        said = [f"{way}: {counted(count, noun)}" for way, count in self._ways.items()]
        if self._refused:
            few = _first_few(self._refused, "; ")
            said.append(f"left out of the pixel metrics for their masks: {counted(len(self._refused), noun)}; {few}")
        if self._empty:
            few = _first_few(self._empty, ", ")
            said.append(f"anomalous, but with a mask that marks nothing: {counted(len(self._empty), noun)} ({few})")
        return tuple(said)


def _by_stem(files: Iterable[Path]) -> dict[str, list[Path]]:
    by_stem: dict[str, list[Path]] = {}
    for file in files:
        by_stem.setdefault(file.stem.lower(), []).append(file)
    return by_stem


def _meanings(root: Path, mask: Path) -> Iterator[tuple[int, tuple[list[str], str]]]:
    """The folders and the stem of the image that a mask may belong to, most explicit first, with their rank."""
    folders = _folders(root, mask)
    if stem := stem_of_picture(mask.stem):
        yield 0, (folders, stem)
    yield 1, (folders, mask.stem.lower())
    if folders:
        yield 2, (folders[:-1], folders[-1])


def stem_of_picture(stem: str) -> str | None:
    """Stem of the image, in lower case, of a file whose name says that it is a mask; None for other names."""
    found = MASK_NAME.fullmatch(stem)
    return None if found is None else (found["before"] or found["after"]).lower()


def _folders(root: Path, file: Path) -> list[str]:
    return [part.lower() for part in file.relative_to(root).parts[:-1] if not is_mask_folder(part)]


def _agree(folders_of_mask: Sequence[str], folders_of_image: Sequence[str]) -> bool:
    """Whether all folders of the mask are among those of the image, in their order."""
    left = iter(folders_of_image)
    return all(folder in left for folder in folders_of_mask)


def _is_drawn(file: Path) -> bool:
    """Whether a file has at most two levels, as a mask has and a photograph has not."""
    try:
        pixels = decode(file).pixels
    except DataError:
        return False
    return len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) <= 2


def one_or_all(masks: tuple[Path, ...]) -> Path | tuple[Path, ...]:
    """A record's mask: a file, or several that are united."""
    return masks[0] if len(masks) == 1 else masks


def notes_on_masks(root: Path, records: Sequence[Record], unmatched: Sequence[Path]) -> list[str]:
    """What users should know of images without a mask, and of masks without an image."""
    notes = []
    anomalous = [record for record in records if record.label == 1]
    without = sum(record.mask is None for record in anomalous)
    if without and (without < len(anomalous) or unmatched):
        notes.append(
            f"without a mask, and left out of pixel metrics: {without} of {counted(len(anomalous), 'anomalous image')}"
        )
    if unmatched:
        names = [printable(mask.relative_to(root)) for mask in sorted(unmatched)]
        notes.append(f"masks that belong to no image, or to several: {len(names)} ({_first_few(names, ', ')})")
    return notes


def _first_few(texts: Sequence[str], separator: str) -> str:
    more = len(texts) - NAMED_AT_MOST
    return separator.join(texts[:NAMED_AT_MOST]) + (f"{separator}and {more} more" if more > 0 else "")
