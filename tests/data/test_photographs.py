"""Crops of one photograph are found by their pixels, and none is judged by what has learned from its neighbours."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from hizumi import Inspector
from hizumi.data import Manifest, Record, deal_folds, open_source, split
from hizumi.data.photographs import Place, located, overlapping, strips
from hizumi.data.splitting import without_fold

SIDE = 32
Corner = tuple[int, int]


def photograph(seed: int, height: int = 96, width: int = 160, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


def crops(whole: np.ndarray, count: int, seed: int = 0) -> tuple[list[np.ndarray], list[Corner]]:
    generator = np.random.default_rng(seed)
    corners = [
        (int(generator.integers(whole.shape[0] - SIDE + 1)), int(generator.integers(whole.shape[1] - SIDE + 1)))
        for _ in range(count)
    ]
    return [whole[top : top + SIDE, left : left + SIDE] for top, left in corners], corners


def all_of(manifest: Manifest) -> dict[int, Place]:
    return located(manifest, range(len(manifest)))


def share_pixels(one: Corner, other: Corner) -> bool:
    return abs(one[0] - other[0]) < SIDE and abs(one[1] - other[1]) < SIDE


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint8", 3), ("uint16", 1), ("float32", 6)])
def test_places_are_those_that_the_crops_were_cut_at(dtype, channels):
    first, at_first = crops(photograph(0, channels=channels), 60)
    second, at_second = crops(photograph(1, channels=channels), 50, seed=1)
    others = [photograph(seed, SIDE, SIDE, channels) for seed in range(2, 10)]
    pictures = np.stack([*first, *others, *second]).astype(dtype) * (np.float32(0.25) if dtype == "float32" else 1)
    found = all_of(open_source(pictures.astype(dtype)))
    for start, corners in ((0, at_first), (len(first) + len(others), at_second)):
        of_one = [found[start + index] for index in range(len(corners))]
        assert len({place.photograph for place in of_one}) == 1
        shifts = {(place.top - top, place.left - left) for place, (top, left) in zip(of_one, corners, strict=True)}
        assert len(shifts) == 1
        assert {place[3:] for place in of_one} == {(SIDE, SIDE)}
    assert len(found) == len(at_first) + len(at_second)


def test_crops_of_several_sizes_in_files(tmp_path):
    whole, corners = photograph(0, 160, 240), [(0, 0, 80, 90), (30, 50, 64, 64), (60, 100, 100, 40), (5, 20, 30, 200)]
    for number, (top, left, height, width) in enumerate(corners):
        Image.fromarray(whole[top : top + height, left : left + width, 0]).save(tmp_path / f"{number}.png")
    (tmp_path / "4.png").write_bytes(b"no picture")
    found = all_of(open_source(tmp_path))
    assert {(place.top - found[0].top, place.left - found[0].left, *place[3:]) for place in found.values()} == {
        *corners
    }


def test_what_looks_alike_and_shares_no_place_is_not_taken_for_crops():
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (60, 48, 48)).astype(np.uint8)
    stamped = noise.copy()
    stamped[:, :16, :] = noise[0, :16]  # a heading that is the same in all
    stripes = np.tile((128 + 60 * np.sin(np.arange(48) * np.pi / 4)).astype(np.uint8), (60, 48, 1))
    static = np.repeat(noise[:1], 60, axis=0)
    for number, top in enumerate(generator.integers(0, 40, 60)):  # something that moves before what stands still
        static[number, top : top + 8, 10:18] = generator.integers(0, 256, (8, 8))
    drawn = np.where(noise > 127, 255, 0).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)[:, :48, :48]
    for pictures in (noise, stamped, static, drawn, np.zeros_like(noise), generator.integers(0, 256, (60, 8, 8))):
        assert all_of(open_source(pictures.astype(np.uint8))) == {}
    one_channel = np.stack([*crops(photograph(0), 60)[0]])
    others = generator.integers(0, 256, (60, SIDE, SIDE, 2)).astype(np.uint8)
    assert all_of(open_source(np.concatenate([others, one_channel], axis=3))) == {}
    moved = [np.roll(stripes[0], shift, axis=1) for shift in range(8)]
    assert all_of(open_source(np.stack(moved))) == {}


@pytest.mark.skipif("HIZUMI_DATA" not in os.environ, reason="HIZUMI_DATA, the folder of published data, is not set")
@pytest.mark.parametrize(
    ("file", "pictures"),
    [("mnist", "x_train"), ("magnetic_tile_128", "x"), ("elpv_96", "x"), ("pneumoniamnist_ad", "x_train")],
)
def test_nothing_is_found_in_published_photographs_of_different_parts(file, pictures):
    with np.load(Path(os.environ["HIZUMI_DATA"]) / f"{file}.npz") as arrays:
        assert all_of(open_source(arrays[pictures][:800])) == {}


def test_only_some_are_read_where_none_of_them_overlap(tmp_path, monkeypatch):
    manifest = open_source(np.random.default_rng(0).integers(0, 256, (500, 24, 24)).astype(np.uint8))
    read: list[int] = []
    plain = Manifest.read_still
    monkeypatch.setattr(Manifest, "read_still", lambda self, index: read.append(index) or plain(self, index))
    split(manifest)
    assert 32 <= len(read) <= 64
    assert len(set(read)) == len(read)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-30, 30), st.integers(-30, 30)), min_size=1, max_size=25),
    st.data(),
)
def test_overlaps_and_strips_by_brute_force(drawn, data):
    places = [None if number == 2 else Place(number, top, left, 7, 9) for number, top, left in drawn]
    some = data.draw(st.sets(st.integers(0, len(places) - 1)))
    pixels = [
        set()
        if place is None
        else {(place.photograph, place.top + y, place.left + x) for y in range(7) for x in range(9)}
        for place in places
    ]
    covered = set().union(*(pixels[index] for index in some))
    assert overlapping(places, some).tolist() == [bool(of & covered) for of in pixels]
    most = data.draw(st.integers(1, 6))
    runs = strips(places, most)
    assert sorted(index for run in runs for index in run) == [index for index, place in enumerate(places) if place]
    for run in runs:
        assert len({places[index].photograph for index in run}) == 1
        assert len({places[index] for index in run}) <= most


def test_none_that_is_learned_from_overlaps_with_one_that_is_held_out():
    pictures, corners = crops(photograph(0, 160, 240), 100)
    dealt = split(open_source(np.stack(pictures)), seed=3)
    splits = {record.row: record.split for record in dealt.records}
    held_out = [corners[row] for row, of in splits.items() if of == "calibration"]
    learned = [corners[row] for row, of in splits.items() if of == "train"]
    assert len(held_out) == 20
    assert len(learned) >= 40
    assert not any(share_pixels(one, other) for one in learned for other in held_out)
    left_out = set(range(100)) - {*splits}
    assert all(any(share_pixels(corners[row], other) for other in held_out) for row in left_out)
    (note,) = dealt.notes
    assert note.startswith("100 good images show parts of 1 photograph, pixel by pixel, such as row 0, row 1: ")
    assert "not learned from, as they overlap with such: row" in note
    assert note.endswith(f"and {len(left_out) - 3} more")


def test_folds_hold_each_crop_once_and_are_judged_unseen():
    pictures, corners = crops(photograph(0, 160, 240), 90)
    other, _ = crops(photograph(1), 10, seed=1)
    manifest = open_source(np.stack([*pictures, *other]))
    folds = deal_folds(manifest, 5, seed=0)
    assert sorted(index for fold in folds for index in fold) == list(range(100))
    assert max(map(len, folds)) <= 30
    for fold in folds:
        learned = without_fold(manifest, fold).tolist()
        assert len(learned) > 40
        assert not any(
            share_pixels(corners[one], corners[held]) for one in learned if one < 90 for held in fold if held < 90
        )


def test_crops_that_all_overlap_are_learned_from_with_a_warning():
    pictures, _ = crops(photograph(0, SIDE + 10, SIDE + 10), 40)
    manifest = open_source(np.stack(pictures))
    dealt = split(manifest)
    assert len(dealt) == 40
    assert "and overlap too much to judge all of them unseen: expect more false alarms" in dealt.notes[-1]
    assert len(without_fold(manifest, deal_folds(manifest, 4)[0])) == 30


def test_groups_say_more_than_pixels():
    pictures, _ = crops(photograph(0), 20)
    manifest = open_source(np.stack(pictures))
    grouped = replace(manifest, records=tuple(replace(each, group=f"{each.row}") for each in manifest.records))
    assert split(grouped).notes == ()
    assert not any(grouped.places())


def test_what_the_source_holds_out_stays_held_out():
    pictures, corners = crops(photograph(0, 96, 240), 60)
    order = sorted(range(60), key=lambda row: corners[row][1])
    marked = {row: "calibration" if place < 12 else "train" for place, row in enumerate(order)}
    records = tuple(Record(f"row {row}", split=marked[row], row=row) for row in range(60))
    dealt = split(Manifest(records, np.stack(pictures)))
    counts = Counter(record.split for record in dealt.records)
    assert counts["calibration"] == 12
    assert 20 < counts["train"] < 48


def test_nothing_is_learned_from_that_shows_pixels_of_images_to_test():
    pictures, corners = crops(photograph(0, 96, 240), 80)
    kinds = {row: "scratch" if corner[1] > 180 else "good" for row, corner in enumerate(corners)}
    tested = [row for row, kind in kinds.items() if kind == "scratch"]
    records = tuple(
        Record(f"row {row}", kind, int(row in tested), "test" if row in tested else "train", row=row)
        for row, kind in kinds.items()
    )
    records = (*records, Record("another", split="test", row=80))  # so that no other good one is tested
    arrays = np.stack([*pictures, photograph(1, SIDE, SIDE)])
    dealt = split(Manifest(records, arrays), calibration_share=None)
    learned = {record.row for record in dealt.records if record.split == "train"}
    beside = {row for row in kinds if any(share_pixels(corners[row], corners[other]) for other in tested)} - {*tested}
    assert beside
    assert learned == {*kinds} - {*tested} - beside
    assert dealt.notes[-1].startswith("good images that show pixels of images to test, and are not learned from: row")


def test_what_all_overlaps_with_images_to_test_is_learned_from_with_a_warning():
    pictures, _ = crops(photograph(0, SIDE + 10, SIDE + 10), 30)
    tested = range(5)
    records = tuple(
        Record(f"row {row}", "scratch" if row in tested else "good", int(row in tested), None, row=row)
        for row in range(30)
    )
    records = (*records, Record("another", split="test", row=30))
    dealt = split(Manifest(records, np.stack([*pictures, photograph(1, SIDE, SIDE)])), calibration_share=None)
    assert sum(record.split == "train" for record in dealt.records) == 25
    assert dealt.notes[-1].startswith(
        "good images that show pixels of images to test, and make figures on these too good: row 5, "
    )


def test_rates_hold_for_crops_of_other_photographs():
    def texture(seed: int) -> np.ndarray:
        smooth = gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE + 8, 1000)), 3)
        return (128 + 30 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)[:, :, np.newaxis]

    learned, _ = crops(texture(0), 600)
    new, _ = crops(texture(1), 300, seed=1)
    flagged = {}
    for alone in (False, True):  # a crop that is a group by itself is dealt as a photograph of its own
        manifest = open_source(np.stack(learned))
        records = tuple(replace(each, group=f"{each.row}" if alone else None) for each in manifest.records)
        inspector = Inspector("nearest_neighbour", false_alarm_rate=0.05, folds=5)
        inspector.fit(replace(manifest, records=records))
        flagged[alone] = float((inspector.predict(np.stack(new)) == -1).mean())
    assert flagged[False] < 0.1, flagged
    assert flagged[True] > 0.3
