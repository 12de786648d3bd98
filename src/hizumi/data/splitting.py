"""Split records by a seed into training, calibration and test, with copies, groups and places kept together."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from hizumi.data.crops import MOST_NAMED, STRIPS, Overlaps, places_to_deal
from hizumi.data.manifest import Manifest, Record
from hizumi.data.photographs import overlapping, strips
from hizumi.data.series.blocks import notes_on_shared_steps, refuse_copies, split_series
from hizumi.errors import DataError, UsageError
from hizumi.shapes import Integer
from hizumi.storage.files import few
from hizumi.words import counted


def split(
    manifest: Manifest, *, calibration_share: float | None = 0.2, test_share: float = 0.2, seed: int = 0
) -> Manifest:
    """Assign a split to every record; normal records keep the split that the source gave them.

    Normal records without a split are divided into train and calibration; so are the source's training records where it
    has no calibration split. Anomalous and unlabelled records go to test, always. If there are anomalous records and no
    normal test records, a `test_share` of the normal ones is tested too. With `calibration_share` None there is no
    calibration split, and its records train. Records of one group, and byte-identical images, stay together, and notes
    say which good ones are not learned from for no other reason. Crops of one photograph are dealt by their place, and
    those are left out that overlap with what is held out; see `located`. Raises DataError when there are fewer
    different normal images than splits to fill. Series: see `split_series`.
    """
    for name, share in (("calibration_share", calibration_share), ("test_share", test_share)):
        if share is not None and not 0 < share < 1:
            raise UsageError(f"{name} is {share}; choose a share between 0 and 1")
    records = manifest.records
    if not records:
        raise DataError(f"{manifest.name}: holds no record; there is nothing to split")
    if manifest.series is not None:
        return split_series(manifest, calibration_share, seed)
    calibrated = any(record.split == "calibration" and record.label == 0 for record in records)
    kept = [_kept_split(record, calibrated) for record in records]
    splits, units = [*kept], _units(manifest, STRIPS)
    for unit in units:
        _join_unit(unit, splits)
    notes = _notes_on_copies(manifest, units, kept, splits)
    units = [free for unit in units if (free := [index for index in unit if splits[index] is None])]
    normal = {split for record, split in zip(records, splits, strict=True) if record.label == 0}
    needs_test = "test" not in normal and any(record.label == 1 for record in records)
    shares = {"test": test_share} if needs_test else {}
    if calibration_share is not None and "calibration" not in splits:
        shares["calibration"] = calibration_share
    _refuse_too_few(manifest, splits, units, len(shares) + ("train" not in splits))
    order = np.random.default_rng(seed).permutation(len(units))
    for name, index in _assigned([units[position] for position in order], shares):
        splits[index] = name
    if needs_test:
        kept_back = sum(record.label == 0 and name == "test" for record, name in zip(records, splits, strict=True))
        notes.append(
            f"{kept_back} good {manifest.noun}s are kept for the test beside the defects, as none is marked for it, "
            "and are not learned from"
        )
    overlaps = Overlaps.of(manifest, splits)
    dealt = tuple(
        replace(record, split=name)
        for record, name, is_left_out in zip(records, splits, overlaps.left_out, strict=True)
        if not is_left_out
    )
    notes += overlaps.notes(manifest, splits)
    return replace(manifest, records=dealt, notes=(*manifest.notes, *notes))


def deal_folds(manifest: Manifest, count: int, *, seed: int = 0) -> list[list[int]]:
    """Indices of all records in `count` folds of about equal size, groups, copies and places kept together."""
    if count < 2:
        raise UsageError(f"folds is {count}; use two or more, such as 5")
    units = _units(manifest, count)
    if len(units) < count:
        fewer = f"; ask for {len(units)} at most (--folds)" if len(units) > 1 else "; give more"
        raise DataError(
            f"{manifest.name}: {len(units)} different {manifest.noun}s or groups cannot make {count} folds{fewer}"
        )
    folds: list[list[int]] = [[] for _ in range(count)]
    for position in np.random.default_rng(seed).permutation(len(units)):
        min(folds, key=len).extend(units[position])
    return folds


def most_folds(manifest: Manifest, count: int) -> int | None:
    """So many folds, or as many as can be dealt of these records; None where none can."""
    most = min(count, len(_units(manifest, count)))
    return most if most > 1 else None


def without_fold(manifest: Manifest, fold: Sequence[int]) -> Integer[np.ndarray, "n"]:
    """Indices of the records that are not in a fold, and do not overlap with any that is."""
    others = np.ones(len(manifest), dtype=bool)
    others[list(fold)] = False
    return np.flatnonzero(others & ~overlapping(places_to_deal(manifest), fold))


def count_different(manifest: Manifest) -> int:
    """How many records there are if groups, and copies of one image, count as one."""
    return len(_units(manifest))


def numbers_of_units(manifest: Manifest) -> list[int]:
    """Of each record a number that those of its group, and copies of its image, have too."""
    numbers = {index: number for number, unit in enumerate(_units(manifest)) for index in unit}
    return [numbers[index] for index in range(len(manifest))]


def units_by_name(manifest: Manifest) -> dict[str, int]:
    """The numbers of units by the names of records; empty for series, whose records are cut up first."""
    if manifest.series is not None:
        return {}
    return dict(zip((record.name for record in manifest.records), numbers_of_units(manifest), strict=True))


def check_disjoint(manifest: Manifest) -> tuple[str, ...]:
    """Check that no image is in two splits, by path, by content, or by group; returns notes.

    Raises DataError naming both images. Equal rows of a table may be so by chance and only give a note, in one split,
    too: folds deal them apart.
    """
    if manifest.series is not None:
        refuse_copies(manifest)
        return notes_on_shared_steps(manifest)
    seen: dict[str, Record] = {}
    repeated = 0
    for index, record in enumerate(manifest.records):
        for key, what in _identities(manifest, index):
            first = seen.setdefault(key, record)
            if manifest.vectors and what == "the same content":
                repeated += first is not record and (record.group is None or record.group != first.group)
                continue
            if first.split == record.split:
                continue
            raise DataError(
                f"{first.name} ({first.split}) and {record.name} ({record.split}) have {what}; "
                f"keep each {manifest.noun} in one split, so that no detector is tested on what it has seen"
            )
    if not repeated:
        return ()
    return (
        f"equal to another row: {counted(repeated, 'row')}; where they are copies, and not equal by chance, more good "
        "rows are flagged than promised: leave copies out, or name what belongs together in a column group",
    )


def _identities(manifest: Manifest, index: int) -> Iterable[tuple[str, str]]:
    record = manifest.records[index]
    if record.path is not None:
        yield f"path {record.path.resolve()}", "the same file"
    if record.group is not None:
        yield f"group {record.group}", f"the same group {record.group!r}"
    yield f"content {manifest.content_hash(index)}", "the same content"


def _kept_split(record: Record, has_calibration: bool) -> str | None:
    """The split that a record keeps; None for a normal record that is still to be assigned."""
    if record.label != 0:
        return "test"
    if record.split == "train" and not has_calibration:
        return None
    return record.split


def _units(manifest: Manifest, parts: int | None = None) -> list[list[int]]:
    """Indices of records that must stay together: linked by group or by image content, directly or through others.

    Content is that of the file, or of its pixels, which one of another format may hold, too. With `parts`, so are crops
    that lie side by side in a photograph, in strips that make so many parts of all records.
    """
    parent = list(range(len(manifest)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    strip_of: dict[int, int] = {}
    places = manifest.places()
    if parts is not None and any(to_deal := places_to_deal(manifest)):
        dealt = strips(to_deal, max(1, count_different(manifest) // parts))
        strip_of = {index: number for number, strip in enumerate(dealt) for index in strip}
    first_with: dict[str, int] = {}
    for index, record in enumerate(manifest.records):
        keys = [] if record.group is None else [f"group {record.group}"]
        if not manifest.vectors:
            keys.append(f"content {manifest.content_hash(index)}")
        if places[index] is not None:
            keys.append(f"place {places[index]}")
        if index in strip_of:
            keys.append(f"strip {strip_of[index]}")
        for key in keys:
            parent[root(index)] = root(first_with.setdefault(key, index))
    units: dict[int, list[int]] = {}
    for index in range(len(manifest)):
        units.setdefault(root(index), []).append(index)
    return list(units.values())


def _join_unit(unit: list[int], splits: list[str | None]) -> None:
    """Assign the free records of a unit to the split of the others; test takes precedence, so that nothing leaks."""
    taken = {splits[index] for index in unit} - {None}
    for name in ("test", "calibration", "train"):
        if name in taken:
            for index in unit:
                splits[index] = splits[index] or name
            return


def _notes_on_copies(
    manifest: Manifest, units: list[list[int]], kept: list[str | None], splits: list[str | None]
) -> list[str]:
    """Names the good records that are in the test for no other reason than what they belong to; that, in brackets."""
    contradictory: list[str] = []
    moved: list[str] = []
    for unit in units:
        tested = [index for index in unit if kept[index] == "test"]
        for index in unit:
            if kept[index] is None and splits[index] == "test":
                twin = _marked_as_defect(manifest, index, tested)
                partner = manifest.records[tested[0] if twin is None else twin].name
                (moved if twin is None else contradictory).append(f"{manifest.records[index].name} ({partner})")
    noun = manifest.noun
    said = {
        f"are copies of {noun}s marked as defects, and are not learned from; mark each one way": contradictory,
        f"are copies of {noun}s to test, or of their group, and are not learned from": moved,
    }
    return [f"some good {noun}s {what}: {few(names, MOST_NAMED)}" for what, names in said.items() if names]


def _marked_as_defect(manifest: Manifest, index: int, others: list[int]) -> int | None:
    """Which of the others is the same image, and marked as a defect."""
    content = manifest.content_hash(index)
    return next((o for o in others if manifest.records[o].label == 1 and manifest.content_hash(o) == content), None)


def _assigned(units: list[list[int]], shares: dict[str, float]) -> Iterable[tuple[str, int]]:
    """Fill each share in order with whole units, as far as they allow and with at least one; the rest trains."""
    count = sum(map(len, units))
    for parts_to_come, (name, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        wanted, taken = max(1, round(share * count)), 0
        left: list[list[int]] = []
        for position, unit in enumerate(units):
            still_there = len(units) - position + len(left)
            if taken + len(unit) <= wanted and still_there > parts_to_come:
                taken += len(unit)
                yield from ((name, index) for index in unit)
            else:
                left.append(unit)
        if not taken:
            smallest = min(range(len(left)), key=lambda position: len(left[position]))
            yield from ((name, index) for index in left.pop(smallest))
        units = left
    yield from (("train", index) for unit in units for index in unit)


def _refuse_too_few(manifest: Manifest, splits: list[str | None], units: list[list[int]], parts: int) -> None:
    images = f"{manifest.noun}s"
    normal = [index for index, record in enumerate(manifest.records) if record.label == 0]
    if not normal:
        kinds = sorted({record.kind for record in manifest.records if record.label == 1})
        named = f"; of {', '.join(kinds[:5])}, say which are good with --good (`good`)" if kinds else ""
        if manifest.table is not None and any(record.label is None for record in manifest.records):
            named = '; where rows without a label are good, say --good "" (`good`)'
        raise DataError(f"{manifest.name}: holds no good {images}; a detector learns from good {images} only{named}")
    if len(units) >= parts:
        return
    free = sum(map(len, units))
    if free > len(units):
        raise DataError(
            f"{manifest.name}: its {free} good {images} are copies of {len(units)} or belong to as few groups; "
            f"{parts} different ones are needed to train, calibrate and test"
        )
    raise DataError(
        f"{manifest.name}: only {free} of its good {images} may be trained on; at least {parts} are needed, "
        f"one part to learn from and one to set the threshold{', and one to test on' if parts > 2 else ''}"
    )
