"""Time stamps, gaps, missing values and rates; expected results by pandas, by brute force, or written out by hand."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hizumi.data.series.files import Recordings, open_recordings
from hizumi.data.series.options import SeriesOptions
from hizumi.data.series.readings import SeriesTable
from hizumi.data.series.time_stamps import is_time_name, stamps_of
from hizumi.errors import DataError

TEN_SECONDS = 10 * 10**9
START = 1_769_851_800 * 10**9  # 2026-01-31 09:30


def opened(data: Any, **options: Any) -> Recordings:
    return open_recordings(data, SeriesOptions(**{"length": 8, **options}))


def stamped(times: Any, **columns: Any) -> pd.DataFrame:
    """Rows at these nanoseconds; the channel `place` numbers them."""
    return pd.DataFrame({"time": pd.to_datetime(times), "place": np.arange(len(times), dtype=float), **columns})


def rows_of(recordings: Recordings) -> list[list[int]]:
    return [each.values[:, 0].astype(int).tolist() for each in recordings.recordings]


def cut_off(recordings: Recordings) -> list[int]:
    """Rows that the pieces hold which fill no window, as their reasons say."""
    spans = [re.search(r"\(rows? (\d+)(?: to (\d+))?\)", each.reason) for each in recordings.unopened]
    return [row for span in spans if span for row in range(int(span[1]), int(span[2] or span[1]) + 1)]


@pytest.mark.parametrize(
    ("word", "moment"),
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00"),
        ("2026-01-31 09:30", "2026-01-31T09:30:00"),
        ("2026/1/31 9:30:00", "2026-01-31T09:30:00"),
        ("20260131T093000", "2026-01-31T09:30:00"),
        ("2026-01-31", "2026-01-31T00:00:00"),
        ("2026-03", "2026-03-01T00:00:00"),
        ("2026/03", "2026-03-01T00:00:00"),
        ("2026-01-31T09:30:00.123456789", "2026-01-31T09:30:00.123456789"),
        ("2026-01-31 09:30:00,5", "2026-01-31T09:30:00.5"),
        ("2026-01-31T09:30:00+09:00", "2026-01-31T00:30:00"),
        ("2026-01-31T09:30:00-0330", "2026-01-31T13:00:00"),
        ("09:30:15.25", "1970-01-01T09:30:15.25"),
        ("1769851800", "2026-01-31T09:30:00"),
        ("1769851800.123456789", "2026-01-31T09:30:00.123456789"),
        ("1769851800123", "2026-01-31T09:30:00.123"),
        ("1769851800123456", "2026-01-31T09:30:00.123456"),
        ("1769851800123456789", "2026-01-31T09:30:00.123456789"),
        ("20260131", "2026-01-31T00:00:00"),
        ("31.1.2026 09:30", "2026-01-31T09:30:00"),
        ("31/01/2026 09:30", "2026-01-31T09:30:00"),
        ("31-01-2026 09:30", "2026-01-31T09:30:00"),
        ("1/31/2026 09:30:05", "2026-01-31T09:30:05"),
        ("1/31/2026 9:30:05 PM", "2026-01-31T21:30:05"),
        ("2026-01-31 12:30 am", "2026-01-31T00:30:00"),
        ("2026-01-31 12:30 pm", "2026-01-31T12:30:00"),
        ("2026/01/02 09:30", "2026-01-02T09:30:00"),
        ("02/02/2026", "2026-02-02T00:00:00"),
    ],
)
def test_stamps_as_they_are_written(word: str, moment: str) -> None:
    table = SeriesTable("a", "a.csv", {"date": np.array([word], dtype=object)}, np.array([2]), "line")
    (time,), _ = stamps_of(table, "date")
    assert time == np.datetime64(moment, "ns").astype(np.int64)


@pytest.mark.parametrize(
    "word",
    [
        "31/13/2026 09:30",
        "2026-13-01",
        "2026-02-30",
        "2026-01-31 25:00",
        "2026-01-31 13:00 PM",
        "noon",
        "9999-01-01",
        "today",
        "1e30",
    ],
)
def test_what_is_no_stamp(word: str) -> None:
    table = SeriesTable("a", "a.csv", {"time": np.array(["2026-01-31", word], dtype=object)}, np.array([2, 3]), "line")
    with pytest.raises(DataError, match=rf"a\.csv: line 3, column 'time': '{word}' is no time stamp; write ISO 8601"):
        stamps_of(table, "time")


def test_one_date_tells_in_which_order_all_are_written() -> None:
    words = [f"{day:02}/02/2026 09:30" for day in (12, 13)]
    table = SeriesTable("a", "a.csv", {"time": np.array(words, dtype=object)}, np.array([2, 3]), "line")
    times, _ = stamps_of(table, "time")
    assert np.diff(times).tolist() == [24 * 3600 * 10**9]


def test_dates_whose_order_nothing_tells_are_named_unless_it_is_said() -> None:
    table = SeriesTable(
        "a", "a.csv", {"time": np.array(["02/02/2026", "01/02/2026"], dtype=object)}, np.array([2, 3]), "line"
    )
    with pytest.raises(DataError, match=r"line 3, column 'time': in '01/02/2026' the day or the month.*--date-order"):
        stamps_of(table, "time")
    for order, date in (("day", "2026-02-01"), ("month", "2026-01-02")):
        times, _ = stamps_of(table, "time", order)
        assert times[1] == np.datetime64(date, "ns").astype(np.int64)


def test_the_order_of_dates_is_learned(tmp_path: Path) -> None:
    def written(name: str, day: int) -> Path:
        rows = [f"{day}/02/2026 09:{minute:02},{minute % 7}" for minute in range(60)]
        (tmp_path / name).write_text("\n".join(["time,bar", *rows]))
        return tmp_path / name

    learned = open_recordings(written("learned.csv", 13), SeriesOptions(length=8))
    assert learned.form.date_order == "day"
    later = open_recordings(written("later.csv", 1), form=learned.form)
    assert later.recordings[0].times[0] == np.datetime64("2026-02-01T09:00", "ns").astype(np.int64)
    with pytest.raises(DataError, match="--date-order"):
        open_recordings(written("alone.csv", 1), SeriesOptions(length=8))
    together = open_recordings([tmp_path / "alone.csv", tmp_path / "learned.csv"], SeriesOptions(length=8))
    assert [each.times[0] for each in together.recordings] == [
        np.datetime64(f"2026-02-{day}T09:00", "ns").astype(np.int64) for day in ("01", "13")
    ]
    said = open_recordings(written("said.csv", 1), SeriesOptions(length=8, date_order="month"))
    assert said.recordings[0].times[0] == np.datetime64("2026-01-02T09:00", "ns").astype(np.int64)


@pytest.mark.parametrize(("other", "part"), [("2026-01-31 09:30Z", "zone"), ("09:30", "date")])
def test_stamps_are_written_alike(other: str, part: str) -> None:
    words = np.array(["2026-01-31 09:30", "2026-01-31 09:31", other], dtype=object)
    with pytest.raises(DataError, match=f"row 2, column 'time': some time stamps have a {part} and others have none"):
        stamps_of(SeriesTable("a", "a", {"time": words}, np.arange(3)), "time")


def test_times_in_another_unit_than_is_said_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    path.write_text("time (s),bar\n" + "".join(f"{START // 10**6 + 1000 * row},{row}\n" for row in range(20)))
    with pytest.raises(DataError, match=r"line 2, column 'time .s.': in the unit that the column's name says, is no"):
        opened(path)


def test_names_of_columns_of_times() -> None:
    yes = ("time", "Time", "timestamp", "TimeStamp", "date", "datetime", "ts", "Timestamp (UTC)", "time_ms", "time [s]")
    no = ("t", "times_opened", "update", "temperature", "runtime", "timeout", "rates", "ticks")
    assert [name for name in yes if not is_time_name(name)] == []
    assert [name for name in no if is_time_name(name)] == []
    table = stamped(START + TEN_SECONDS * np.arange(20)).rename(columns={"time": "logged"}).astype({"logged": str})
    assert opened(table).form.step_seconds == 10  # by what is in it
    milliseconds = pd.DataFrame({"time_ms": np.arange(20) * 500, "place": np.arange(20.0)})
    assert opened(milliseconds).form.step_seconds == 0.5


def test_a_recording_is_split_where_its_stamps_break_off() -> None:
    steps = np.full(99, TEN_SECONDS)
    steps[[19, 39, 59, 79]] = [16e9, 0, -5e9, 14e9]  # a gap, a repeat, a step back, and jitter
    found = opened(stamped(START + np.concatenate([[0], np.cumsum(steps)])))
    assert rows_of(found) == [[*range(20)], [*range(20, 40)], [*range(40, 60)], [*range(60, 100)]]
    assert [each.name for each in found.recordings] == [f"table, part {part}" for part in range(1, 5)]
    assert found.notes[1:4] == (
        "table: split at a gap (row 20, from 2026-01-31 09:33:10 to 2026-01-31 09:33:26)",
        "table: split at a repeated time stamp (row 40, from 2026-01-31 09:36:36 to 2026-01-31 09:36:36)",
        "table: split at a step back in time (row 60, from 2026-01-31 09:39:46 to 2026-01-31 09:39:41)",
    )


def test_stamps_in_whole_seconds_are_rounded() -> None:
    """At 0.95 Hz, some seconds are passed over; that is no gap, and three seconds are."""
    times = START // 10**9 + np.floor(1.06 * np.arange(300)).astype(int)
    times[200:] += 2
    found = opened(stamped(times * 10**9))
    assert [len(rows) for rows in rows_of(found)] == [200, 100]
    assert "of up to 2.5 s are taken for their rounding to 1 s" in " ".join(found.notes)
    hourly = opened(stamped(START + 3600 * 10**9 * np.delete(np.arange(40), 20)))
    assert [len(rows) for rows in rows_of(hourly)] == [20, 19]


def test_no_row_is_lost_whatever_is_wrong_with_the_stamps() -> None:
    for seed in range(30):
        numbers = np.random.default_rng(seed)
        kept = np.flatnonzero(numbers.random(200) > 0.04)  # some rows are missing
        kept = np.sort(np.concatenate([kept, numbers.choice(kept, 5)]))  # some stamps repeat
        times = START + TEN_SECONDS * kept + numbers.integers(-(10**9), 10**9, len(kept))
        times[len(times) // 2 :] -= numbers.integers(0, 2) * 3600 * 10**9  # the clock is set back
        lacking = np.where(numbers.random(len(kept)) < 0.03, np.nan, 1.0)
        missing = ("interpolate", "hold")[seed % 2]
        found = opened(stamped(times, lacking=lacking), missing=missing)
        differences = np.diff(times)
        broken = (differences <= 0) | (differences > 1.5 * np.median(differences))
        pieces = np.split(np.arange(len(times)), np.flatnonzero(broken) + 1)
        expected = []
        for piece in pieces:
            lost = np.isnan(lacking[piece])
            ends = np.flatnonzero(~lost)[[0, -1]] if (~lost).any() else np.array([1, 0])
            stays = [
                row for place, row in enumerate(piece) if ends[0] <= place and (missing == "hold" or place <= ends[1])
            ]
            expected += [stays] if len(stays) >= 8 else []
            dropped = len(piece) - len(stays)
            assert dropped == 0 or any("left out for lack of values" in note for note in found.notes)
        assert rows_of(found) == [list(map(int, piece)) for piece in expected]
        in_use = [row for rows in rows_of(found) for row in rows]
        left_out = sorted(set(range(len(times))) - set(in_use) - set(cut_off(found)))
        assert not set(in_use) & set(cut_off(found))
        assert all(np.isnan(lacking[left_out]))


@pytest.mark.parametrize("missing", ["interpolate", "hold"])
def test_missing_values_are_filled_up_to_a_window(missing: str) -> None:
    values = np.sin(np.arange(60.0))
    values[[0, 1, 10, 20, 21, 22, 59]] = np.nan
    values[30:39] = np.nan  # nine, more than a window
    series = pd.Series(values)
    filled = series.interpolate(limit_area="inside") if missing == "interpolate" else series.ffill()
    found = opened(pd.DataFrame({"value": values, "other": 1.0}), missing=missing)
    end = 59 if missing == "interpolate" else 60
    expected = [filled.to_numpy()[2:30], filled.to_numpy()[39:end]]
    for recording, part in zip(found.recordings, expected, strict=True):
        np.testing.assert_allclose(recording.values[:, 0], part, rtol=1e-12)
    left_out = 2 + 9 + 60 - end
    assert f"{left_out} rows left out for lack of values, and the recording split there (rows 0 to 1; " in (
        " ".join(found.notes)
    )
    assert f"{7 - (left_out - 9)} missing values " in " ".join(found.notes)


@pytest.mark.parametrize("seconds", [30.0, 60.0, 25.0, 17.0])
def test_rows_that_come_more_seldom_are_means(seconds: float) -> None:
    numbers = np.random.default_rng(0)
    times = START + TEN_SECONDS * np.arange(300) + np.concatenate([[0], numbers.integers(-(10**9), 10**9, 299)])
    table = stamped(times, value=numbers.normal(size=300), anomaly=(numbers.random(300) < 0.02).astype(int))
    (recording,) = opened(table, resample_seconds=seconds).recordings
    expected = table.set_index("time").resample(f"{seconds:g}s", origin="start")
    np.testing.assert_allclose(recording.values, expected[["place", "value"]].mean(), rtol=1e-12)
    np.testing.assert_array_equal(recording.anomalous, expected["anomaly"].max() == 1)
    np.testing.assert_array_equal(
        recording.times, expected["place"].mean().index.astype("datetime64[ns]").astype(np.int64)
    )


def test_rows_that_come_more_often_lie_on_lines() -> None:
    labels = np.zeros(30, dtype=int)
    labels[[10, 29]] = 1
    (recording,) = opened(stamped(START + TEN_SECONDS * np.arange(30), anomaly=labels), resample_seconds=4.0).recordings
    moments = np.arange(73) * 4  # the last row is at 290 s
    np.testing.assert_allclose(recording.values[:, 0], moments / 10, rtol=1e-12)
    np.testing.assert_array_equal(recording.anomalous, ((moments > 90) & (moments < 110)) | (moments > 280))
    assert recording.times is not None
    np.testing.assert_array_equal(recording.times, START + moments * 10**9)


def test_gaps_stay_gaps_at_another_rate() -> None:
    times = START + TEN_SECONDS * np.concatenate([np.arange(60), np.arange(100, 160)])
    found = opened([stamped(times), stamped(START + 2 * TEN_SECONDS * np.arange(60))], resample_seconds=20.0)
    assert found.form.step_seconds == 20
    assert [(each.name, len(each)) for each in found.recordings] == [
        ("recording 1, part 1", 30),
        ("recording 1, part 2", 30),
        ("recording 2", 60),
    ]
    faster = stamped(START + TEN_SECONDS // 2 * np.arange(80))
    (new,) = open_recordings(faster, SeriesOptions(resample_seconds=20.0), found.form).recordings
    np.testing.assert_array_equal(new.values[:, 0], np.arange(20) * 4 + 1.5)  # means of four
    with pytest.raises(DataError, match="a step takes 5 s, and steps of 20 s were learned from; --resample 20 brings"):
        open_recordings(faster, SeriesOptions(), found.form)
    slower = stamped(START + 5 * TEN_SECONDS * np.arange(80))
    with pytest.raises(DataError, match="a step takes 50 s, and steps of 20 s were learned from; fit again with --res"):
        open_recordings(slower, SeriesOptions(), found.form)
    with pytest.raises(DataError, match="has no time stamps, and so no rate to resample from"):
        opened(np.zeros((20, 2)), resample_seconds=20.0)


@pytest.mark.parametrize("turn", [1, -1])
def test_uneven_stamps_have_the_rate_that_they_keep_on_the_whole(turn: int) -> None:
    for seed in range(50):
        uneven = np.arange(200) + np.random.default_rng(seed).normal(0, 0.05, 200)
        uneven[100:] += 30  # a gap, which is no step
        step = opened(stamped((START + uneven * 10**9).astype(np.int64)[::turn])).form.step_seconds
        assert step == pytest.approx(1, abs=0.003)
