"""Text that comes in pieces gives the rows of the whole, and names lines that cannot be used."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hizumi.data.series.growing import GrowingRows, growing_text, piped_text
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
    rows = np.concatenate([item for item in items if not isinstance(item, DataError)])
    assert rows.tolist() == [[2, 1.5], [40, -3], [7, 6], [9, 8]]
    assert [str(item) for item in items if isinstance(item, DataError)] == [
        "pump.csv: line 5, column 'b': x is no number",
        "pump.csv: line 6, column 'b': missing is no number",
        "pump.csv: line 7 has 2 cells, the first one 3",
    ]


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
