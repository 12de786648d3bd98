"""Clips as the sets of the world have them: folders and lists of videos, UCSD's masks, gaps, clips of two frames."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from hizumi.data import open_source, split
from hizumi.data.video import read_video
from hizumi.errors import DataError


def frames(folder: Path, numbers: Sequence[int], suffix: str = ".tif", level: int = 50) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(np.full((12, 16), level, np.uint8)).save(folder / f"{number:03}{suffix}")


def video(path: Path, count: int, size: int = 48, noise: int = 0, rate: int = 10) -> None:
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            pixels = np.full((size, size, 3), 20 * number % 100, np.uint8)
            pixels += np.random.default_rng(number).integers(0, noise + 1, pixels.shape, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def test_ucsd(tmp_path: Path) -> None:
    frames(tmp_path / "Train/Train001", range(1, 5))
    frames(tmp_path / "Train/Train002", range(1, 5))
    frames(tmp_path / "Test/Test001", range(1, 4))
    frames(tmp_path / "Test/Test001_gt", [1, 3], ".bmp", 0)
    frames(tmp_path / "Test/Test001_gt", [2], ".bmp", 255)
    frames(tmp_path / "Test/Test002", range(1, 3))
    manifest = open_source(tmp_path, motion=True)
    assert {record.path.parent.name for record in manifest.records} == {"Train001", "Train002", "Test001", "Test002"}
    labels = {record.name: record.label for record in manifest.records if record.split == "test"}
    assert labels == {
        "Test/Test001/001.tif": 0,
        "Test/Test001/002.tif": 1,
        "Test/Test001/003.tif": 0,
        "Test/Test002/001.tif": None,
        "Test/Test002/002.tif": None,
    }
    assert (
        manifest.notes[0] == "understood as 4 clips: 8 good frames to learn from, 5 to test, 1 anomalous, 2 unlabelled"
    )
    assert manifest.unopened == ()
    masks = {record.name: record.mask for record in manifest.records if record.mask is not None}
    assert {name: mask.name for name, mask in masks.items()} == {
        f"Test/Test001/00{number}.tif": f"00{number}.bmp" for number in (1, 2, 3)
    }


def test_frames_on_both_sides_of_a_gap_are_no_neighbours(tmp_path: Path) -> None:
    frames(tmp_path / "a", [1, 2, 3, 9, 10, 14])
    manifest = open_source(tmp_path, motion=True)
    beside = {record.path.stem: Path(record.neighbour.source).stem for record in manifest.records}
    assert beside == {"001": "002", "002": "001", "003": "002", "009": "010", "010": "009"}
    assert [each.name for each in manifest.unopened] == ["a/014.tif"]
    assert "frames are missing in 2 places, the first in a between 003.tif and 009.tif" in manifest.notes[1]
    frames(tmp_path / "c", [1, 2, 3, 5, 6, 7])  # one frame alone is missing
    assert any("in c between 003.tif and 005.tif" in note for note in open_source(tmp_path / "c", motion=True).notes)
    frames(tmp_path / "b", [5, 10, 15, 20])  # every fifth frame has no gap
    assert not any("b between" in note for note in open_source(tmp_path / "b", motion=True).notes)


def test_a_clip_of_two_frames_is_cut_in_two(tmp_path: Path) -> None:
    frames(tmp_path / "a", [1, 2])
    manifest = open_source(tmp_path, motion=True)
    assert len({record.group for record in manifest.records}) == 2
    assert "cut into 2 parts" in manifest.notes[1]
    assert {record.split for record in split(manifest).records} == {"train", "calibration"}


def test_a_frame_alone_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    frames(tmp_path / "a", [1])
    frames(tmp_path / "b", [1, 2])
    manifest = open_source(tmp_path, motion=True)
    assert len(manifest) == 2
    assert [each.name for each in manifest.unopened] == ["a/001.tif"]


def test_folders_of_videos_as_avenue_has_them(tmp_path: Path) -> None:
    video(tmp_path / "training_videos/01.avi", 4)
    video(tmp_path / "training_videos/02.avi", 3, size=32)
    video(tmp_path / "testing_videos/01.avi", 3)
    (tmp_path / "testing_label_mask").mkdir()
    (tmp_path / "testing_label_mask/1_label.mat").touch()
    manifest = open_source(tmp_path, motion=True)
    assert len(manifest) == 10
    assert {(record.group, record.split, record.label) for record in manifest.records} == {
        ("testing_videos/01.avi", "test", None),
        ("training_videos/01.avi", "train", 0),
        ("training_videos/02.avi", "train", 0),
    }
    for index, record in enumerate(manifest.records):
        size = 32 if record.group == "training_videos/02.avi" else 48
        assert manifest.read(index).pixels.shape == (size, size, 3)
        assert manifest.records[record.neighbour.source].group == record.group
    assert [each.name for each in manifest.unopened] == ["testing_label_mask/1_label.mat"]
    with pytest.raises(DataError, match=r"holds no .* but 3 videos: fit with --motion"):
        open_source(tmp_path)


def test_a_list_of_videos(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", 3)
    video(tmp_path / "b.mp4", 2)
    frames(tmp_path / "c", [1, 2])
    manifest = open_source([tmp_path / "a.mp4", str(tmp_path / "b.mp4"), tmp_path / "c"], motion=True)
    groups = [record.group for record in manifest.records]
    assert [groups.count(str(tmp_path / name)) for name in ("a.mp4", "b.mp4", "c")] == [3, 2, 2]
    assert manifest.read(groups.index(str(tmp_path / "b.mp4"))).pixels.shape == (48, 48, 3)


def test_masks_are_of_test_clips_where_training_clips_have_the_same_names(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for clip in ("001", "002"):
            frames(tmp_path / part / clip, range(4))
    marked = np.zeros((12, 16), np.uint8)
    for clip, number, value in (("001", 1, 255), ("001", 2, 0), ("002", 3, 255)):
        folder = tmp_path / "ground_truth" / clip
        folder.mkdir(parents=True, exist_ok=True)
        marked[2:5, 2:5] = value
        Image.fromarray(marked).save(folder / f"{number:03}_mask.png")
    manifest = open_source(tmp_path, motion=True)
    labels = {record.name: record.label for record in manifest.records}
    assert {name for name, label in labels.items() if label == 1} == {"test/001/001.tif", "test/002/003.tif"}
    assert set(labels.values()) == {0, 1}
    assert not manifest.unopened


def test_ground_truth_as_avenue_and_shanghaitech_have_it(tmp_path: Path) -> None:
    for number in range(1, 6):
        video(tmp_path / f"testing_videos/0{number}.avi", 3)
    frames(tmp_path / "testing/frames/01_0014", range(4))
    frames(tmp_path / "testing/frames/01_0015", range(4))
    frames(tmp_path / "training/a", range(4))
    labels = tmp_path / "testing_label_mask"
    labels.mkdir()
    marked = np.zeros((3, 48, 48), np.uint8)
    marked[1, 5:9, 30:40] = 1
    cells = np.empty((1, 3), dtype=object)
    cells[0, :] = list(marked)
    savemat(labels / "1_label.mat", {"volLabel": cells}, do_compression=True)
    savemat(labels / "2_label.mat", {"volLabel": cells[:, :2]})
    savemat(labels / "3_label.mat", {"gt": [1]})
    (labels / "4_label.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    savemat(labels / "77_label.mat", {"volLabel": cells})
    np.save(tmp_path / "testing/01_0014.npy", np.array([0, 1, 1, 0], np.uint8))
    pixels = np.zeros((4, 12, 16), bool)
    pixels[3, 2, 2] = True
    for place in ("test_frame_mask", "test_pixel_mask"):
        (tmp_path / "testing" / place).mkdir()
        np.save(tmp_path / "testing" / place / "01_0015.npy", pixels if "pixel" in place else pixels.any((1, 2)))
    manifest = open_source(tmp_path, motion=True)
    found: dict[str, list[int | None]] = {}
    for index, record in enumerate(manifest.records):
        if record.split == "test":
            found.setdefault(Path(record.group).name, []).append(record.label)
            marks = manifest.read_mask(index)
            truth = {"01.avi": marked, "01_0015": pixels}.get(Path(record.group).name)
            place = len(found[Path(record.group).name]) - 1
            assert (marks is None) if truth is None else (marks == truth[place]).all()
    unknown = {f"0{number}.avi": [None] * 3 for number in (2, 3, 4, 5)}
    assert found == unknown | {"01.avi": [0, 1, 0], "01_0014": [0, 1, 1, 0], "01_0015": [0, 0, 0, 1]}
    said = {Path(each.name).name: each.reason for each in manifest.unopened}
    assert said.keys() == {"2_label.mat", "3_label.mat", "4_label.mat", "77_label.mat"}
    assert said["2_label.mat"] == "is ground truth of 2 frames, and its clip has 3"
    assert "holds no volLabel" in said["3_label.mat"]
    assert "cannot be read as ground truth" in said["4_label.mat"]
    assert "belongs to no clip" in said["77_label.mat"]
    assert "23 to test, 4 anomalous, 12 unlabelled" in manifest.notes[0]


def test_truth_of_another_size_than_its_frames_labels_them(tmp_path: Path) -> None:
    frames(tmp_path / "train/a", range(4))
    frames(tmp_path / "test/b", range(4))
    np.save(tmp_path / "b.npy", np.arange(4)[:, None, None] * np.ones((4, 6, 8)))
    manifest = open_source(tmp_path, motion=True)
    tested = [record for record in manifest.records if record.split == "test"]
    assert [(record.label, record.mask) for record in tested] == [(0, None), *[(1, None)] * 3]
    assert any("8x6 pixels, its frames 16x12" in note for note in manifest.notes)


def test_truths_of_several_folders_keep_apart(tmp_path: Path) -> None:
    truths = np.random.default_rng(0).random((2, 4, 12, 16)) > 0.9
    for root, truth in zip("xy", truths, strict=True):
        frames(tmp_path / root / "train/a", range(4))
        frames(tmp_path / root / "test/b", range(4))
        np.save(tmp_path / root / "b.npy", truth)
    manifest = open_source([tmp_path / root for root in "xy"], motion=True)
    marks = [manifest.read_mask(index) for index, record in enumerate(manifest.records) if record.split == "test"]
    np.testing.assert_array_equal(marks, truths.reshape(8, 12, 16))


def test_uneven_times_of_a_film_are_said(tmp_path: Path) -> None:
    av = pytest.importorskip("av")

    def write(path: Path, times: Sequence[int]) -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=1000)
            stream.width = stream.height = 32
            stream.pix_fmt = "yuv420p"
            for time in times:
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), format="rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    jitter = [0, 33, 67, 100, 133, 167, 200]  # as times of 30 frames a second are rounded
    assert read_video(write(tmp_path / "even.mkv", jitter)).note is None
    uneven = read_video(write(tmp_path / "gap.mkv", [0, 40, 80, 120, 1120, 1160, 1200])).note
    assert "mostly 0.04 s apart, 1 s after frame 3, 1 times otherwise" in uneven
    notes = open_source([write(tmp_path / name, [0, 40, 80, 300]) for name in ("b.mkv", "c.mkv")], motion=True).notes
    assert "unevenly spaced" in notes[0]
    assert notes[0].endswith("likewise of 1 other clip")


def test_films_of_several_frame_rates_are_said(tmp_path: Path) -> None:
    for name, rate in (("a", 30), ("b", 10), ("c", 29)):
        video(tmp_path / f"{name}.mp4", 4, rate=rate)
    manifest = open_source(tmp_path, motion=True)
    assert {record.group: record.frame_seconds for record in manifest.records} == pytest.approx(
        {"a.mp4": 1 / 30, "b.mp4": 1 / 10, "c.mp4": 1 / 29}, rel=1e-3
    )
    [note] = [note for note in manifest.notes if "frame rate" in note]
    assert note.startswith("a.mp4 has 30 frames a second and b.mp4 has 10 frames a second: ")
    alike = open_source([tmp_path / "a.mp4", tmp_path / "c.mp4"], motion=True)
    assert not any("frame rate" in note for note in alike.notes)


@pytest.mark.parametrize(("suffix", "left"), [(".avi", 0.4), (".mkv", 0.75)])
def test_what_is_missing_of_a_film_is_named(suffix: str, left: float, tmp_path: Path) -> None:
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    video(whole, 60, noise=40)
    content = whole.read_bytes()
    kept = int(len(content) * left)
    # At the end of an AVI file lies where all frames are, without which it is no film; in it they are overwritten.
    cut.write_bytes(content[:kept] + (bytes(len(content) // 2) + content[kept + len(content) // 2 :]) * (left < 0.5))
    assert read_video(whole).missing is None
    manifest = open_source(cut, motion=True)
    assert 2 <= len(manifest) < 57
    (unopened,) = manifest.unopened
    assert (unopened.name, unopened.may_be_part) == ("cut", True)
    assert unopened.reason.startswith("is cut short or damaged: ")


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_frames_that_the_decoder_guessed_are_named(suffix: str, tmp_path: Path) -> None:
    whole, broken = tmp_path / f"whole{suffix}", tmp_path / f"broken{suffix}"
    video(whole, 40, noise=40)
    content = bytearray(whole.read_bytes())
    for place in range(len(content) // 3, len(content) // 2, 97):
        content[place] ^= 255
    broken.write_bytes(content)
    assert read_video(whole).missing is None
    (unopened,) = open_source(broken, motion=True).unopened
    assert (unopened.name, unopened.may_be_part) == ("broken", True)
    found = re.match(
        r"is damaged: \d+ of its \d+ frames, the first frame (\d+), are what the decoder made", unopened.reason
    )
    assert found
    differ = (read_video(whole).frames != read_video(broken).frames).any(axis=(1, 2, 3))
    assert int(found[1]) == differ.argmax()


def test_a_damaged_film_among_others_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        video(tmp_path / f"{name}.mp4", 4)
    (tmp_path / "c.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:100])
    manifest = open_source(tmp_path, motion=True)
    assert {record.group for record in manifest.records} == {"a.mp4", "b.mp4"}
    assert [each.name for each in manifest.unopened] == ["c.mp4"]
    assert manifest.notes[0].startswith("understood as 2 clips: 8 good frames")
    listed = open_source([tmp_path / name for name in ("a.mp4", "c.mp4", "none.mp4")], motion=True)
    assert [each.reason.split(" (")[0] for each in listed.unopened] == [
        "cannot be read as video",
        "there is no such file",
    ]
    with pytest.raises(DataError, match=r"c.mp4: cannot be read as video"):
        open_source([tmp_path / "c.mp4", tmp_path / "c.mp4"], motion=True)
