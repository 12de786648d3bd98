"""Tables of the log give back what the log holds, whoever reads them."""

import csv
import io
import json
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from hizumi.errors import LogError, MissingExtraError
from hizumi.station.exporting import (
    ALARMS,
    INSPECTIONS,
    alarms_of,
    csv_lines,
    export_csv,
    export_parquet,
    inspections_of,
)
from hizumi.station.log import Alarm, Log, Review
from tests.station.entries import START, entry, rich_entry


@pytest.fixture
def filled(lite: Log) -> Log:
    lite.add([entry(n, name=f"=cmd|'{n}", anomalous=[True, False, None][n % 3]) for n in range(6)])
    lite.add([replace(rich_entry(), score=2.5, terms={"residual": 1e-300, "名\udcff": 0.25})])
    lite.review(Review(entry(1).id, "defect", 'ann, "the boss"', "@scratch", "two\nlines", made_at=START))
    return lite


def test_csv_is_read_back_and_no_cell_is_a_formula(filled: Log, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    assert export_csv(inspections_of(filled), path) == 7
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [each.id for each in filled.every()]
    assert list(rows[0]) == list(INSPECTIONS)
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
    lines = csv_lines(inspections_of(filled, anomalous=False, until=entry(3).inspected_at))
    assert next(lines).startswith("id,inspected_at,")
    assert [next(csv.reader(io.StringIO(line)))[0] for line in lines] == [entry(1).id]


def test_parquet_is_read_back(filled: Log, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    path = tmp_path / "log.parquet"
    assert export_parquet(inspections_of(filled), path) == 7
    rows = pq.read_table(path).to_pylist()
    for row, each in zip(rows, filled.every(), strict=True):
        assert (row["id"], row["inspected_at"], row["score"]) == (each.id, each.inspected_at, each.score)
        assert row["regions"] == [asdict(box) for box in each.boxes]
        assert dict(row["terms"]) == {name.replace("\udcff", "\\xff"): value for name, value in each.terms.items()}
        assert (row["sampled"], row["pictures_removed_at"]) == (each.sampled, each.pruned_at)
    assert next(row for row in rows if row["label"])["reviewed_at"] == START
    assert export_parquet(inspections_of(filled, recipe="none"), path) == 0
    assert pq.read_table(path).num_rows == 0


def test_without_pyarrow_there_is_one_line(filled: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pip install pyarrow"):
        export_parquet(inspections_of(filled), tmp_path / "log.parquet")
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_log_that_fails_half_way_leaves_no_file(filled: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.csv"
    path.write_text("before")

    def fail(self: Log, ids: object) -> None:
        raise LogError("the log could not be read")

    monkeypatch.setattr(Log, "newest_reviews", fail)
    with pytest.raises(LogError):
        export_csv(inspections_of(filled), path)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir() if "tmp" in each.name] == []


MOVED = {"measure": "brightness", "way": -1, "before": 0.61, "now": 0.52, "sure": -9.0}
HOUR = timedelta(hours=1)


@pytest.fixture
def alarmed(lite: Log) -> Log:
    """A log of an alarm that somebody has seen and that is over, and of one that holds."""
    details = {"code": "brightness_lower", "since": START.isoformat(), "moved": [MOVED], "pictures": 412}
    charts = {"charts": ["brightness.ewma", "brightness.mean"], "reminders": 2, "reminded_at": START.isoformat()}
    lite.alarm(Alarm("=1+1", "the lamp", {**details, **charts}, START + HOUR, ended_at=START + 2 * HOUR, id="a"))
    assert lite.acknowledge("a", "@ann", 'a "new" lamp')
    lite.alarm(Alarm("bracket", "", {}, START + 3 * HOUR, id="b"))
    return lite


def test_alarms_are_read_back_from_csv_and_no_cell_is_a_formula(alarmed: Log, tmp_path: Path) -> None:
    assert export_csv(alarms_of(alarmed), tmp_path / "alarms.csv") == 2
    holds, over = csv.DictReader((tmp_path / "alarms.csv").read_text(encoding="utf-8").splitlines())
    assert list(over) == list(ALARMS)
    assert json.loads(over.pop("moved")) == [MOVED]
    assert over.pop("acknowledged_at") == alarmed.alarms()[1].acknowledged_at.isoformat()  # type: ignore[union-attr]
    assert over == {
        "id": "a",
        "recipe": "'=1+1",
        "since": "2026-03-02T06:00:00+00:00",
        "raised_at": "2026-03-02T07:00:00+00:00",
        "ended_at": "2026-03-02T08:00:00+00:00",
        "code": "brightness_lower",
        "words": "the lamp",
        "charts": "brightness.ewma; brightness.mean",
        "pictures": "412",
        "reminders": "2",
        "reminded_at": "2026-03-02T06:00:00+00:00",
        "acknowledged_by": "'@ann",
        "note": 'a "new" lamp',
    }
    assert (holds["id"], holds["ended_at"], holds["acknowledged_by"], holds["moved"]) == ("b", "", "", "[]")
    assert [row["id"] for row in alarms_of(alarmed, since=START + 2.5 * HOUR).rows] == ["b"]
    assert [row["id"] for row in alarms_of(alarmed, recipe="=1+1", until=START + 9 * HOUR).rows] == ["a"]


def test_alarms_are_read_back_from_parquet(alarmed: Log, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    assert export_parquet(alarms_of(alarmed), tmp_path / "alarms.parquet") == 2
    assert pq.read_table(tmp_path / "alarms.parquet").to_pylist() == list(alarms_of(alarmed).rows)
