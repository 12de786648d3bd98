"""Recordings from files, folders, arrays and frames; expected values by hand, or as pandas reads them."""

import gzip
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from hizumi.data.series.files import Recordings, open_recordings
from hizumi.data.series.form import SeriesForm
from hizumi.data.series.options import SeriesOptions
from hizumi.errors import DataError, HizumiError, MissingExtraError, UsageError


def frame(steps: int = 80, step: str = "10s", seed: int = 0) -> pd.DataFrame:
    numbers = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-01-31 09:30", periods=steps, freq=step),
            "volt": 230 + numbers.normal(size=steps),
            "bar": 0.05 + 0.01 * numbers.normal(size=steps),
            "anomaly": (np.arange(steps) % 40 > 35).astype(int),
        }
    )


def written(path: Path, table: pd.DataFrame, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, **how)
    return path


def opened(data: Any, form: SeriesForm | None = None, **options: Any) -> Recordings:
    length = {} if form is not None else {"length": 8}
    return open_recordings(data, SeriesOptions(**{**length, **options}), form)


def assert_same(found: Recordings, table: pd.DataFrame) -> None:
    """One recording, with the values, times and labels of a table of pandas."""
    (recording,) = found.recordings
    assert found.form.columns == ("volt", "bar")
    assert found.form.step_seconds == 10
    np.testing.assert_allclose(recording.values, table[["volt", "bar"]].to_numpy(), rtol=1e-12)
    assert recording.times is not None
    assert recording.anomalous is not None
    np.testing.assert_array_equal(recording.times, table["time"].to_numpy().astype("datetime64[ns]").astype(np.int64))
    np.testing.assert_array_equal(recording.anomalous, table["anomaly"] == 1)


def test_periods_of_pandas_begin_when_they_say() -> None:
    years = pd.period_range("1960", periods=80, freq="Y")
    values = np.random.default_rng(0).normal(size=80)
    for table in (pd.DataFrame({"volt": values}, index=years), pd.DataFrame({"date": years, "volt": values})):
        times = opened(table).recordings[0].times
        assert times is not None
        np.testing.assert_array_equal(times, years.start_time.to_numpy().astype("datetime64[ns]").astype(np.int64))


def test_one_recording_however_it_is_kept(tmp_path: Path) -> None:
    table = frame()
    zoned = table.assign(time=table["time"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    days = table.assign(date=table["time"].dt.strftime("%Y/%m/%d"), time=table["time"].dt.strftime("%H:%M:%S"))
    said = np.where(table["anomaly"] == 1, "anomalous", "normal")
    numbers = {
        unit: table["time"].to_numpy().astype(f"datetime64[{unit}]").astype(np.int64)
        for unit in ("s", "ms", "us", "ns")
    }
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    table.to_parquet(tmp_path / "a.parquet")
    table.to_feather(tmp_path / "a.feather")
    zoned.set_index("time").to_parquet(tmp_path / "indexed.parquet")
    zoned.set_index("time").rename_axis(None).to_parquet(tmp_path / "unnamed.parquet")
    np.savez(
        tmp_path / "a.npz",
        value=table[["volt", "bar"]].to_numpy(),
        time=table["time"].to_numpy(),
        anomaly=table["anomaly"].to_numpy(),
        column=np.array(["volt", "bar"]),
    )
    sources = [
        written(tmp_path / "a.csv", table),
        written(tmp_path / "semicolons.csv", table, sep=";", decimal=","),
        written(tmp_path / "a.tsv", table, sep="\t"),
        written(tmp_path / "backwards.csv", table[::-1]),
        written(tmp_path / "zoned.csv", zoned),
        written(tmp_path / "days.csv", days),
        written(
            tmp_path / "words.csv", table.drop(columns="anomaly").assign(label=said)[["label", "volt", "time", "bar"]]
        ),
        *(written(tmp_path / f"{unit}.csv", table.assign(time=values)) for unit, values in numbers.items()),
        *(tmp_path / name for name in ("a.csv.gz", "a.parquet", "a.feather", "a.npz")),
        *(tmp_path / name for name in ("indexed.parquet", "unnamed.parquet")),
        table.assign(anomaly=table["anomaly"] == 1),
        written(tmp_path / "truth.csv", table.assign(anomaly=table["anomaly"] == 1)),
        *(table, table.set_index("time"), zoned.set_index("time"), pl.from_pandas(table)),
        *(table.rename(columns={"time": "Timestamp (UTC)"}), table.assign(time=numbers["ms"])),
    ]
    for source in sources:
        assert_same(opened(source), table)


def test_arrays_and_lists_of_them(tmp_path: Path) -> None:
    steps = np.random.default_rng(0).normal(size=(60, 3))
    np.save(tmp_path / "a.npy", steps)
    np.savez(tmp_path / "parts.npz", values=steps, lengths=[20, 40])
    np.savez(tmp_path / "train.npz", value_train=steps, offset_train=[0, 20, 60], value_test=steps[:9], name=["x", "y"])
    for whole in (steps, tmp_path / "a.npy", [steps], steps.tolist(), torch.from_numpy(steps).float()):
        (recording,) = opened(whole).recordings
        np.testing.assert_allclose(recording.values, steps, atol=1e-6)
        assert recording.times is None
        assert recording.anomalous is None
    for parts in ((steps, [20, 40]), [steps[:20], steps[20:]], tmp_path / "parts.npz", tmp_path / "train.npz"):
        first, second = opened(parts).recordings[:2]
        np.testing.assert_array_equal(np.concatenate([first.values, second.values]), steps)
        assert (len(first), len(second)) == (20, 40)
    assert opened(steps[:, 0]).recordings[0].values.shape == (60, 1)
    assert opened(steps).form.columns == ("channel 1", "channel 2", "channel 3")
    named = [(each.name, each.split, len(each)) for each in opened(tmp_path / "train.npz").recordings]
    assert named == [("train/x", "train", 20), ("train/y", "train", 40), ("test/train.npz", "test", 9)]


def test_folders_say_what_recordings_are_for(tmp_path: Path) -> None:
    plain = frame().drop(columns="anomaly")
    for name in ("train/good/1.csv", "train/good/2.csv", "test/good/3.csv", "test/leak/4.csv"):
        written(tmp_path / name, plain)
    written(tmp_path / "test" / "leak" / "5.csv", frame())
    (tmp_path / "notes.txt").write_text("valve exchanged")
    (tmp_path / ".hidden.csv").write_text("a\n1\n")
    found = opened(tmp_path)
    said = [
        (each.name, each.split, each.kind, None if each.anomalous is None else int(each.anomalous.sum()))
        for each in found.recordings
    ]
    assert said == [
        ("test/good/3.csv", "test", None, 0),
        ("test/leak/4.csv", "test", "leak", 80),  # the folder alone: every step
        ("test/leak/5.csv", "test", "leak", 8),  # its own labels
        ("train/good/1.csv", "train", None, 0),
        ("train/good/2.csv", "train", None, 0),
    ]
    assert any("4.csv: has no labels, so that all of its steps are anomalous" in note for note in found.notes)
    assert {each.name: each.may_be_part for each in found.unopened} == {".hidden.csv": True, "notes.txt": False}
    judged = opened(tmp_path, found.form, layout="unlabelled")
    assert [each.anomalous is None for each in judged.recordings] == [True, True, False, True, True]


def test_folders_whose_names_say_nothing(tmp_path: Path) -> None:
    for name in ("pump 1/a.csv", "pump 2/a.csv"):
        written(tmp_path / name, frame())
    found = opened(tmp_path)
    assert [each.name for each in found.recordings] == ["pump 1/a.csv", "pump 2/a.csv"]
    assert [each.split for each in found.recordings] == [None, None]
    assert found.notes[0] == "2 recordings, whose folders say neither good nor bad"
    twice = opened([tmp_path / "pump 1" / "a.csv"] * 2)
    assert [each.name for each in twice.recordings] == [f"{tmp_path}/pump 1/a.csv{end}" for end in ("", " (2)")]
    good = opened(tmp_path, good=("pump 1",))
    assert [each.split for each in good.recordings] == [None, "test"]
    assert [int(each.anomalous.sum()) for each in good.recordings if each.anomalous is not None] == [8, 8]


def test_labels_are_no_measurements(tmp_path: Path) -> None:
    table = frame().rename(columns={"anomaly": "is_anomaly"}).assign(changepoint=0)
    found = opened(written(tmp_path / "a.csv", table))
    assert found.form.columns == ("volt", "bar")
    assert any("'changepoint' tell of anomalies too" in note for note in found.notes)
    other = table.assign(state=np.where(np.arange(80) < 70, "idle", "stuck"))
    found = opened(other, label_column="state", good=("idle",), ignore=("is_anomaly",))
    assert found.recordings[0].anomalous is not None
    assert int(found.recordings[0].anomalous.sum()) == 10
    measured = opened(frame().assign(target=np.linspace(0, 1, 80), anomaly=np.linspace(-2, 2, 80)))
    assert measured.form.columns == ("volt", "bar", "anomaly", "target")
    assert sum("taken for a measurement" in note for note in measured.notes) == 2
    assert opened(frame(), columns=("volt", "anomaly")).form.columns == ("volt", "anomaly")


def test_columns_without_meaning_are_named() -> None:
    table = frame().assign(empty=np.nan, index=np.arange(80), constant=7.0, rising=np.arange(80) / 4)
    found = opened(table.assign(received=table["time"], ts=np.arange(80)))
    assert found.form.columns == ("volt", "bar", "constant", "rising")
    said = " ".join(found.notes)
    assert "'empty' is empty and is left out" in said
    assert "'index' counts the rows and is left out" in said
    assert "'received', 'ts' hold times too, and are left out" in said
    assert "'rising' counts the rows" in said
    assert "never change" not in said  # the fit says what that means
    again = open_recordings(table.assign(received=table["time"]), SeriesOptions(), found.form)
    assert "channels that never change: 'constant'" in " ".join(again.notes)


def test_recordings_in_one_table_are_told_apart() -> None:
    first, second = frame(20), frame(30, seed=1)
    both = pd.concat([first.assign(group="pump 1", split="train"), second.assign(group="pump 2", split="test")])
    found = opened(both.sort_values("time", kind="stable").reset_index(drop=True))
    assert [(each.name, each.split) for each in found.recordings] == [
        ("table, pump 1, train", "train"),
        ("table, pump 2, test", "test"),
    ]
    for recording, table in zip(found.recordings, (first, second), strict=True):
        np.testing.assert_array_equal(recording.values, table[["volt", "bar"]])
    with pytest.raises(DataError, match="row 0: split 'later' is not known"):
        opened(both.assign(split="later"))
    assert opened(first.assign(group=3.0), columns=("volt", "group")).form.columns == ("volt", "group")


def test_a_named_column_tells_recordings_apart_then_and_later() -> None:
    first, second = frame(20), frame(30, seed=1)
    both = pd.concat([first.assign(machine="M1"), second.assign(machine="M2")])
    both = both.sort_values("time", kind="stable").reset_index(drop=True)
    found = opened(both, group_column="machine")
    assert [each.name for each in found.recordings] == ["table, M1", "table, M2"]
    for each in (found, opened(both, found.form)):
        for recording, table in zip(each.recordings, (first, second), strict=True):
            np.testing.assert_array_equal(recording.values, table[["volt", "bar"]])
    assert SeriesForm.from_dict(found.form.to_dict()) == found.form
    assert len(opened(first, found.form).recordings) == 1, "a table of one recording needs no such column"
    with pytest.raises(UsageError, match="no column 'engine'"):
        opened(both, group_column="engine")
    with pytest.raises(UsageError, match=r"'bar' was learned from, so it is measured; .*--group-column"):
        opened(first, found.form, group_column="bar")


def test_the_column_named_as_holding_times_does_so_in_later_data() -> None:
    table = frame(40).rename(columns={"time": "moment"})
    table["moment"] = table["moment"].astype("datetime64[s]").astype("int64")
    table.loc[20:, "moment"] += 1000
    found = opened(table, time_column="moment")
    assert found.form.time_column == "moment"
    for each in (found, opened(table, found.form)):
        assert [len(recording) for recording in each.recordings] == [20, 20]
    assert opened(frame(), found.form).recordings[0].times is not None, "known by its name, too"


def test_new_data_take_the_form_learned_from(tmp_path: Path) -> None:
    table = frame()
    form = opened(table).form
    assert_same(opened(table[["anomaly", "bar", "time", "volt"]].assign(note="x"), form), table)
    notes = " ".join(opened(table[["bar", "time", "volt"]].assign(note="x"), form).notes)
    assert "not learned from: 'note'" in notes
    assert "another order" in notes
    assert "has no time stamps; its steps are taken for 10 s" in " ".join(opened(table[["volt", "bar"]], form).notes)
    assert opened(table[["volt", "bar"]].to_numpy(), form).form == form
    for name, lacking in (("good.csv", table), ("bad.csv", table.drop(columns="bar")), ("text.csv", frame(5))):
        written(tmp_path / name, lacking)
    found = opened(tmp_path, form)
    assert [each.name for each in found.recordings] == ["good.csv"]
    assert [each.name for each in found.unopened] == ["bad.csv", "text.csv"]
    assert not any(each.name in each.reason for each in found.unopened)  # which is printed behind it


WRONG: list[tuple[str, pd.DataFrame, dict[str, Any], str]] = [
    ("missing column", frame().drop(columns="bar"), {}, "has no column 'bar', which was learned from"),
    ("other rate", frame(step="60s"), {}, "a step takes 60 s, and steps of 10 s were learned from; fit again with"),
    ("resampled elsewhere", frame(), {"resample_seconds": 60.0}, "steps of 10 s were learned from, not of 60 s"),
    ("other length", frame(), {"length": 16}, "windows have 8 steps, one every 1"),
    ("text", frame().assign(bar=["0.1"] * 70 + ["open"] * 10), {}, "row 70, column 'bar': 'open' is not a number"),
    (
        "infinite",
        frame().assign(bar=np.where(np.arange(80) > 77, np.inf, 1)),
        {},
        r"row 78, column 'bar': is infinity \(2",
    ),
    (
        "missing",
        frame().assign(bar=np.where(np.arange(80) > 77, np.nan, 1)),
        {},
        r"row 78.*\(2 in all.*--missing inter",
    ),
    ("too short", frame(7), {}, r"has 7 steps, fewer than the 8 of a window \(rows 0 to 6\)"),
    ("one step", frame(1), {}, "one step only"),
    ("no stamp", frame().assign(time=["2026-01-31 09:30", "31 Jan 2026"] * 40), {}, "row 1.*no time stamp.*ISO"),
    ("empty stamp", frame().assign(time=["2026-01-31 09:30", ""] * 40), {}, r"row 1.*has no time stamp \(40 in all\)"),
    ("coarse stamps", frame().assign(time="2026-01-31 09:30"), {}, "most time stamps repeat"),
    ("half labelled", frame().assign(anomaly=[0.0, np.nan] * 40), {}, r"row 1, column 'anomaly': has no label \(40"),
    ("other labels", frame().assign(anomaly=[1, -1] * 40), {}, "'anomaly' labels rows as 1, -1.*--good 1"),
    ("unknown good", frame(), {"good": ("fine",)}, "no folder or label is called 'fine'; labels are 0, 1"),
    ("unknown option", frame(), {"ignore": ("volts",)}, "has no column 'volts' .ignore.; did you mean 'volt'"),
]


@pytest.mark.parametrize(("table", "options", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_gets_one_line(table: pd.DataFrame, options: dict[str, Any], words: str) -> None:
    form = SeriesForm(("volt", "bar"), 10.0, 8, 1)
    with pytest.raises((DataError, UsageError), match=words) as error:
        opened(table, form, **options)
    assert "\n" not in str(error.value)


def test_sources_that_do_not_belong_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[tuple[Any, str]] = [
        ([frame(), frame(step="60s")], "recording 2: a step takes 60 s, and 10 s in recording 1; --resample 60"),
        ([frame(), frame().drop(columns="bar")], "recording 2: has no column 'bar', which recording 1 has"),
        ([frame(), frame().drop(columns="time")], "recording 2: has no time stamps, and recording 1 has them"),
        ([np.zeros((9, 2)), np.zeros((9, 3))], "recording 2: has 3 channels, and recording 1 has 2"),
        ((np.zeros((4, 3, 2))), "shape .4, 3, 2.; give steps"),
        ([], "the list of recordings is empty"),
        ({"a": 1}, "dict is nothing that steps can be read from"),
        (np.array(["a"]), "type <U1"),
        (frame()[["time", "anomaly"]], "no column of measured numbers"),
        (tmp_path, "holds no recording"),
        (tmp_path / "none.csv", "there is no such file"),
    ]
    for data, words in cases:
        with pytest.raises(HizumiError, match=words) as error:
            opened(data)
        assert "\n" not in str(error.value)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read"):
        opened(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pip install pyarrow"):
        opened(tmp_path / "a.parquet")


def test_places_are_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("# logger 7\nseconds,volt\n\n" + "".join(f"{n},{n % 3}\n" for n in range(9)) + "9,\n10,oil\n")
    with pytest.raises(DataError, match=r"log\.csv: line 14, column 'volt': 'oil'"):
        opened(path)
    path.write_text(path.read_text().replace("oil", "1"))
    with pytest.raises(
        DataError, match=r"log\.csv: line 13, column 'volt': the value is missing \(1 in all, in 1 line\)"
    ):
        opened(path)
    form = opened(path, missing="hold").form
    assert form == replace(form, columns=("seconds", "volt"), step_seconds=None)


def test_true_and_false_are_numbers_where_a_column_holds_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("volt,open\n" + "".join(f"{row / 8},{row % 3 == 0}\n" for row in range(40)))
    read = opened(path)
    np.testing.assert_array_equal(read.recordings[0].values[:4, 1], [1, 0, 0, 1])
    assert f"{path}: 'open': true and false are read as 1 and 0" in read.notes
    path.write_text("volt,open\n" + "".join(f"{row / 8 if row != 7 else 'TRUE'},{row % 2}\n" for row in range(40)))
    with pytest.raises(DataError, match=r"line 9, column 'volt': 'TRUE' is not a number"):
        opened(path)
