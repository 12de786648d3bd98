"""Who trains, who calibrates, who tests: by a seed, with copies and groups kept together."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from hizumi.data.manifest import Manifest, Record
from hizumi.errors import DataError, UsageError


def split(
    manifest: Manifest, *, calibration_share: float | None = 0.2, test_share: float = 0.2, seed: int = 0
) -> Manifest:
    """The same records, each with a split; those that the source has marked keep theirs.

    Normal records without a split are dealt to train and calibration; so are the source's training records where it
    has no calibration split. Anomalous and unlabelled ones go to test, never anywhere else, and where the test split
    would hold no normal record, `test_share` of them go there too. With `calibration_share` None there is no
    calibration split: what would be dealt to it trains. Records of one group, and byte-identical images, stay together.
    Raises DataError when fewer than two different normal images are there to train and to calibrate on.
    """
    for name, share in (("calibration_share", calibration_share), ("test_share", test_share)):
        if share is not None and not 0 < share < 1:
            raise UsageError(f"{name} is {share}; choose a share between 0 and 1")
    records = manifest.records
    if not records:
        raise DataError(f"{manifest.name}: holds no record; there is nothing to split")
    calibrated = any(record.split == "calibration" and record.label == 0 for record in records)
    splits = [_marked(record, calibrated) for record in records]
    units = _units(manifest)
    for unit in units:
        _follow_the_marked(unit, splits)
    units = [free for unit in units if (free := [index for index in unit if splits[index] is None])]
    needs_test = any(record.label == 1 for record in records) and not _has_normal(records, splits, "test")
    shares = {"test": test_share} if needs_test else {}
    if calibration_share is not None and "calibration" not in splits:
        shares["calibration"] = calibration_share
    _refuse_too_few(manifest, splits, units, len(shares) + ("train" not in splits))
    order = np.random.default_rng(seed).permutation(len(units))
    for name, index in _dealt([units[position] for position in order], shares):
        splits[index] = name
    return replace(
        manifest, records=tuple(replace(record, split=name) for record, name in zip(records, splits, strict=True))
    )


def deal_folds(manifest: Manifest, count: int, *, seed: int = 0) -> list[list[int]]:
    """Indices of all records in `count` folds of about equal size, records of one group and copies kept together."""
    if count < 2:
        raise UsageError(f"folds is {count}; it takes two or more, such as 5")
    units = _units(manifest)
    if len(units) < count:
        raise DataError(f"{manifest.name}: {len(units)} different images or groups cannot make {count} folds")
    folds: list[list[int]] = [[] for _ in range(count)]
    for position in np.random.default_rng(seed).permutation(len(units)):
        min(folds, key=len).extend(units[position])
    return folds


def check_disjoint(manifest: Manifest) -> tuple[str, ...]:
    """Make sure that no image is in two splits, by path, by content, or by group.

    Raises DataError naming both images. Equal rows of a table happen by chance: they only give a note.
    """
    seen: dict[str, Record] = {}
    repeated = 0
    for index, record in enumerate(manifest.records):
        for key, what in _identities(manifest, index):
            first = seen.setdefault(key, record)
            if first.split == record.split:
                continue
            if manifest.vectors and what == "the same content":
                repeated += 1
                continue
            raise DataError(
                f"{first.name} ({first.split}) and {record.name} ({record.split}) have {what}; "
                "a detector must not be judged on what it has learned: keep each image in one split"
            )
    return (f"{repeated} rows equal a row of another split",) if repeated else ()


def _identities(manifest: Manifest, index: int) -> Iterable[tuple[str, str]]:
    record = manifest.records[index]
    if record.path is not None:
        yield f"path {record.path.resolve()}", "the same file"
    if record.group is not None:
        yield f"group {record.group}", f"the same group {record.group!r}"
    yield f"content {manifest.content_hash(index)}", "the same content"


def _marked(record: Record, has_calibration: bool) -> str | None:
    """The split a record keeps; None for a normal one that is still to be dealt."""
    if record.label != 0:
        return "test"
    if record.split == "train" and not has_calibration:
        return None
    return record.split


def _has_normal(records: tuple[Record, ...], splits: list[str | None], name: str) -> bool:
    return any(record.label == 0 and split == name for record, split in zip(records, splits, strict=True))


def _units(manifest: Manifest) -> list[list[int]]:
    """Indices of records that must stay together: linked by group or by an image's content, directly or over others."""
    parent = list(range(len(manifest)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first_with: dict[str, int] = {}
    for index, record in enumerate(manifest.records):
        keys = [] if record.group is None else [f"group {record.group}"]
        if not manifest.vectors:
            keys.append(f"content {manifest.content_hash(index)}")
        for key in keys:
            parent[root(index)] = root(first_with.setdefault(key, index))
    units: dict[int, list[int]] = {}
    for index in range(len(manifest)):
        units.setdefault(root(index), []).append(index)
    return list(units.values())


def _follow_the_marked(unit: list[int], splits: list[str | None]) -> None:
    """Records still to be dealt go where the rest of their unit has been sent; test wins, so that nothing leaks."""
    marked = {splits[index] for index in unit} - {None}
    for name in ("test", "calibration", "train"):
        if name in marked:
            for index in unit:
                splits[index] = splits[index] or name
            return


def _dealt(units: list[list[int]], shares: dict[str, float]) -> Iterable[tuple[str, int]]:
    """Deal units out in order, each share filled as far as whole units allow and never left empty; the rest trains."""
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
    images = "rows" if manifest.vectors else "images"
    normal = [index for index, record in enumerate(manifest.records) if record.label == 0]
    if not normal:
        raise DataError(f"{manifest.name}: holds no good {images}; a detector learns from good {images} only")
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
        "one part to learn from and one to set the threshold"
    )
