"""What is said of recordings that are not as they should be accuses what is wrong, and says what helps."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hizumi.data import open_source
from hizumi.data.series.files import Recordings, open_recordings
from hizumi.data.series.form import SeriesForm
from hizumi.data.series.options import SeriesOptions
from hizumi.errors import HizumiError, UsageError

STEPS = np.random.default_rng(0).normal(size=(80, 2))
ZERO_ONE = (np.arange(80) > 70).astype(int)
FORM = SeriesForm(("a", "b"), None, 8, 1)


def opened(data: Any, form: SeriesForm | None = None, **options: Any) -> Recordings:
    return open_recordings(data, SeriesOptions(**({} if form else {"length": 8}), **options), form)


def frame(step: str = "10s", **more: Any) -> pd.DataFrame:
    times = pd.date_range("2026-01-31 09:30", periods=80, freq=step)
    return pd.DataFrame({"time": times, "a": STEPS[:, 0], "b": STEPS[:, 1], **more})


def shuffled() -> pd.DataFrame:
    return frame().sample(frac=1, random_state=0)


def taking_turns() -> pd.DataFrame:
    return pd.concat([frame(machine=1), frame(machine=2), frame(machine=3)]).sort_values("time", kind="stable")


def named_machines() -> pd.DataFrame:
    return frame(machine=np.repeat(["M1", "M2"], 40))


def of_levels() -> pd.DataFrame:
    return frame(machine=ZERO_ONE).set_index(["machine", "time"])


WRONG: list[tuple[str, Any, SeriesForm | None, str]] = [
    ("channels first", STEPS.T, None, r"has 2 steps, .*; steps come first, \(t, c\): transpose the array if it"),
    ("channels first, as learned", STEPS.T, FORM, "has 80 channels, and 2 were learned from.*transpose it"),
    ("other channels", [STEPS, STEPS[:, :1]], None, "has 1 channel, and recording 1 has 2: 'channel 1', 'channel 2'$"),
    ("lengths of fewer steps", (STEPS, [40, 30]), None, "sum up to its 80 steps; the shortest is 30, and they .* 70"),
    ("a length below 1", (STEPS, [90, -10]), None, "are to be 1 or more and .*; the shortest is -10"),
    (
        "shuffled rows",
        shuffled(),
        None,
        r"row \d+: the time stamp is earlier .* as are \d+ of 80; sort the rows by time",
    ),
    ("machines in turn", taking_turns(), None, r"most time stamps repeat .*tells them apart \(--group-column\)"),
    (
        "machines by name",
        named_machines(),
        None,
        "'M1' is not a number.*tells recordings apart, say --group-column machine",
    ),
    (
        "one value a row",
        frame().melt("time", var_name="sensor").sort_values("time", kind="stable"),
        None,
        "each row holds one value of a step, named by column 'sensor' .*; give each a column of its own",
    ),
    ("an index of levels", of_levels(), None, "its index has several levels; make them columns"),
    ("short as a window never was", STEPS[:7], FORM, r"fewer than the 8 of a window \(rows 0 to 6\); record longer$"),
    (
        "several short ones",
        [STEPS[:7], STEPS[:5]],
        None,
        "none of its 2 pieces .* record longer, or give a shorter --len",
    ),
    (
        "text that labels",
        frame(state=np.where(ZERO_ONE, "stuck", "Normal")),
        None,
        "or if it labels steps, say --label-",
    ),
    (
        "text that does not",
        frame(state=np.where(ZERO_ONE, "open", "shut")),
        None,
        "leave the column out .--ignore state.",
    ),
]


@pytest.mark.parametrize(("data", "form", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_said(data: Any, form: SeriesForm | None, words: str) -> None:
    with pytest.raises(HizumiError, match=words) as error:
        opened(data, form)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seconds", [0.0, -1.0, np.nan, np.inf])
def test_steps_take_some_time(seconds: float) -> None:
    with pytest.raises(UsageError, match="give a time above 0"):
        opened(frame(), resample_seconds=seconds)


@pytest.mark.parametrize("option", [{"label_column": "a"}, {"time_column": "a"}, {"ignore": ("b", "a")}])
def test_what_was_learned_from_is_measured(option: dict[str, Any]) -> None:
    form = opened(frame(b=1)).form
    with pytest.raises(UsageError, match=r"column '[ab]' was learned from, so it is measured"):
        opened(frame(), form, **option)


def test_what_is_said_of_series_is_heeded_however_they_are_opened() -> None:
    table = frame(state=np.where(ZERO_ONE, "stuck", "idle"))
    said = SeriesOptions(length=8, ignore=("b",), label_column="state", good=("idle",), time_column="time")
    for found in (open_source(table, series=said), open_source(table, series=said, ignore=("a",), good=())):
        assert found.columns in (("a",), ("b",))
        assert sum(int(each.anomalous.sum()) for each in found.recordings if each.anomalous is not None) == 9
    assert open_source(table, series=said, ignore=("a",)).columns == ("b",)


WRONG_OPTIONS = [("missing", "guess"), ("length", "16"), ("length", 16.5), ("ignore", "bar"), ("overlap", "0.5")]


@pytest.mark.parametrize(("name", "value"), WRONG_OPTIONS)
def test_options_of_another_kind_are_refused(name: str, value: Any) -> None:
    options = SeriesOptions()
    object.__setattr__(options, name, value)  # past the type checker of tests
    with pytest.raises(UsageError, match=rf"series: {name} is {value!r}; it must be"):
        open_recordings(frame(), options)


def test_a_class_is_not_for_series() -> None:
    for name, value in (("normal_class", 0), ("normal_class", 1), ("id_column", "a"), ("one_hot", True)):
        with pytest.raises(UsageError, match=f"`{name}`. is not for time series"):
            open_source(frame(), series=True, **{name: value})


@pytest.mark.parametrize("lengths", [[40.5, 39.5], ["40", "40"]])
def test_lengths_in_an_archive_are_whole_numbers(tmp_path: Path, lengths: list[Any]) -> None:
    np.savez(tmp_path / "a.npz", value=STEPS, lengths=np.array(lengths))
    with pytest.raises(HizumiError, match=r"a\.npz: lengths or offsets are of type .*; give whole numbers of steps"):
        opened(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["fault", "anomaly_label", "isAnomaly", "Normal/Attack", "ground_truth", "class", "y"])
@pytest.mark.parametrize("cells", [ZERO_ONE, ZERO_ONE == 1, np.where(ZERO_ONE, "leak", "normal")])
def test_columns_that_tell_of_anomalies_are_labels(name: str, cells: np.ndarray) -> None:
    found = opened(frame(**{name: cells}))
    (recording,) = found.recordings
    assert found.form.columns == ("a", "b")
    np.testing.assert_array_equal(recording.anomalous, ZERO_ONE == 1)
    assert f"table: column '{name}' is taken for labels" in " ".join(found.notes)
    if not isinstance(cells[0], str):
        measured = opened(frame(**{name: cells}), columns=("a", name))
        assert measured.form.columns == ("a", name)
        assert opened(frame(**{name: cells}), measured.form).recordings[0].anomalous is None


def test_other_columns_are_measured() -> None:
    found = opened(frame(fault_current=STEPS[:, 0], class_of_oil=ZERO_ONE + 1, valve=ZERO_ONE))
    assert found.form.columns == ("a", "b", "fault_current", "class_of_oil", "valve")
    assert found.recordings[0].anomalous is None


def test_days_of_spreadsheets_are_not_taken_for_seconds_unsaid() -> None:
    days, seconds = 46_000 + np.arange(80) / 8640, 46_000 + 2.0 * np.arange(80)
    for times, is_said in ((days, True), (seconds, False), (days - 46_000, False)):
        said = " ".join(opened(frame().assign(time=times)).notes)
        assert "are taken for times in s" in said
        assert ("if they count days, as spreadsheets do, write them as dates" in said) == is_said


def test_a_note_on_parts_of_one_table_is_said_of_it_once() -> None:
    assert "table: 2 recordings, told apart by 'group'" in opened(frame(group=ZERO_ONE)).notes


def test_lines_above_the_heading(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Logger 7\nSerial 123\n" + frame().to_csv(index=False))
    with pytest.raises(HizumiError, match="line 3 has 3 cells, the heading 1, as most lines have; begin what"):
        opened(path)
    path.write_text(frame().to_csv(index=False) + "2026-02-01\n")
    with pytest.raises(HizumiError, match="line 82 has 1 cell, the heading 3; correct the line or delete it"):
        opened(path)


def test_short_files_are_not_said_to_be_uneven() -> None:
    short, uneven = frame()[:5], frame().drop(index=6)
    (note,) = [note for note in opened([frame(), short]).notes if "shorter than a window" in note]
    assert note.endswith("left out: 'recording 2'")
    (note,) = [note for note in opened([frame(), uneven]).notes if "shorter than a window" in note]
    assert note.endswith("leave out their column (--ignore), so that steps are counted")


def test_stamps_that_were_left_out_when_it_learned_stay_unread() -> None:
    uneven = frame().assign(
        time=pd.Timestamp("2026-01-31") + np.cumsum(2.0 ** (np.arange(80) % 7)) * pd.Timedelta("1s")
    )
    with pytest.raises(HizumiError, match="or leave out time stamps that are uneven"):
        opened(uneven)
    form = opened(uneven, ignore=("time",)).form
    for new in (uneven, uneven.assign(time="noon")):
        found = opened(new, form)
        assert [len(each) for each in found.recordings] == [80]
        assert "table: time stamps are not read, since steps were counted in what was learned from" in found.notes
    assert opened(frame(), form, time_column="time").recordings[0].times is not None


def test_what_is_inspected_needs_no_labels() -> None:
    form = opened(frame()).form
    for labels in (np.where(ZERO_ONE, "leak", "running"), np.where(ZERO_ONE, "", "0")):
        found = opened(frame(label=labels), form, layout="unlabelled")
        assert found.recordings[0].anomalous is None
        assert "column 'label' does not say of each step whether it is normal: it is left out" in " ".join(found.notes)
        with pytest.raises(HizumiError, match="column 'label'"):
            opened(frame(label=labels), form)


@pytest.mark.parametrize("cell", ["open", np.inf, np.nan, "Normal"])
def test_a_column_that_was_learned_from_cannot_be_left_out(cell: Any) -> None:
    form, values = opened(frame()).form, frame().a.astype(object)
    values[7] = cell
    with pytest.raises(HizumiError, match=r"row 7, column 'a'") as error:
        opened(frame().assign(a=values), form)
    assert "--ignore" not in str(error.value)
    assert "--label-column" not in str(error.value)
    with pytest.raises(HizumiError, match="--ignore"):
        opened(frame().assign(a=values))
