"""What folders of images mean: which hold good images, which defects of what kind, and which are for what.

The names of the folders say it, to any depth and in any case. Known layouts are good images in one folder; good/
beside a folder for each kind of defect; train/ and test/ with these in them (MVTec AD, MVTec LOCO, GANomaly's
train/0.normal and test/1.abnormal); and a folder for each class. `--layout` and `--good` say it where names do not.
"""

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from hizumi.data.labels import (
    is_anomalous,
    is_normal,
    is_unknown,
    plain_words,
    split_and_rest,
    split_named,
    with_classes,
)
from hizumi.data.manifest import GOOD, UNLABELLED, Record
from hizumi.data.options import SourceOptions
from hizumi.errors import DataError, UsageError
from hizumi.storage.files import printable
from hizumi.words import counted

ADVICE = (
    "put good images directly in it, or in good/ beside one folder per defect, or in train/good and test/<kind>; "
    "or name the folders of good images with --good (`good`), or say --layout flat (`layout`) where all are good, or "
    "--layout kinds where all are defects"
)
FOLDERS_NAMED = 5


@dataclass(frozen=True)
class Understanding:
    """Records of the images of a folder, the name of its layout, and notes on what could not be told."""

    records: tuple[Record, ...]
    layout: str
    notes: tuple[str, ...] = ()


def understood(root: Path, images: Sequence[Path], options: SourceOptions) -> Understanding:
    """Label images by the folders that they lie in, as the options say or else as the folders' names do.

    Raises DataError where the names say nothing, and UsageError where no folder has a name that was given as good.
    """
    reading = _Names(_good_folders(root, images, options), options.layout)
    if options.layout == "flat":
        return Understanding(tuple(_record(root, path) for path in images), "good images, whatever their folders")
    if options.layout == "unlabelled":
        records = tuple(_unlabelled(_record(root, path)) for path in images)
        return Understanding(records, "images, whatever their folders")
    folders = [reading.parts(root, path) for path in images]
    are_classes = any(folders) and not reading.good and not any(map(reading.tells, folders))
    if are_classes and (options.normal_class == "all" or options.layout == "classes"):
        return _classes(root, images, reading)
    if not any(folders):
        return Understanding(tuple(_record(root, path) for path in images), "a folder of good images")
    splits = {split for split in map(reading.split, folders) if split is not None}
    if not splits and not any(map(reading.tells, folders)) and options.layout != "kinds":
        return _unnamed(root, images, reading)
    records = tuple(_labelled(root, path, reading, splits) for path in images)
    notes = (*_notes_on_unlabelled(records), *_notes_on_others(records, folders, reading))
    return Understanding(records, _name(records, folders, reading), notes)


def names_tell(root: Path, files: Iterable[Path]) -> bool:
    """Whether any folder that these files lie in says good or bad, or what it is for."""
    names = _Names(frozenset(), "auto")
    return any(names.split(parts) or names.tells(parts) for parts in (_folders(root, path) for path in files))


@dataclass(frozen=True)
class _Names:
    """What the names of folders say, `good` being those that the user has named."""

    good: frozenset[str]
    layout: str

    def parts(self, root: Path, path: Path) -> tuple[str, ...]:
        """The names of an image's folders; one that tells of a split and of good or bad at once becomes two."""
        folders = _folders(root, path)
        if self.good or self.layout in ("kinds", "classes"):
            return folders
        return tuple(word for part in folders for word in split_and_rest(part) or (part,))

    def split(self, parts: Sequence[str]) -> str | None:
        """The split that the outermost of such folders names."""
        return next((split_named(part) for part in parts if self.is_split(part)), None)

    def is_split(self, part: str) -> bool:
        """Whether this name tells of a split, and not of a kind."""
        return self.layout not in ("kinds", "classes") and bool(split_named(part)) and part.lower() not in self.good

    def is_good(self, parts: Sequence[str]) -> bool:
        if self.good:
            return any(part.lower() in self.good for part in parts)
        return any(map(is_normal, parts)) and not any(map(is_anomalous, parts))

    def tells(self, parts: Sequence[str]) -> bool:
        """Whether any of these names says good or bad."""
        return self.is_good(parts) or any(is_anomalous(part) for part in parts)

    def kind(self, parts: Sequence[str]) -> str | None:
        """The name that says most: the innermost that is neither a split, a number, a date nor a bare good or bad.

        Of folders in that of a split; what lies above it tells products apart, not kinds.
        """
        below = list(parts)
        while self.split(below) is not None:
            below = below[next(place for place, part in enumerate(below) if self.is_split(part)) + 1 :]
        named = [part for part in below if plain_words(part)]
        telling = [part for part in named if not (is_anomalous(part) or is_normal(part) or _is_number(part))]
        chosen = telling or [part for part in named if is_anomalous(part)] or named
        return printable(chosen[-1]) if chosen else None


def _labelled(root: Path, path: Path, names: _Names, splits: Set[str]) -> Record:
    """The record of an image; where folders name splits, those outside of them are not trained on."""
    parts = names.parts(root, path)
    split, kind = names.split(parts), names.kind(parts)
    record = _record(root, path, split)
    if names.is_good(parts) or (kind is None and split in ("train", "calibration") and not names.good):
        return replace(record, split="test") if split is None and "train" in splits else record
    if kind is None or any(map(is_unknown, parts)) or (splits and split is None and not names.tells(parts)):
        return replace(_unlabelled(record), split=split or ("test" if splits else None))
    return replace(record, kind=kind, label=1, split=split or ("test" if splits else None))


def _classes(root: Path, images: Sequence[Path], names: _Names) -> Understanding:
    folders = [_folders(root, path) for path in images]
    kinds = [_class_name(parts, names) or "" for parts in folders]
    records = [_record(root, path, names.split(parts)) for path, parts in zip(images, folders, strict=True)]
    return Understanding(tuple(with_classes(records, kinds)), f"{len(set(kinds))} classes, all of them normal")


def _class_name(parts: Sequence[str], names: _Names) -> str | None:
    own = [part for part in parts if not names.is_split(part)]
    return printable(own[-1]) if own else None


def _unnamed(root: Path, images: Sequence[Path], names: _Names) -> Understanding:
    """Images in folders whose names say nothing: only those in no such folder are taken to be good."""
    records = [_record(root, path) for path in images]
    inner = {_outermost(root, path) for path in images if names.kind(_folders(root, path)) is not None}
    found = ", ".join(map(printable, sorted(inner)[:FOLDERS_NAMED]))
    loose = [record for record, path in zip(records, images, strict=True) if names.kind(_folders(root, path)) is None]
    if not inner:
        return Understanding(tuple(records), "a folder of good images")
    if not loose:
        raise DataError(f"{printable(root)}: the names of its folders do not say good or bad ({found}); {ADVICE}")
    good = set(loose)
    marked = [record if record in good else _unlabelled(record) for record in records]
    note = (
        f"not learned from: {counted(len(records) - len(loose), 'image')} in folders whose names do not say good or "
        f"bad ({found}); name those that are good with --good (`good`), or say --layout flat (`layout`) where all are"
    )
    return Understanding(tuple(marked), "a folder of good images beside others", (note,))


def _good_folders(root: Path, images: Iterable[Path], options: SourceOptions) -> frozenset[str]:
    """The names of folders of good images that the user has given, in lower case."""
    there = {part.lower(): part for path in images for part in _folders(root, path)}
    good = frozenset(name.strip("/\\").lower() for name in options.good)
    if missing := sorted(good - there.keys()):
        known = ", ".join(printable(name) for name in sorted(there.values())[:20]) or "none"
        raise UsageError(f"{printable(root)}: no folder in it is called {missing[0]!r}; its folders are {known}")
    number = options.normal_class
    if isinstance(number, int) and str(number) not in there and not good:
        known = ", ".join(printable(name) for name in sorted(there.values())[:20]) or "none"
        raise UsageError(f"{printable(root)}: no folder in it is called {number}; its folders are {known}")
    return good or (frozenset({str(number)}) if isinstance(number, int) and str(number) in there else frozenset())


def _name(records: Sequence[Record], folders: Sequence[tuple[str, ...]], names: _Names) -> str:
    if not any(map(names.split, folders)):
        return "good images beside defects" if any(record.label == 0 for record in records) else "defects"
    words = {part.lower() for parts in folders for part in parts}
    if words >= {"train", "test", "good"}:
        return "MVTec LOCO" if any(word.endswith("_anomalies") for word in words) else "MVTec AD"
    if words & {"0.normal", "1.abnormal"}:
        return "GANomaly's folders"
    return "folders for " + ", ".join(sorted({record.split for record in records if record.split is not None}))


def purposes(records: Sequence[Record]) -> str:
    """How many records are for what, such as "209 good to learn from, 83 to test, 63 masks"."""
    learned = [record for record in records if record.label == 0 and record.split in ("train", None)]
    counts = {
        "good to learn from": len(learned),
        "to calibrate with": sum(record.split == "calibration" for record in records),
        "to test": sum(record.split == "test" or (record.split is None and record.label == 1) for record in records),
        "unlabelled": sum(record.label is None and record.split != "test" for record in records),
    }
    found = [f"{count} {what}" for what, count in counts.items() if count]
    for of, is_good in (("", False), (" of good images", True)):
        if masks := sum(record.mask is not None and (record.label == 0) == is_good for record in records):
            found.append(f"{counted(masks, 'mask')}{of}")
    return ", ".join(found) or "nothing to learn from"


def _notes_on_unlabelled(records: Sequence[Record]) -> tuple[str, ...]:
    unlabelled = [record.name for record in records if record.label is None]
    if not unlabelled:
        return ()
    count = counted(len(unlabelled), "image")
    return (f"in no folder that says whether they are good: {count}, such as {unlabelled[0]}",)


def _notes_on_others(records: Sequence[Record], folders: Sequence[tuple[str, ...]], names: _Names) -> tuple[str, ...]:
    """What was decided of good images for which the names of the folders do not decide it."""
    notes = []
    tested = [
        record.name
        for record, parts in zip(records, folders, strict=True)
        if record.label == 0 and record.split == "test" and names.split(parts) is None
    ]
    if tested:
        count = counted(len(tested), "good image")
        notes.append(f"outside of train, and kept for testing: {count}, such as {tested[0]}")
    doubtful = sorted({record.kind for record in records if record.label == 1 and _holds_good_word(record.kind)})
    if doubtful:
        found = ", ".join(doubtful[:FOLDERS_NAMED])
        notes.append(f"counted as defects: the images in {found}; if they are good, say so with --good (`good`)")
    return tuple(notes)


def _holds_good_word(kind: str) -> bool:
    return not is_anomalous(kind) and any(map(is_normal, plain_words(kind).split(" ")))


def _record(root: Path, path: Path, split: str | None = None) -> Record:
    return Record(printable(path.relative_to(root)), GOOD, 0, split, path=path)


def _unlabelled(record: Record) -> Record:
    return replace(record, kind=UNLABELLED, label=None)


def _folders(root: Path, path: Path) -> tuple[str, ...]:
    return path.relative_to(root).parts[:-1]


def _outermost(root: Path, path: Path) -> str:
    return _folders(root, path)[0]


def _is_number(name: str) -> bool:
    return bool(re.fullmatch(r"[\d\W_]+", name))
