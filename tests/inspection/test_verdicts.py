"""Boxes are shown where the verdict is an alarm, whatever the map says elsewhere, and every alarm shows some."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from hizumi.calibration import Calibration
from hizumi.detectors import PCA, Detector, NearestFeatures
from hizumi.inspection import Inspector
from hizumi.inspection.scoring import Scored
from hizumi.inspection.verdicts import verdict_on

GOOD = np.arange(1.0, 101.0)
CALIBRATION = Calibration.fit(GOOD, false_alarm_rate=0.05, pixel_maxima=GOOD / 10)


def scored(score: float, peak: float) -> Scored:
    heat = np.zeros((8, 8), np.float32)
    heat[2:4, 5] = peak
    return Scored(0, "a.png", score, {}, heat, None, None)


def test_a_bright_map_of_a_part_that_passes_has_no_boxes() -> None:
    bright = verdict_on(scored(50.0, 1000.0), CALIBRATION)
    assert CALIBRATION.pixel_threshold is not None
    assert bright.map is not None
    assert bright.map.max() > CALIBRATION.pixel_threshold.value
    assert not bright.anomalous
    assert bright.boxes == ()
    (box,) = verdict_on(scored(150.0, 1000.0), CALIBRATION).boxes
    assert (box.left, box.top, box.width, box.height) == (5, 2, 1, 2)


def test_an_alarm_whose_map_stays_below_its_threshold_shows_the_highest_place() -> None:
    dark = verdict_on(scored(150.0, 0.1), CALIBRATION)
    assert dark.anomalous
    (box,) = dark.boxes
    assert (box.left, box.top, box.width, box.height) == (5, 2, 1, 2)


@pytest.mark.parametrize("sizing", ["resize", "tile"])
@pytest.mark.parametrize("detector", [NearestFeatures(levels=(2, 3), input_size=None, memory=50), PCA()])
def test_every_alarm_shows_where(detector: Detector, sizing: Literal["resize", "tile"]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 48, 64), dtype=np.uint8)
    inspector = Inspector(detector, sizing=sizing, image_size=32, calibration_share=0.5).fit(images)
    limit = inspector.calibration_.pixel_threshold
    assert limit is not None
    inspector.calibrate(threshold=-1e6)  # so that all are alarms
    below = 0
    for verdict in inspector.inspect(images):
        assert verdict.anomalous
        assert verdict.map is not None
        first = verdict.boxes[0]
        row, column = np.unravel_index(verdict.map.argmax(), verdict.map.shape)
        assert first.peak == verdict.map.max()
        assert first.left <= column < first.left + first.width
        assert first.top <= row < first.top + first.height
        if verdict.map.max() <= limit.value:
            assert len(verdict.boxes) == 1
            below += 1
    assert below > 6  # the limit is the highest of half of the images


@pytest.mark.parametrize("labels", [np.arange(6) % 3, np.array(list("abcabc"))])
def test_which_of_several_classes_is_normal_is_no_matter_where_images_are_judged(
    labels: np.ndarray, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (26, 8, 8), dtype=np.uint8)
    inspector = Inspector(PCA()).fit(images[:20])
    np.savez(tmp_path / "new.npz", x=images[20:], y=labels)
    expected = [verdict.score for verdict in inspector.inspect(images[20:])]
    assert [verdict.score for verdict in inspector.inspect(tmp_path / "new.npz")] == expected
    np.testing.assert_array_equal(inspector.score_samples(tmp_path / "new.npz"), -np.array(expected))
