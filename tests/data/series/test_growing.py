"""Text that comes in pieces gives the rows of the whole, and names lines that cannot be used."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hizumi.data.series.files import open_recordings
from hizumi.data.series.form import SeriesForm
from hizumi.data.series.growing import GrowingRows, Rows, growing_text, piped_text
from hizumi.data.series.stamp_watch import RowTimes
from hizumi.errors import DataError

TEXT = "time;b;a\n0;1,5;2\n1;-3;4e1\n\n2;x;0\n3;;1\n4;5\n5;6;7\n6;8;9"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_pieces_give_the_rows_of_the_whole(cuts):
    growing, items = GrowingRows(("a", "b"), "pump.csv"), []
    cuts = sorted(cuts)
    for start, stop in zip([0, *cuts], [*cuts, len(TEXT)], strict=True):
        items += growing.feed(TEXT[start:stop])
    items += growing.feed("", last=True)
    rows = np.concatenate([item.values for item in items if not isinstance(item, DataError)])
    assert rows.tolist() == [[2, 1.5], [40, -3], [7, 6], [9, 8]]
    numbers = [item.first + row for item in items if not isinstance(item, DataError) for row in range(len(item))]
    assert numbers == [0, 1, 5, 6], "those that cannot be used count too"
    assert [str(item) for item in items if isinstance(item, DataError)] == [
        "pump.csv: line 5, column 'b': 'x' is not a number",
        "pump.csv: line 6, column 'b': the value is missing",
        "pump.csv: line 7 has 2 cells, the heading 3",
    ]


def stamped(seconds: list[float], pieces: int, step_seconds: float = 10.0) -> list[Rows | DataError]:
    """What comes of rows with these times, several at once."""
    growing = GrowingRows(("a",), "pump.csv", step_seconds)
    start = np.datetime64("2026-01-31T09:00:00", "ms")
    lines = [f"{start + int(1000 * each)},{number}\n" for number, each in enumerate(seconds)]
    found = list(growing.feed("time,a\n"))
    for first in range(0, len(lines), pieces):
        found += growing.feed("".join(lines[first : first + pieces]))
    return found


@pytest.mark.parametrize("pieces", [1, 3, 100])
def test_rows_break_off_where_their_time_stamps_do(pieces: int) -> None:
    found = stamped([0, 10, 20.1, 29.9, 60, 70, 70, 80, 50, 60], pieces)
    errors = [str(item) for item in found if isinstance(item, DataError)]
    assert errors == [
        "pump.csv: line 6: a gap, from 2026-01-31 09:00:29.9 to 2026-01-31 09:01:00",
        "pump.csv: line 8: a repeated time stamp, from 2026-01-31 09:01:10 to 2026-01-31 09:01:10",
        "pump.csv: line 10: a step back in time, from 2026-01-31 09:01:20 to 2026-01-31 09:00:50",
    ]
    together: list[list[float]] = [[]]
    for item in found:
        if isinstance(item, DataError):
            together.append([])
        else:
            together[-1] += item.values[:, 0].tolist()
    assert together == [[0, 1, 2, 3], [4, 5], [6, 7], [8, 9]]
    times = np.concatenate([item.times for item in found if isinstance(item, Rows) and item.times is not None])
    assert np.diff(times)[:3].tolist() == [10_000_000_000, 10_100_000_000, 9_800_000_000]


def test_rows_at_another_rate_are_refused_once_it_is_known() -> None:
    with pytest.raises(DataError, match="a step takes 2 s, and steps of 1 s were learned from"):
        stamped([2.0 * number for number in range(60)], 1, step_seconds=1.0)
    assert len(stamped([number + 0.004 for number in range(60)], 1, step_seconds=1.0)) == 60


def test_rows_that_come_unevenly_keep_their_rate() -> None:
    for seed in range(50):
        uneven = np.arange(100) + np.random.default_rng(seed).normal(0, 0.05, 100)
        assert all(isinstance(item, Rows) for item in stamped(uneven.tolist(), 100, step_seconds=1.0))
        with pytest.raises(DataError, match=r"a step takes 1\.0[45]\d* s"):
            stamped((1.05 * uneven).tolist(), 100, step_seconds=1.0)


def test_a_stamp_that_cannot_be_read_is_named_and_the_rows_beside_it_are_kept() -> None:
    growing = GrowingRows(("a",), "pump.csv", 10.0)
    found = list(growing.feed("time,a\n2026-01-31 09:00:00,1\nnoon,2\n2026-01-31 09:00:20,3\n"))
    assert isinstance(found[0], Rows)
    assert found[0].values.tolist() == [[1]]
    assert "line 3, column 'time': 'noon' is no time stamp" in str(found[1])
    assert "line 4: a gap" in str(found[2])
    growing = GrowingRows(("a",), "pump.csv", 60.0, "day")
    (rows,) = growing.feed("time,a\n" + "".join(f"1/2/2026 9:{minute},2\n" for minute in range(10, 40)))
    assert isinstance(rows, Rows)
    assert rows.times is not None
    assert rows.times[0] == np.datetime64("2026-02-01T09:10", "ns").astype(np.int64)
    unstamped = GrowingRows(("a",), "pump.csv").feed("time,a\nnoon,2\n")
    assert [item.times for item in unstamped if isinstance(item, Rows)] == [None]


def test_rows_of_another_group_begin_a_recording() -> None:
    found = list(GrowingRows(("a",), "pump.csv", group_column="machine").feed("machine,a\nM1,1\nM1,2\nM2,3\nM2,4\n"))
    assert [item.values[:, 0].tolist() for item in found if isinstance(item, Rows)] == [[1, 2], [3, 4]]
    assert str(found[1]) == "pump.csv: line 4 is of 'M2', and those before it of 'M1'"
    named = list(GrowingRows(("a",), "pump.csv").feed("Group,a\n1,1\n2,2\n"))
    assert "line 3 is of '2'" in str(named[1])
    assert len(list(GrowingRows(("a", "group"), "pump.csv").feed("group,a\n1,1\n2,2\n"))) == 1, "it is measured"


STAMPS = ["2026-01-31 09:00:00", "2026-01-31 09:00:10", "2026-01-31 09:05:00", "2026-01-31 09:05:10"]


@pytest.mark.parametrize(
    ("heading", "row", "time_column"),
    [
        ("time,a,b", "{when},{a},1", None),
        ("zeit,a,b", "{when},{a},1", None),  # known by its cells
        ("mark,time,a,b", "{seconds},0,{a},1", "mark"),
        ("date,time,a,b", "{day},{hour},{a},1", None),
        ("machine,date,a,b", "7,{when},{a},1", None),
        ("time,a,b", "{when},{a},TRUE", None),
        ("time,a,b", "{when},{a},1,,", None),
        ("time,a,b,", "{when},{a},1\n , ,,", None),
        ('"time", "a", "b"', '"{when}", "{a}", "1"', None),
        ("sep=;\nwhen;a;b", "{when};{a};1", None),
        ("time|a|b", "{when}|{a}|1", None),
        ("seconds_ a b", "{seconds} {a} 1", "seconds_"),
    ],
)
def test_rows_and_breaks_are_those_of_a_whole_file(
    heading: str, row: str, time_column: str | None, tmp_path: Path
) -> None:
    times = np.array(STAMPS, dtype="datetime64[s]").astype(int).tolist()
    lines = [
        row.format(when=when, day=when[:10], hour=when[11:], seconds=seconds, a=a)
        for a, (when, seconds) in enumerate(zip(STAMPS, times, strict=True))
    ]
    (tmp_path / "a.csv").write_text("\n".join([heading, *lines]))
    form = SeriesForm(("a", "b"), 10.0, 2, 1, time_column=time_column)
    whole = open_recordings(tmp_path / "a.csv", form=form).recordings
    growing = GrowingRows(form.columns, "a.csv", form.step_seconds, time_column=time_column)
    found = [item for line in [heading, *lines] for item in growing.feed(f"{line}\n")]
    assert "a gap" in str(found.pop(2))
    rows = [item for item in found if isinstance(item, Rows)]
    assert np.concatenate([item.values for item in rows]).tolist() == [[0, 1], [1, 1], [2, 1], [3, 1]]
    assert [each.values.tolist() for each in whole] == [[[0, 1], [1, 1]], [[2, 1], [3, 1]]]
    assert [int(item.times[0]) for item in rows if item.times is not None] == [10**9 * time for time in times]


def test_a_line_that_no_table_has_is_named() -> None:
    (wrong,) = GrowingRows(("a",), "pump.csv").feed(f"a\n{'1' * 200_000}\n")
    assert "pump.csv: line 2 is not CSV" in str(wrong)


def test_times_of_rows_are_kept_as_long_as_they_may_be_named() -> None:
    clock = RowTimes()
    assert clock.at(5) == ""
    second = 10**9
    for row in range(100):
        clock.open_since = 40 if row > 45 else None
        clock.note(row, np.array([row * second]), kept=10)
    assert clock.at(40) == "1970-01-01 00:00:40"
    assert clock.at(99) == "1970-01-01 00:01:39"
    clock.note(103, np.array([103 * second]), kept=10)  # three rows before it could not be used
    assert clock.at(103) == "1970-01-01 00:01:43"


def test_a_first_line_without_the_learned_columns_is_refused():
    with pytest.raises(DataError, match="does not name c once"):
        list(GrowingRows(("a", "c"), "pump.csv").feed("a,b\n"))


def test_a_file_is_read_as_it_grows_and_refused_where_it_shrinks(tmp_path: Path):
    path = tmp_path / "pump.csv"
    path.write_text("a\n1\n")
    text = growing_text(path, wait=lambda seconds: None)
    assert [next(text), next(text)] == ["a\n1\n", ""]
    with path.open("a") as file:
        file.write("2\n")
    assert next(text) == "2\n"
    path.write_text("a\n")
    with pytest.raises(DataError, match="has become shorter"):
        list(zip(text, range(3), strict=False))


def test_a_pipe_is_read_until_it_is_closed_and_characters_may_come_in_parts():
    out, into = os.pipe()
    text = piped_text(out)
    os.write(into, "pré".encode()[:3])
    assert next(text) == "pr"
    os.write(into, "é\n".encode()[1:])
    assert next(text) == "é\n"
    os.write(into, b"\xff")
    os.close(into)
    with pytest.raises(DataError, match="no text in UTF-8"):
        list(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_may_be_marked_as_spreadsheets_mark_it(encoding: str) -> None:
    out, into = os.pipe()
    text, growing, found = piped_text(out), GrowingRows(("µ",), "pump.csv"), []
    for byte in "µ\n1\n2\n".encode(encoding):
        os.write(into, bytes([byte]))
        found += growing.feed(next(text))
    os.close(into)
    assert list(text) == [""]
    assert np.concatenate([item.values for item in found if isinstance(item, Rows)]).tolist() == [[1], [2]]


def test_lines_end_as_anywhere_and_pieces_end_within_them() -> None:
    out, into = os.pipe()
    text = piped_text(out)
    growing, found = GrowingRows(("a",), "pump.csv"), []
    for piece in (b"a\r", b"\n1\r2\r\n3\n", b"4\r"):
        os.write(into, piece)
        found += growing.feed(next(text))
    os.close(into)
    found += [item for piece in text for item in growing.feed(piece)]
    found += growing.feed("", last=True)
    assert np.concatenate([item.values for item in found if isinstance(item, Rows)]).tolist() == [[1], [2], [3], [4]]


def test_comments_are_no_rows_and_may_hold_the_heading() -> None:
    for text in ("# pump 7\n# time, a\n0,1\n# oil changed\n1,2\n", "time,a\n#\n0,1\n1,2\n"):
        (rows,) = GrowingRows(("a",), "pump.csv").feed(text)
        assert isinstance(rows, Rows)
        assert rows.values.tolist() == [[1], [2]]
    _, wrong, _ = GrowingRows(("a",), "pump.csv").feed("a\n0\n#DIV/0!\n1\n")
    assert "#DIV/0!" in str(wrong)


def test_a_file_that_is_exchanged_or_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    path.write_bytes("a µ\n1\n2 µ"[:-1].encode() + b"\xc2")  # the writer is half-way through a character
    text = growing_text(path, wait=lambda seconds: None)
    assert [next(text), next(text)] == ["a µ\n1\n2 ", ""]
    path.rename(tmp_path / "pump.csv.1")
    path.write_text("a µ\n")
    with pytest.raises(DataError, match="another file has taken its name while it was followed"):
        next(text)
    with pytest.raises(DataError, match="no such file, or no longer"):
        next(growing_text(tmp_path / "pump.csv.2"))
    with pytest.raises(DataError, match=r"cannot be followed \(Is a directory\); name a text table"):
        next(growing_text(tmp_path))
    (tmp_path / "pump.parquet").write_bytes(b"PAR1\xff")
    with pytest.raises(DataError, match=r"pump\.parquet: is no text in UTF-8, nor marked as UTF-16 \(byte 0xff\)"):
        next(growing_text(tmp_path / "pump.parquet"))
