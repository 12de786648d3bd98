"""Boxes are shown where the verdict is an alarm, whatever the map says elsewhere."""

import numpy as np

from hizumi.calibration import Calibration
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


def test_an_alarm_whose_map_stays_below_its_threshold_has_none_either() -> None:
    dark = verdict_on(scored(150.0, 0.1), CALIBRATION)
    assert dark.anomalous
    assert dark.boxes == ()
