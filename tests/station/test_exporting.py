"""Tables of the log give back what the log holds, whoever reads them."""

import csv
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from hizumi.errors import LogError, MissingExtraError
from hizumi.station.exporting import COLUMNS, csv_lines, export_csv, export_parquet
from hizumi.station.log import Log, Review
from tests.station.entries import START, entry, rich_entry


@pytest.fixture
def filled(lite: Log) -> Log:
    lite.add([entry(n, name=f"=cmd|'{n}", anomalous=[True, False, None][n % 3]) for n in range(6)])
    lite.add([replace(rich_entry(), score=2.5, terms={"residual": 1e-300, "名\udcff": 0.25})])
    lite.review(Review(entry(1).id, "defect", 'ann, "the boss"', "@scratch", "two\nlines", made_at=START))
    return lite


def test_csv_is_read_back_and_no_cell_is_a_formula(filled: Log, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    assert export_csv(filled, path) == 7
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [each.id for each in filled.every()]
    assert list(rows[0]) == list(COLUMNS)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row.values())
    rich, reviewed = rows[0], next(row for row in rows if row["id"] == entry(1).id)
    found = filled.entry(rich_entry().id)
    assert found is not None
    assert rich["inspected_at"] == found.inspected_at.isoformat()
    assert json.loads(rich["terms"]) == {"residual": 1e-300, "名\\xff": 0.25}
    assert json.loads(rich["regions"])[0] == asdict(found.boxes[0])
    assert float(rich["threshold"]) == found.threshold
    assert (rich["verdict"], rich["pictures_removed_at"]) == ("anomalous", START.isoformat())
    assert (reviewed["label"], reviewed["kind"], reviewed["reviewed_by"]) == ("defect", "'@scratch", 'ann, "the boss"')
    assert reviewed["review_note"] == "two\nlines"
    assert {row["verdict"] for row in rows} == {"good", "anomalous", "unjudged"}


def test_filters_hold_and_lines_come_one_by_one(filled: Log) -> None:
    lines = csv_lines(filled, anomalous=False, until=entry(3).inspected_at)
    assert next(lines).startswith("id,inspected_at,")
    assert [next(csv.reader(io.StringIO(line)))[0] for line in lines] == [entry(1).id]


def test_parquet_is_read_back(filled: Log, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    path = tmp_path / "log.parquet"
    assert export_parquet(filled, path) == 7
    rows = pq.read_table(path).to_pylist()
    for row, each in zip(rows, filled.every(), strict=True):
        assert (row["id"], row["inspected_at"], row["score"]) == (each.id, each.inspected_at, each.score)
        assert row["regions"] == [asdict(box) for box in each.boxes]
        assert dict(row["terms"]) == {name.replace("\udcff", "\\xff"): value for name, value in each.terms.items()}
        assert (row["sampled"], row["pictures_removed_at"]) == (each.sampled, each.pruned_at)
    assert next(row for row in rows if row["label"])["reviewed_at"] == START
    assert export_parquet(filled, path, recipe="none") == 0
    assert pq.read_table(path).num_rows == 0


def test_without_pyarrow_there_is_one_line(filled: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pip install pyarrow"):
        export_parquet(filled, tmp_path / "log.parquet")
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_log_that_fails_half_way_leaves_no_file(filled: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.csv"
    path.write_text("before")

    def fail(self: Log, ids: object) -> None:
        raise LogError("the log could not be read")

    monkeypatch.setattr(Log, "newest_reviews", fail)
    with pytest.raises(LogError):
        export_csv(filled, path)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir() if "tmp" in each.name] == []
