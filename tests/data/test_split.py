"""Splits: counts, disjointness and togetherness, checked on every record."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hizumi import Inspector
from hizumi.data import Manifest, Record, check_disjoint, deal_folds, open_source, split
from hizumi.errors import DataError, UsageError


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)


def counts(manifest: Manifest) -> dict[tuple[str | None, int | None], int]:
    return dict(Counter((record.split, record.label) for record in manifest.records))


def labelled(
    labels: list[int | None], splits: list[str | None] | None = None, groups: list[str] | None = None
) -> Manifest:
    records = tuple(
        Record(
            f"row {row}",
            "good" if label == 0 else "bad",
            label,
            splits[row] if splits else None,
            groups[row] if groups else None,
            row=row,
        )
        for row, label in enumerate(labels)
    )
    return Manifest(records, images(len(labels)))


def test_a_flat_source_gives_a_fifth_to_calibration():
    manifest = split(open_source(images(100)))
    assert counts(manifest) == {("train", 0): 80, ("calibration", 0): 20}
    assert manifest.records == split(open_source(images(100))).records
    assert manifest.records != split(open_source(images(100)), seed=1).records
    assert [record.name for record in manifest.records] == [f"row {row}" for row in range(100)]


def test_anomalous_records_are_only_tested_and_normal_ones_beside_them():
    manifest = split(labelled([0] * 50 + [1] * 10 + [None] * 5))
    assert counts(manifest) == {
        ("train", 0): 30,
        ("calibration", 0): 10,
        ("test", 0): 10,
        ("test", 1): 10,
        ("test", None): 5,
    }


def test_good_ones_kept_for_the_test_are_told():
    beside_defects = split(labelled([0] * 40 + [1] * 5))
    kept = counts(beside_defects)["test", 0]
    assert any(note.startswith(f"{kept} good images are kept for the test") for note in beside_defects.notes)
    for others in (labelled([0] * 40), labelled([0] * 40 + [1], ["train"] * 30 + ["test"] * 11)):
        assert not any("kept for the test" in note for note in split(others).notes)


def test_marked_records_stay():
    marks = ["train"] * 10 + ["calibration"] * 4 + ["test"] * 6
    manifest = labelled([0] * 16 + [1] * 4, marks)
    assert [record.split for record in split(manifest).records] == marks


def test_a_training_split_without_calibration_gives_some_of_itself():
    marks = ["train"] * 20 + ["test"] * 6
    manifest = split(labelled([0] * 26, marks), calibration_share=0.25)
    assert counts(manifest) == {("train", 0): 15, ("calibration", 0): 5, ("test", 0): 6}
    assert all(record.split == "test" for record in manifest.records[20:])


def test_anomalous_records_marked_for_training_are_moved_to_the_test():
    manifest = split(labelled([0, 0, 0, 1, 1, 0], ["train", "train", "train", "train", "calibration", "test"]))
    assert [record.split for record in manifest.records[3:]] == ["test"] * 3


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_images_still_calibrate_on_one(count: int):
    for share in (0.01, 0.2, 0.99):
        found = counts(split(open_source(images(count)), calibration_share=share))
        assert found[("calibration", 0)] >= 1
        assert found[("train", 0)] >= 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, None]), st.integers(0, 12)), min_size=12, max_size=60),
    st.integers(0, 5),
)
def test_groups_stay_together_and_nothing_is_lost(rows: list[tuple[int | None, int]], seed: int):
    manifest = labelled([label for label, _ in rows], groups=[f"part {group}" for _, group in rows])
    try:
        done = split(manifest, seed=seed)
    except DataError:
        free = {group for label, group in rows} - {group for label, group in rows if label != 0}
        assert len(free) < 3
        return
    check_disjoint(done)
    for group in range(13):
        assert len({record.split for record in done.records if record.group == f"part {group}"}) <= 1
    for before, after in zip(manifest.records, done.records, strict=True):
        assert after.split in ("train", "calibration", "test")
        assert after == replace(before, split=after.split)
        assert after.label == 0 or after.split == "test"
    assert {"train", "calibration"} <= {record.split for record in done.records}


def test_copies_of_an_image_stay_together():
    pixels = images(30)
    copies = np.concatenate([pixels, pixels[::-1]])
    for seed in range(5):
        done = split(open_source(copies), seed=seed)
        check_disjoint(done)
        assert [record.split for record in done.records[:30]] == [record.split for record in done.records[::-1][:30]]


def test_a_copy_of_a_test_image_does_not_train():
    pixels = images(10)
    records = [*open_source(pixels).records, Record("copy", split="test", row=0)]
    done = split(Manifest(tuple(records), pixels))
    assert done.records[0].split == "test"
    check_disjoint(done)
    assert done.notes == (
        "some good images are copies of images to test, or of their group, and are not learned from: "
        f"{records[0].name} (copy)",
    )
    assert split(done).notes == done.notes


def test_a_copy_of_a_defect_among_the_good_images_is_named():
    pixels = images(20)
    defects = [Record(f"bad {row}", kind="bad", label=1, row=row) for row in range(5)]
    other = Record("bad 5", kind="bad", label=1, row=19, group="g")
    grouped = Record("beside", row=18, group="g")
    good = [record for record in open_source(pixels).records if record.row not in (18, 19)]
    done = split(Manifest((*good, grouped, *defects, other), pixels), calibration_share=None)
    contradictory, moved = done.notes
    assert contradictory == (
        "some good images are copies of images marked as defects, and are not learned from; mark each one way: "
        + ", ".join(f"{good[row].name} (bad {row})" for row in range(3))
        + " and 2 more"
    )
    assert moved.endswith("not learned from: beside (bad 5)")


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [("train", "test", "test"), ("test", "calibration", "test"), ("train", "calibration", "calibration")],
)
def test_what_hangs_together_with_two_splits_joins_the_one_learned_from_least(first: str, second: str, joined: str):
    splits = [first, second, None, *["train"] * 5, *["calibration"] * 5]
    manifest = labelled([0] * 13, splits, ["g"] * 3 + [f"other {row}" for row in range(10)])
    assert split(manifest).records[2].split == joined


def test_too_few_images_are_said_in_words(tmp_path: Path):
    with pytest.raises(DataError, match="only 1 of its good images may be trained on; at least 2 are needed"):
        split(open_source(images(1)))
    with pytest.raises(DataError, match="its 9 good images are copies of 1"):
        split(open_source(np.repeat(images(1), 9, axis=0)))
    with pytest.raises(DataError, match="holds no good images"):
        split(labelled([1, 1]))
    with pytest.raises(DataError, match="holds no record"):
        split(Manifest(()))
    with pytest.raises(DataError, match="at least 3 are needed"):
        split(labelled([0, 0, 1]))
    with pytest.raises(DataError, match="holds no good rows"):
        split(replace(open_source(np.zeros((2, 2))), records=(Record("a", "bad", 1, row=0),)))


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_shares_that_make_no_sense(share: float):
    with pytest.raises(UsageError, match="calibration_share"):
        split(open_source(images(5)), calibration_share=share)


def test_the_same_file_content_or_group_in_two_splits_is_refused_by_name(tmp_path: Path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"same")
    one = Record("a.png", split="train", path=tmp_path / "a.png")
    same_path = Record("again.png", split="test", path=tmp_path / "sub" / ".." / "a.png")
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match=r"a\.png \(train\) and again\.png \(test\) have the same file"):
        check_disjoint(Manifest((one, same_path)))
    same_content = Record("b.png", split="test", path=tmp_path / "b.png")
    with pytest.raises(DataError, match=r"a\.png \(train\) and b\.png \(test\) have the same content"):
        check_disjoint(Manifest((one, same_content)))
    assert check_disjoint(Manifest((one, replace(same_content, split="train")))) == ()
    grouped = labelled([0, 0], ["train", "test"], ["tile 3", "tile 3"])
    with pytest.raises(DataError, match=r"row 0 \(train\) and row 1 \(test\) have the same group 'tile 3'"):
        check_disjoint(grouped)


def test_equal_rows_of_a_table_are_only_noted():
    table = open_source(np.array([[1.0, 2], [1, 2], [3, 4], [1, 2]]))
    marked = replace(
        table,
        records=tuple(
            replace(record, split=mark)
            for record, mark in zip(table.records, ["train", "test", "train", "test"], strict=True)
        ),
    )
    (note,) = check_disjoint(marked)
    assert note.startswith("equal to another row: 2 rows; where they are copies, ")
    of_folds = Inspector("mahalanobis", folds=3).fit(
        np.repeat(np.random.default_rng(0).normal(size=(20, 3)), 2, axis=0)
    )
    assert any("equal to another row: 20 rows; " in note for note in of_folds.notes_)
    parts = tuple(replace(record, group=f"part {place % 2}") for place, record in enumerate(table.records))
    (note,) = check_disjoint(replace(table, records=parts))
    assert note.startswith("equal to another row: 2 rows; "), "of another part than the first"
    assert check_disjoint(replace(table, records=tuple(replace(record, group="part") for record in parts))) == ()


def test_many_rows_are_dealt_quickly():
    import time

    table = open_source(np.random.default_rng(0).random((30_000, 3)))
    started = time.process_time()
    assert Counter(record.split for record in split(table).records) == {"train": 24_000, "calibration": 6_000}
    assert time.process_time() - started < 8


@settings(deadline=None, max_examples=30)
@given(groups=st.lists(st.integers(0, 12), min_size=20, max_size=40), count=st.integers(2, 5), seed=st.integers(0, 9))
def test_folds_hold_every_record_once_and_whole_groups(groups: list[int], count: int, seed: int):
    manifest = labelled([0] * len(groups), groups=[str(group) for group in groups])
    if len(set(groups)) < count:
        return
    folds = deal_folds(manifest, count, seed=seed)
    assert sorted(index for fold in folds for index in fold) == list(range(len(groups)))
    homes = [{groups[index] for index in fold} for fold in folds]
    assert all(homes)
    assert sum(map(len, homes)) == len(set(groups))
    assert max(map(len, folds)) - min(map(len, folds)) <= max(Counter(groups).values())
    assert folds == deal_folds(manifest, count, seed=seed)


def test_folds_that_make_no_sense():
    manifest = labelled([0] * 6, groups=["a", "a", "b", "b", "c", "c"])
    with pytest.raises(UsageError, match="folds is 1; use two or more"):
        deal_folds(manifest, 1)
    with pytest.raises(
        DataError, match=r"3 different images or groups cannot make 4 folds; ask for 3 at most \(--folds\)"
    ):
        deal_folds(manifest, 4)
