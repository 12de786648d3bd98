"""Parquet, Feather and Arrow files of rows: read as the text table and the frame of the same cells are."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hizumi.data import Manifest, open_source
from hizumi.errors import DataError, MissingExtraError, ShortageError


def to_arrow_stream(table: pd.DataFrame, path: Path) -> None:
    arrow = pa.Table.from_pandas(table)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, arrow.schema) as writer:
        writer.write_table(arrow)


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "rows.parquet": pd.DataFrame.to_parquet,
    "rows.feather": pd.DataFrame.to_feather,
    "rows.arrow": to_arrow_stream,
}


def table() -> pd.DataFrame:
    numbers = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "serial": [f"P{number:03}" for number in range(40)],
            "volt": 230 + numbers.normal(size=40),
            "bar": [None, *numbers.normal(size=39)],
            "ready": numbers.random(40) > 0.5,
            "shift": pd.Categorical(numbers.choice(["early", "late"], 40)),
            "passed": np.where(np.arange(40) < 36, "good", "bad"),
        }
    )


def values(manifest: Manifest) -> np.ndarray:
    assert isinstance(manifest.arrays, np.ndarray)
    return manifest.arrays


@pytest.mark.parametrize("name", WRITERS)
def test_rows_are_understood_as_those_of_text_tables_and_frames(name: str, tmp_path: Path) -> None:
    WRITERS[name](table(), tmp_path / name)
    table().to_csv(tmp_path / "rows.csv", index=False)
    options: dict[str, Any] = {"one_hot": True, "impute": True, "id_column": "serial", "label_column": "passed"}
    one = open_source(tmp_path / name, **options)
    of_words = ("'ready': true and false are read as 1 and 0",)  # elsewhere they have a type of their own
    others = (open_source(tmp_path / "rows.csv", **options), of_words), (open_source(table(), **options), ())
    for other, notes in others:
        assert (one.columns, one.table, one.notes) == (other.columns, other.table, ())
        assert other.notes == notes
        np.testing.assert_allclose(values(one), values(other), rtol=1e-14)
        assert [(each.name, each.label) for each in one.records] == [(each.name, each.label) for each in other.records]
    assert [each.label for each in one.records] == [0] * 36 + [1] * 4
    later = open_source(tmp_path / name, table=one.table)
    np.testing.assert_array_equal(values(later), values(one))


def test_the_index_of_a_frame_names_its_rows(tmp_path: Path) -> None:
    numbers = pd.DataFrame(np.random.default_rng(0).normal(size=(3, 2)), columns=["a", "b"])
    for index, names in (
        (None, ["row 0", "row 1", "row 2"]),
        (pd.Index(["x", "y", "y"]), ["x", "y", "y (2)"]),
        (pd.Index(["x", "y", "z"], name="serial"), ["x", "y", "z"]),
        (pd.MultiIndex.from_tuples([("k", 1), ("k", 2), ("l", 1)]), ["k, 1", "k, 2", "l, 1"]),
    ):
        (numbers if index is None else numbers.set_index(index)).to_parquet(tmp_path / "a.parquet")
        manifest = open_source(tmp_path / "a.parquet")
        assert manifest.columns == ("a", "b")
        assert [record.name for record in manifest.records] == names


def test_a_file_may_list_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / f"{name}.png")
    pd.DataFrame({"path": ["a.png", "b.png"], "label": ["good", "scratch"]}).to_parquet(tmp_path / "list.parquet")
    records = open_source(tmp_path / "list.parquet").records
    assert [(record.name, record.label, record.path) for record in records] == [
        ("a.png", 0, tmp_path / "a.png"),
        ("b.png", 1, tmp_path / "b.png"),
    ]


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a.parquet"
    column = pa.array([1.0, 2.0])
    cases = [
        (pa.table({"a": column, "b": [[1, 2], [3, 4]]}), "column 'b' holds several values in each row"),
        (pa.table({"a": column, "b": [b"\1" * 1000, b""]}), r"column 'b': .b'.{10,200}\.\.\.. is not a number"),
        (pa.table([column, column], names=["a", "a"]), "'a'"),
        (pa.table({"a": column[:0]}), "holds no rows"),
        (pa.table({"a": ["x", "y"]}), "'x' is not a number"),
    ]
    for content, said in cases:
        pq.write_table(content, place)
        with pytest.raises(DataError, match=rf"a\.parquet.*{said}"):
            open_source(place)
    for name in ("a.parquet", "a.feather"):
        (tmp_path / name).write_bytes(b"PAR1 and no more")
        with pytest.raises(DataError, match=rf"{name}: cannot be read .*; copy it again"):
            open_source(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(DataError, match=r"pipe\.parquet: cannot be read \(is a pipe, .*, not a regular file\)$"):
        open_source(tmp_path / "pipe.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pip install pyarrow"):
        open_source(place)


def test_a_small_file_that_unfolds_beyond_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"a": np.zeros(2_000_000)}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    monkeypatch.setattr("hizumi.memory.free_bytes", lambda: 2**20)
    with pytest.raises(ShortageError, match=r"a\.parquet: a table of 2,000,000 rows takes 1 GiB of memory"):
        open_source(tmp_path / "a.parquet")
