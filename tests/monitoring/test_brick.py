"""Brick from a photograph: the watch is silent over good crops and defects, and raises the alarm when the lamp dims."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import hizumi.runtime
from hizumi.data import Manifest, open_source
from hizumi.data.appearance import MEASURES, Look, look_of
from hizumi.export import export
from hizumi.inspection import Inspector, load, save
from hizumi.monitoring import Baseline, DriftAlarm, DriftWatch, WatchSettings
from tests.monitoring.streams import START

DIMMED = 0.85  # of the light is left
CROPS = 120  # good ones, and as many with a drawn defect


class Judged(NamedTuple):
    """Scores, p-values and looks of some crops."""

    scores: np.ndarray
    p_values: np.ndarray
    looks: list[Look]


def split(manifest: Manifest, name: str, kind: str | None = None) -> Manifest:
    """The records of a split that are good, or, with a kind of "defect", that are not."""
    wanted = [each for each in manifest.records if each.split == name and (each.kind == "good") == (kind is None)]
    return replace(manifest, records=tuple(wanted))


def judged(inspector: Inspector, pixels: np.ndarray) -> Judged:
    scores = np.array([verdict.score for verdict in inspector.inspect(pixels).verdicts])
    window = inspector.preprocessing_.still_window
    assert window is not None
    looks = [look_of(each, window, 0) for each in pixels]
    return Judged(scores, inspector.calibration_.p_values(scores), looks)


class Replay:
    """Crops drawn at random before a watch that learns its baseline here, as the station's first pictures come."""

    def __init__(self, stream: dict[str, Judged], seed: int) -> None:
        self.stream = stream
        self.generator = np.random.default_rng(seed)
        self.watch = DriftWatch(Baseline(), WatchSettings(seed=seed))

    def run(self, pictures: int, light: str, defects: float = 0.0) -> list[tuple[int, DriftAlarm]]:
        """Alarms, each with the number of the picture, counted from 1, that raised it."""
        found = []
        for number in range(1, pictures + 1):
            kind = "defect" if self.generator.random() < defects else "good"
            scores, p_values, looks = self.stream[f"{kind} {light}"]
            place = self.generator.integers(len(scores))
            at = START + timedelta(seconds=10 * self.watch.pictures)
            alarms = self.watch.observe(at, float(scores[place]), float(p_values[place]), looks[place]).raised
            found += [(number, alarm) for alarm in alarms]
        return found


@pytest.fixture(scope="module")
def fitted() -> Inspector:
    brick = open_source("brick")
    chosen = (*split(brick, "train").records[:300], *split(brick, "calibration").records[:100])
    return Inspector("pca").fit(replace(brick, records=chosen))


@pytest.fixture(scope="module")
def stream(fitted: Inspector) -> dict[str, Judged]:
    brick = open_source("brick")
    found = {}
    for name, records in (("good", split(brick, "test")), ("defect", split(brick, "test", "defect"))):
        pixels = np.stack([records.read_still(index).pixels for index in range(CROPS)])
        found[f"{name} bright"] = judged(fitted, pixels)
        found[f"{name} dim"] = judged(fitted, (DIMMED * pixels).round().astype(np.uint8))
    return found


def test_the_alarm_comes_after_the_lamp_dims_and_not_before(stream: dict[str, Judged]) -> None:
    for seed in range(2):
        replay = Replay(stream, seed)
        assert replay.run(250, "bright") == []
        assert replay.run(150, "bright", defects=0.1) == []
        delay, alarm = replay.run(30, "dim", defects=0.1)[0]
        assert delay <= 12
        assert alarm.code == "brightness_lower"
        assert "level 39% → 33%" in alarm.words or "level 39% → 32%" in alarm.words


@pytest.mark.slow
def test_long_good_streams_are_silent_and_every_dimming_is_found(
    stream: dict[str, Judged], record_property: Callable[[str, object], None]
) -> None:
    false_alarms, delays = 0, []
    for seed in range(8):
        replay = Replay(stream, seed)
        false_alarms += len(replay.run(1100, "bright")) + len(replay.run(500, "bright", defects=0.1))
        delays.append(replay.run(60, "dim", defects=0.1)[0][0])
    record_property("false alarms and delays", (false_alarms, sorted(delays)))
    assert false_alarms <= 2  # 0.24 are stated, and more than 2 come in one of 500 such tests
    assert max(delays) <= 15


@pytest.mark.slow
def test_bundles_hold_what_the_limits_need_exported_or_not(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 3), dtype=np.uint8)
    fitted = Inspector("pca").fit(colour)
    expected = Baseline.of(fitted.calibration_, fitted.preprocessing_.appearance)
    assert set(expected.measures) == set(MEASURES)
    kept = load(save(fitted, tmp_path / "kept.hizumi"))
    assert Baseline.of(kept.calibration_, kept.preprocessing_.appearance) == expected
    exported = hizumi.runtime.load(export(fitted, data=colour, path=tmp_path / "exported.hizumi").path)
    assert Baseline.of(exported.calibration_, exported.preprocessing_.appearance).measures == expected.measures
