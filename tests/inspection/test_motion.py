"""Frames of video through the whole line: the same items from files, arrays and bundles; faster ones are found."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.data import open_source
from hizumi.errors import DataError
from hizumi.inspection import Inspector, load, save
from hizumi.preprocessing import DataOptions, Reader
from hizumi.preprocessing.choosing import read

SIZE = 24


def clip(number: int, pace: float = 1.0, count: int = 12) -> np.ndarray:
    """A textured square that crosses the picture at so many pixels a frame, (count, h, w) uint8."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    noise = np.random.default_rng(number)
    frames = []
    for time in range(count):
        x, y = columns - (2 + number % 3 + pace * time) % SIZE, rows - 7
        square = 150 + 60 * np.sin(x) * np.sin(y * 0.9)
        inside = (x >= 0) & (x < 9) & (y >= 0) & (y < 9)
        frames.append(np.where(inside, square, 60) + noise.normal(0, 2, (SIZE, SIZE)))
    return np.stack(frames).astype(np.uint8)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frames")
    clips = {f"train/{number}": clip(number) for number in range(6)}
    for name, video in (clips | {"test/good/a": clip(9), "test/b": clip(8, 3), "ground_truth/b": clip(8)}).items():
        (root / name).mkdir(parents=True)
        for number, pixels in enumerate(video):
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def fitted(frames: Path) -> Inspector:
    return Inspector("mahalanobis", motion=True, false_alarm_rate=0.1, calibration_share=0.3).fit(frames)


def test_the_bundle_sees_the_items_that_were_trained_on(fitted: Inspector, frames: Path, tmp_path: Path) -> None:
    loaded = load(save(fitted, tmp_path / "motion.hizumi"))
    assert loaded.preprocessing_.motion == fitted.preprocessing_.motion
    manifest = open_source(frames / "train/3", motion=True)
    with_motion = type(manifest)(manifest.records, motion=fitted.preprocessing_.motion)
    training = read(with_motion, fitted.preprocessing_, DataOptions()).batch(range(len(manifest)))
    assert training.shape == (12, 4, SIZE, SIZE)
    reader = Reader(loaded.preprocessing_, loaded.detector_.shape)
    for index, piece in enumerate(reader.pieces(manifest, strict=True)):
        np.testing.assert_array_equal(loaded.preprocessing_.to_model(piece.crops)[0], training[index])
    from_files, from_array = loaded.score_samples(frames / "train/3"), loaded.score_samples(clip(3))
    np.testing.assert_array_equal(from_files, from_array)
    np.testing.assert_allclose(loaded.score_samples([frames / "train/3/7.png"]), from_files[7:8], rtol=1e-12)
    assert 0.7 < loaded.preprocessing_.motion.largest < 3.0


def test_what_is_faster_is_found_and_frames_are_shown(fitted: Inspector, frames: Path) -> None:
    scores = [-fitted.score_samples(frames / name) for name in ("test/good/a", "test/b")]
    assert np.median(scores[1]) > np.median(scores[0])
    verdict = fitted.inspect([frames / "test/b/4.png"])[0]
    np.testing.assert_array_equal(verdict.picture[:, :, 0], clip(8, 3)[4])
    np.testing.assert_array_equal(verdict.picture[:, :, 2], clip(8, 3)[4])


def test_clips_stay_together(fitted: Inspector, frames: Path) -> None:
    assert fitted.options_["training_images"] % 12 == 0
    assert fitted.options_["calibration_images"] % 12 == 0
    assert fitted.options_["motion"]["window"] == {"low": 0.0, "high": 255.0, "dtype": "uint8"}


def test_motion_is_on_where_the_detector_asks_for_it() -> None:
    assert Inspector("cross_channel").wants_motion
    assert not Inspector("cross_channel", motion=False).wants_motion
    assert not Inspector("mahalanobis").wants_motion
    assert Inspector("mahalanobis", motion=4.0).wants_motion


def test_a_largest_displacement_of_ones_own(frames: Path) -> None:
    fitted = Inspector("mahalanobis", motion=4.0).fit(frames)
    assert fitted.preprocessing_.motion.largest == 4.0


def test_a_scene_in_which_nothing_moves_is_refused() -> None:
    lights = np.linspace(1, 2, 30)[:, None, None]  # of the same picture in another light
    with pytest.raises(DataError, match="nothing moves in its training frames"):
        Inspector("mahalanobis", motion=True).fit((np.full((30, SIZE, SIZE), 100) * lights).astype(np.uint8))


@pytest.mark.slow
def test_through_the_command_line(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hizumi.cli import main

    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code or 0

    bundle = tmp_path / "clips.hizumi"
    assert run("fit", frames, "-d", "mahalanobis", "--motion", "--false-alarm-rate", 0.1, "-o", bundle) == 0
    assert run("inspect", bundle, frames / "test/b") == 0
    assert "of 12 anomalous" in capsys.readouterr().out
    assert run("evaluate", bundle, frames, "-o", tmp_path / "report") == 0
    result = json.loads((tmp_path / "report/result.json").read_text())
    assert result["anomalous_count"] == 12
    assert result["image_auroc"] > 0.8
