"""Frames with their motion: what flow says of a known displacement, and which frames an item is made of."""

import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.data import Manifest, Motion, Sizing, Store, Window, open_source, split
from hizumi.data.clips import natural_order
from hizumi.data.motion import UNIT_WINDOW, optical_flow
from hizumi.errors import DataError, UsageError
from hizumi.preprocessing import DataOptions, Preprocessing, prepare
from hizumi.preprocessing.choosing import ByPixels

BYTES = Window.of(np.dtype(np.uint8))


def frame(right: float = 0.0, down: float = 0.0, size: int = 48, scale: int = 1) -> np.ndarray:
    """A textured square of 20 pixels on a still, textured ground, moved; `scale` pixels for each."""
    rows, columns = np.mgrid[: size * scale, : size * scale] / scale
    ground = 60 + 20 * np.sin(rows / 2) * np.cos(columns / 3)
    y, x = rows - 14 - down, columns - 14 - right
    square = 160 + 60 * np.sin(x * 0.9) * np.sin(y * 0.8)
    return np.where((x >= 0) & (x < 20) & (y >= 0) & (y < 20), square, ground).astype(np.uint8)[:, :, np.newaxis]


INSIDE, FAR = np.s_[21:28, 21:28], np.s_[40:, 40:]


@pytest.mark.parametrize(("right", "down"), [(2, 0), (0, -1.5), (-3, 1)])
def test_flow_of_a_moving_square(right: float, down: float) -> None:
    before, now, after = frame(-right, -down), frame(), frame(right, down)
    for neighbour, step in ((before, -1), (after, 1)):
        flow = optical_flow(now, neighbour, step)
        assert flow.shape == (48, 48, 2)
        np.testing.assert_allclose(flow[INSIDE].mean((0, 1)), [right, down], atol=0.15)
        np.testing.assert_allclose(flow[FAR], 0, atol=0.15)


def test_flow_of_large_frames_is_in_their_own_pixels() -> None:
    small = optical_flow(frame(scale=3), frame(-2, 1, scale=3), -1, side=48)
    assert small.shape == (144, 144, 2)
    np.testing.assert_allclose(small[70:76, 70:76].mean((0, 1)), [6, -3], atol=0.5)


def test_an_item_is_the_frame_in_its_window_and_the_flow_by_its_own_scale() -> None:
    now, before = frame(), frame(-2)
    manifest = open_source(np.stack([before, now])[..., 0], motion=True)
    one, two = (
        Manifest(manifest.records, manifest.arrays, motion=Motion(BYTES, 1, largest)).read(1).pixels
        for largest in (1.0, 4.0)
    )
    assert one.dtype == np.float32
    np.testing.assert_allclose(one[:, :, :1], now / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(one[:, :, 0], two[:, :, 0])
    np.testing.assert_allclose(one[:, :, 1:], 4 * two[:, :, 1:], rtol=1e-5)
    np.testing.assert_allclose(one[:, :, 3], np.hypot(one[:, :, 1], one[:, :, 2]), rtol=1e-5)
    assert two[INSIDE][..., 1].mean() == pytest.approx(0.5, abs=0.05)
    store = Store.build(Manifest(manifest.records, manifest.arrays, motion=Motion(BYTES, 1, 4.0)), None)
    assert store.shape == (4, 48, 48)
    deep = Manifest(manifest.records, manifest.arrays.astype(np.uint16), motion=Motion(BYTES, 1, 4.0))
    with pytest.raises(DataError, match="row 1: the image is uint16, and the training images were uint8"):
        deep.read(1)


def save_clip(folder: Path, levels: list[int], suffix: str = ".png") -> None:
    folder.mkdir(parents=True)
    for number, level in enumerate(levels, 8):
        Image.fromarray(np.full((12, 16), level, np.uint8)).save(folder / f"frame{number}{suffix}")


def test_clips_of_folders(tmp_path: Path) -> None:
    save_clip(tmp_path / "train/b", [1, 2, 3])
    save_clip(tmp_path / "train/a", [4, 5])
    save_clip(tmp_path / "test/street", [6, 7, 8])
    save_clip(tmp_path / "test/good/quiet", [9, 10])
    save_clip(tmp_path / "test/unknown", [11, 12])
    (tmp_path / "ground_truth/street").mkdir(parents=True)
    for number, level in ((8, 0), (9, 255)):
        Image.fromarray(np.full((12, 16), level, np.uint8)).save(
            tmp_path / f"ground_truth/street/frame{number}_mask.png"
        )
    manifest = open_source(tmp_path, motion=True)
    facts = {record.name: (record.label, record.split) for record in manifest.records}
    assert list(facts.items()) == [
        ("test/good/quiet/frame8.png", (0, "test")),
        ("test/good/quiet/frame9.png", (0, "test")),
        ("test/street/frame8.png", (0, "test")),
        ("test/street/frame9.png", (1, "test")),
        ("test/street/frame10.png", (0, "test")),
        ("test/unknown/frame8.png", (None, "test")),
        ("test/unknown/frame9.png", (None, "test")),
        ("train/a/frame8.png", (0, "train")),
        ("train/a/frame9.png", (0, "train")),
        ("train/b/frame8.png", (0, "train")),
        ("train/b/frame9.png", (0, "train")),
        ("train/b/frame10.png", (0, "train")),
    ]
    assert manifest.read_mask(3).all()
    for number, record in enumerate(manifest.records):
        assert record.neighbour.source.parent == record.path.parent
        first = record.name.endswith("frame8.png")
        beside = manifest.records[number + 1 if first else number - 1]
        assert record.neighbour == (beside.path, 1 if first else -1)
    dealt = split(manifest, seed=3)
    assert {record.split for record in dealt.records if record.name.startswith("train/a")} != {
        record.split for record in dealt.records if record.name.startswith("train/b")
    }


def test_a_file_has_the_same_neighbour_whoever_else_was_given(tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", [1, 2, 3, 4])
    whole = {record.path: record.neighbour for record in open_source(tmp_path / "clip", motion=True).records}
    some = [tmp_path / "clip/frame11.png", tmp_path / "clip/frame9.png"]
    assert [record.neighbour for record in open_source(some, motion=True).records] == [whole[path] for path in some]
    assert open_source(some[0], motion=True).records[0].neighbour == whole[some[0]]


def test_clip_numbers_of_an_archive(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (7, 12, 16), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x[:4], clip_train=[1, 1, 2, 2], x_test=x[4:], clip_test=[1, 1, 1])
    manifest = open_source(tmp_path / "a.npz", motion=True)
    assert [record.group for record in manifest.records] == ["train clip 1"] * 2 + ["train clip 2"] * 2 + [
        "test clip 1"
    ] * 3
    assert [record.neighbour for record in manifest.records] == [
        *((1, 1), (0, -1), (3, 1), (2, -1)),
        *((5, 1), (4, -1), (5, -1)),
    ]
    assert len({manifest.content_hash(index) for index in range(7)}) == 7


def test_a_single_clip_is_cut_into_parts_of_neighbouring_frames() -> None:
    manifest = open_source(np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8), motion=True)
    groups = [record.group for record in manifest.records]
    assert len(set(groups)) == 10
    assert sum(one != other for one, other in pairwise(groups)) == 9
    assert "only one clip" in manifest.notes[0]
    assert {record.split for record in split(manifest).records} == {"train", "calibration"}


def test_a_single_clip_to_be_judged_is_left_whole(tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", [1, 2, 3])
    files = sorted(tmp_path.rglob("*.png"))
    assert "only one clip" in open_source(files, motion=True).notes[0]
    judged = open_source(files, motion=True, layout="unlabelled")
    assert judged.notes == ()
    assert len({record.group for record in judged.records}) == 1


def test_natural_order() -> None:
    assert sorted(["f10", "f9", "F2b", "f2a"], key=natural_order) == ["f2a", "F2b", "f9", "f10"]


def test_what_holds_no_clips_is_refused(tmp_path: Path) -> None:
    save_clip(tmp_path / "one", [1])
    with pytest.raises(DataError, match="is the only frame of its clip"):
        open_source(tmp_path, motion=True)
    with pytest.raises(DataError, match="does not say which frames belong to one clip"):
        open_source("digits", motion=True)
    with pytest.raises(DataError, match="motion needs frames of video"):
        open_source(np.zeros((4, 3)), motion=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no frames"):
        open_source(tmp_path / "empty", motion=True)


def test_a_damaged_neighbour_is_told_by_the_frame_that_needs_it(tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", [1, 2, 3, 4, 5])
    (tmp_path / "clip/frame9.png").write_bytes(b"broken")
    manifest = open_source(tmp_path, motion=True)
    moving = Manifest(manifest.records, motion=Motion(BYTES, 1, 1.0))
    store = Store.build(moving, Sizing(12, 16), window=UNIT_WINDOW)
    assert store.kept == (3, 4)
    assert [failure.name[-10:] for failure in store.failures] == ["frame8.png", "frame9.png", "rame10.png"]
    assert store.failures[0].reason.startswith("the frame after it: is not an image")
    assert store.failures[2].reason.startswith("the frame before it: is not an image")


def test_video_file(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "square.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 48
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for number in range(5):
            pixels = np.repeat(frame(2 * number), 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    manifest = open_source(path)
    assert len(manifest) == 5
    assert [record.neighbour for record in manifest.records] == [(1, 1), (0, -1), (1, -1), (2, -1), (3, -1)]
    shown = manifest.read(3).pixels.astype(float)
    assert shown.shape == (48, 48, 3)
    assert np.abs(shown - frame(6)).mean() < 12
    flow = Manifest(manifest.records, manifest.arrays, motion=Motion(BYTES, 3, 1.0)).read(2).pixels[:, :, 3:]
    np.testing.assert_allclose(flow[21:28, 25:32].mean((0, 1)), [2, 0, 2], atol=0.4)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="cannot be read as video"):
        open_source(tmp_path / "broken.mp4")


def test_films_of_another_rate_than_those_learned_from() -> None:
    learned = Motion(BYTES, 1, 1.0, frame_seconds=1 / 25)
    assert Motion.from_dict(asdict(learned)) == learned
    earlier = {name: value for name, value in asdict(learned).items() if name != "frame_seconds"}
    assert Motion.from_dict(earlier).differences([1 / 50]) == ()  # nothing is known of what it learned from
    for other in ([], [None, None], [1 / 25] * 3, [1 / 27, 1 / 23], [1 / 25, 1 / 25, 1 / 50]):
        assert learned.differences(other) == (), other
    assert learned.differences([1 / 50, None, 1 / 50]) == ("of another frame rate (50 frames a second, not 25)",)
    assert learned.differences([1 / 12.5]) == ("of another frame rate (12.5 frames a second, not 25)",)


def test_the_rate_of_films_learned_from_is_kept_and_new_films_are_held_against_it() -> None:
    clip = np.stack([frame(right) for right in range(0, 12, 2)])
    records = open_source(clip, motion=True).records
    slow, fast = (
        Manifest(tuple(replace(record, frame_seconds=seconds) for record in records), clip) for seconds in (0.1, 0.05)
    )
    preprocessing, _ = prepare(slow, DataOptions(motion=True), ByPixels(48))
    kept = Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict())))
    assert kept.motion.frame_seconds == 0.1
    assert kept.differences(slow) == ()
    assert kept.differences(fast) == ("of another frame rate (20 frames a second, not 10)",)


def test_video_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"video")
    with pytest.raises(UsageError, match=r"pip install 'hizumi\[video\]'"):
        open_source(tmp_path / "a.mp4")
