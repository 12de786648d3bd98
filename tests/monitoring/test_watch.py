"""A watch over streams: it keeps its run length, tells drift from defects, and says what has moved."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from hizumi.calibration import Calibration
from hizumi.data.appearance import MEASURES, Appearance
from hizumi.errors import BundleError, DataError, UsageError
from hizumi.monitoring import Baseline, DriftWatch, News, WatchSettings
from tests.monitoring.streams import START, Line, baseline_of, law_of, look_of_values


def line_of(seed: int = 0, scores: int = 300, **settings: float) -> Line:
    generator = np.random.default_rng((1, seed))
    return Line(DriftWatch(baseline_of("gaussian", generator, scores), WatchSettings(**settings)), seed)  # type: ignore[arg-type]


def alarms_of(law: str, baselines: int, pictures: int, run_length: float) -> list[int]:
    """False alarms after each of some baselines, each from 100 pictures and 60 scores, without quiet periods."""
    found = []
    for seed in range(baselines):
        generator = np.random.default_rng((2, seed))
        settings = WatchSettings(run_length=run_length, quiet_minutes=0, seed=seed)
        line = Line(DriftWatch(baseline_of(law, generator, 60), settings), seed)
        values = law_of(law, (pictures, 7), generator)
        scores = law_of("gaussian" if law == "slow" else law, (pictures, 1), generator)
        found.append(sum(len(line.observe(row)) for row in np.hstack([values, scores])))
    return found


def test_the_whole_watch_keeps_its_run_length() -> None:
    found = alarms_of("gaussian", baselines=4, pictures=400, run_length=200)
    assert sum(found) <= 4 * 400 / 200


@pytest.mark.slow
@pytest.mark.parametrize("law", ["gaussian", "student", "exponential", "slow"])
def test_the_whole_watch_keeps_its_run_length_whatever_the_law(law: str) -> None:
    found = alarms_of(law, baselines=10, pictures=1200, run_length=200)
    assert sum(found) <= 10 * 1200 / 200
    assert np.mean(np.array(found) > 1200 / 200) <= 0.2  # of baselines, each with its own luck


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_defects_are_no_drift(share: float) -> None:
    line = line_of()
    assert line.run(400, defects=share) == []


def test_a_dimmed_lamp_is_named_with_its_numbers_and_where_to_look() -> None:
    line = line_of()
    assert line.run(150, defects=0.05) == []
    [(delay, alarm)] = line.run(40, shift=(-7.0, -3.0), defects=0.05)
    assert delay <= 8
    assert alarm.code == "brightness_lower"
    assert {each.measure: each.way for each in alarm.moved}["contrast"] == -1
    now = re.search(r"Pictures have become darker: level 31% → (\d+)%", alarm.words)
    assert now is not None
    assert int(now[1]) in (23, 24, 25)  # seven sigma of 1 % below 31 %
    assert "Look at the lamp" in alarm.words
    assert alarm.since > START + timedelta(seconds=10 * 149)
    json.dumps(alarm.to_dict())


def test_pictures_that_are_a_little_more_unusual_are_a_drift_of_the_score() -> None:
    for seed in range(2):
        line = line_of(seed)
        assert line.run(100) == []
        alarms = line.run(250, score_shift=1.0)
        assert [alarm.code for _, alarm in alarms][:1] == ["score_higher"]
        assert [each.measure for each in alarms[0][1].moved] == ["score"]


def test_a_flickering_lamp_is_unsteady_and_not_brighter() -> None:
    line = line_of()
    line.run(50)
    rows = line.generator.normal(size=(100, 8)) * ([6.0] + 7 * [1.0])
    codes = [alarm.code for row in rows for alarm in line.observe(row)]
    assert codes == ["brightness_unsteady"]
    assert line.watch.alarms[0].words.startswith("Pictures have become less steady: level flickers.")


def test_many_defects_and_another_size_are_alarms_of_their_own() -> None:
    line = line_of()
    line.run(50)
    found = [alarm for _ in range(20) for alarm in line.observe(np.array([0.0] * 7 + [50.0]))]
    assert [alarm.code for alarm in found] == ["many_anomalous"]
    line = line_of()
    found = [alarm for _ in range(20) for alarm in line.observe(line.generator.normal(size=8), height=60)]
    assert [alarm.code for alarm in found] == ["size_changed"]


def test_a_watch_goes_on_after_a_restart_as_if_it_had_not_stopped() -> None:
    line = line_of(quiet_minutes=5)
    line.run(120, shift=(0.0, 0.0, 2.0))
    restarted = Line(DriftWatch.from_dict(json.loads(json.dumps(line.watch.to_dict()))), 0)
    restarted.count = line.count
    assert restarted.watch.to_dict() == line.watch.to_dict()
    for each in (line, restarted):
        each.generator = np.random.default_rng(5)
        assert each.run(150, shift=(0.0, 0.0, 2.0))
    assert restarted.watch.to_dict() == line.watch.to_dict()
    assert restarted.watch.charts() == line.watch.charts()
    with pytest.raises(BundleError, match="start a new one"):
        DriftWatch.from_dict(line.watch.to_dict() | {"rows": [1]})


def test_what_a_bundle_lacks_is_learned_first_and_a_new_normal_is_accepted() -> None:
    line = Line(DriftWatch(Baseline()), 0)
    assert line.run(99, shift=(-9.0,)) == []
    assert line.watch.status.watched == ()
    assert "99 of 100 pictures" in line.watch.status.words
    line.run(1, shift=(-9.0,))
    assert line.watch.status.learned is None
    assert set(line.watch.status.watched) == {*MEASURES, "score"}
    assert line.run(100, shift=(-9.0,)) == []
    [(_, alarm)] = line.run(60)
    assert alarm.code == "brightness_higher"
    # The lamp was changed on purpose: what came since the alarm is normal now.
    change = line.watch.accept("Hanako", "new lamp", START + timedelta(seconds=10 * line.count))
    assert (change.alarm_id, line.watch.changes) == (alarm.id, (change,))
    assert line.watch.alarms[-1].ended_at == change.at, "it is what is normal now"
    assert line.watch.status.learned is not None
    assert line.watch.status.learned > 40
    assert line.run(200) == []
    assert line.watch.baseline.measures["brightness"].centre == pytest.approx(0.31, abs=0.01)
    assert line.run(30, shift=(-9.0,))[0][1].code == "brightness_lower"


def test_a_drift_that_lasts_is_one_alarm_that_is_told_again_until_somebody_has_seen_it() -> None:
    line = line_of(quiet_minutes=30)  # 180 pictures
    line.run(50)
    told = line.run(2880, shift=(-7.0,))  # a shift of eight hours
    (alarm,) = line.watch.alarms
    assert len({each.id for _, each in told}) == 1
    assert [each.reminders for _, each in told] == [*range(16)]
    assert (alarm, alarm.raised_at) == (told[-1][1], told[0][1].raised_at)
    assert all(180 <= later - earlier < 190 for (earlier, _), (later, _) in pairwise(told))
    assert DriftWatch.from_dict(json.loads(json.dumps(line.watch.to_dict()))).alarms == (alarm,)
    line.watch.acknowledge(alarm.id, "Taro", "lamp ordered", line.now)
    assert line.run(1000, shift=(-7.0,)) == [], "it holds, and somebody knows"
    # What nobody has been told of is an alarm of its own, however long the first one holds.
    [(delay, other), *again] = line.run(400, shift=(-7.0, 0.0, 5.0))
    assert (delay <= 10, other.id != alarm.id) == (True, True)
    assert "sharpness" in other.told_of
    assert {each.id for _, each in again} == {other.id}
    assert line.watch.alarms[0].ended_at is None


def test_an_alarm_is_followed_by_quiet_and_is_acknowledged_by_name() -> None:
    line = line_of(quiet_minutes=10)  # 60 pictures
    (_, first), (again, told) = line.run(100, shift=(-9.0,))
    assert again > 60
    assert (told.id, told.reminders, told.reminded_at is None) == (first.id, 1, False)
    at = START + timedelta(seconds=10 * line.count)
    seen = line.watch.acknowledge(first.id, "Taro", "lamp ordered", at)
    assert seen.acknowledged is not None
    assert line.watch.alarms[0] == seen
    assert (seen.acknowledged.who, seen.acknowledged.note) == ("Taro", "lamp ordered")
    assert line.run(100, shift=(-9.0,)) == []
    assert line.watch.acknowledge(first.id, "Jiro", "", line.now) == seen, "as in the log, who saw it first is named"
    with pytest.raises(UsageError, match="no alarm 'other'"):
        line.watch.acknowledge("other", "Taro", "")
    with pytest.raises(UsageError, match="nobody"):
        line.watch.acknowledge(first.id, " ", "")


def ended_after(line: Line, alarm_id: str, pictures: int, **stream: Any) -> int | None:
    """How many pictures it takes until an alarm is over; None where it is not."""
    for number in range(1, pictures + 1):
        line.run(1, **stream)
        if next(alarm for alarm in line.watch.alarms if alarm.id == alarm_id).ended_at is not None:
            return number
    return None


@pytest.mark.parametrize(
    "drift",
    [
        {"shift": (-7.0, -3.0), "defects": 0.05},
        {"shift": (2.0,)},
        {"score_shift": 1.0},
        {"score_shift": 50.0},  # most are set aside
        {"height": 60},
        {"flicker": 6.0},
    ],
    ids=str,
)
def test_an_alarm_holds_as_long_as_the_drift_and_is_over_soon_after(drift: dict[str, Any]) -> None:
    line = line_of(quiet_minutes=1e5)
    assert line.run(50) == []
    [(_, alarm)] = line.run(150, **drift)
    assert ended_after(line, alarm.id, 200, **drift) is None
    over = ended_after(line, alarm.id, 80, defects=0.05)
    assert over is not None
    assert over > 20, "the newest pictures are looked at, not one of them"
    restarted = DriftWatch.from_dict(json.loads(json.dumps(line.watch.to_dict())))
    assert restarted.alarms == line.watch.alarms


def test_what_was_seen_and_is_over_is_told_again_when_it_begins_again() -> None:
    line = line_of(quiet_minutes=1e5)
    line.run(50)
    [(_, first)] = line.run(40, shift=(-7.0,))
    line.watch.acknowledge(first.id, "Taro", "lamp wiped", line.now)
    assert line.run(100, shift=(-7.0,)) == [], "it holds, and somebody knows"
    assert line.run(80) == []
    ended_at = line.watch.alarms[0].ended_at
    assert ended_at is not None
    assert line.now - timedelta(seconds=10 * 60) < ended_at < line.now
    [(delay, second)] = line.run(40, shift=(-7.0,))
    assert delay <= 8
    assert (second.id != first.id, second.ended_at) == (True, None)
    # Seen only once it is over: the same holds.
    line.run(80)
    line.watch.acknowledge(second.id, "Taro", "", line.now)
    assert len(line.run(40, shift=(-7.0,))) == 1


def test_one_that_is_over_and_is_acknowledged_late_begins_no_quiet() -> None:
    line = line_of(quiet_minutes=10)  # 60 pictures
    line.run(50)
    [(_, first), *_] = line.run(40, shift=(-7.0,))
    line.run(100)
    assert line.watch.alarms[0].ended_at is not None
    [(_, second), *_] = line.run(20, shift=(0.0, 0.0, 9.0))
    line.run(60, shift=(0.0, 0.0, 9.0))
    line.watch.acknowledge(first.id, "Taro", "", line.now)
    [(_, told), *_] = line.run(55, shift=(0.0, 0.0, 9.0))
    assert (told.id, first.id != second.id) == (second.id, True)


def test_what_nobody_has_seen_begins_again_as_the_same_alarm() -> None:
    line = line_of(quiet_minutes=1e5)
    line.run(50)
    [(_, alarm)] = line.run(40, shift=(-7.0,))
    line.run(80)
    assert line.watch.alarms[0].ended_at is not None
    assert line.run(40, shift=(0.0, 0.0, 9.0)) == [], "of another kind"
    assert line.watch.alarms[0].ended_at is not None
    assert line.run(40, shift=(-7.0,)) == []
    assert line.watch.alarms == (alarm,)


def test_an_alarm_is_not_over_because_charts_start_with_what_was_learned_meanwhile() -> None:
    known = replace(baseline_of("gaussian", np.random.default_rng(0)), scores=())
    line = Line(DriftWatch(known, WatchSettings(quiet_minutes=1e5)), 0)
    [(_, alarm)] = line.run(99, shift=(-7.0,))
    line.run(1, shift=(-7.0,))
    assert "score" in line.watch.status.watched, "of which the first hundred pictures tell"
    assert ended_after(line, alarm.id, 100, shift=(-7.0,)) is None
    assert ended_after(line, alarm.id, 80) is not None


def test_a_state_of_before_alarms_had_an_end_is_read() -> None:
    line = line_of()
    line.run(50)
    line.run(40, shift=(-7.0,))
    state = json.loads(json.dumps(line.watch.to_dict()))
    del state["signalled"], state["alarms"][0]["ended_at"]
    assert DriftWatch.from_dict(state).alarms == line.watch.alarms


def test_a_clock_that_is_set_back_makes_the_quiet_no_longer() -> None:
    line = line_of(quiet_minutes=10)
    assert len(line.run(40, shift=(-9.0,))) == 1
    line.count -= 10_000
    assert len(line.run(40, shift=(-9.0,))) == 1


def test_charts_can_be_drawn_and_memory_is_bounded() -> None:
    line = line_of()
    line.run(610)  # all charts are full: those of subgroups have 120 points
    size = len(json.dumps(line.watch.to_dict()))
    line.run(60)
    line.run(60, shift=(-7.0,))
    assert len(json.dumps(line.watch.to_dict())) < 1.03 * size
    charts = {chart.name: chart for chart in line.watch.charts()}
    json.dumps([chart.to_dict() for chart in charts.values()])
    level = charts["brightness.ewma"]
    assert (level.unit, level.title) == ("%", "Moving average: level")
    assert level.centre == pytest.approx(31, abs=0.5)
    for chart in charts.values():
        for point in chart.points:
            low = -np.inf if chart.lower is None else chart.lower
            high = np.inf if chart.upper is None else chart.upper
            assert point["alarmed"] == (not low <= point["value"] <= high)
    assert any(point["alarmed"] for point in level.points)
    assert {"score.martingale", "p_value.value", "set_aside.majority", "size.majority"} <= charts.keys()


def test_what_cannot_be_watched_is_said_or_left_out() -> None:
    watch = DriftWatch(baseline_of("gaussian", np.random.default_rng(0)))
    assert watch.observe(START, None, None, None) == News()
    with pytest.raises(UsageError, match="no time zone"):
        watch.observe(START.replace(tzinfo=None), 1.0, 0.5, None)
    with pytest.raises(DataError, match="NaN"):
        watch.observe(START, float("nan"), 0.5, None)
    with pytest.raises(DataError, match="not finite"):
        watch.observe(START, 1.0, 0.5, replace_brightness(float("inf")))
    for wrong in ({"run_length": 5.0}, {"ever": 0.0}, {"learning_pictures": 3}, {"quiet_minutes": -1.0}):
        with pytest.raises(UsageError, match=next(iter(wrong)).split("_")[0]):
            WatchSettings(**wrong)  # type: ignore[arg-type]


def replace_brightness(value: float):
    return look_of_values(np.zeros(7))._replace(brightness=value)


def test_a_baseline_comes_from_a_bundle() -> None:
    known = baseline_of("gaussian", np.random.default_rng(0))
    ranges = {"height": (64.0, 64.0), "width": (64.0, 64.0)}
    scores = np.random.default_rng(1).normal(size=50)
    appearance = Appearance(ranges, (".png",), known.measures)
    found = Baseline.of(Calibration.fit(scores), appearance)
    assert found == replace(known, scores=tuple(sorted(scores.tolist())))
    assert Baseline.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    earlier = Baseline.of(Calibration.fit(scores, folds=5), Appearance(ranges, (".png",)))
    assert earlier == Baseline()
