"""The folder of alarms and the CSV files: hostile names, repetitions, torn lines, days."""

import asyncio
import csv
import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hizumi.errors import DataError
from hizumi.station.sinks import DeliveryError, Sink, sink_from
from hizumi.station.views import Views
from tests.station.entries import START, entry, rich_entry

PAYLOAD = {
    "event": "inspection",
    "anomalous": True,
    "name": "=cmd|' /C calc'!A0\nä.png",
    "recipe": "bricks",
    "part": "-12",
    "view": "",
    "score": 2.5,
    "p_value": 0.0,
    "threshold": 1.5,
    "boxes": [{"left": 1}, {"left": 2}],
    "picture_sha256": "aa",
    "inspected_at": "2026-03-01T01:30:00+02:00",
    "delivery_id": "d1",
}


def delivered(sink: Sink, *payloads: dict[str, Any]) -> None:
    async def deliver() -> None:
        for payload in payloads:
            await sink.deliver(payload)
        await sink.close()

    asyncio.run(deliver())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_lie_in_the_file_of_their_day_once_each_in_safe_cells(tmp_path: Path) -> None:
    next_day = {"inspected_at": "2026-03-01T00:00:00+00:00", "delivery_id": "d2", "anomalous": None, "name": "b.png"}
    table = {"kind": "csv", "path": str(tmp_path / "days")}
    delivered(sink_from(table), PAYLOAD, PAYLOAD, PAYLOAD | next_day, PAYLOAD | {"delivery_id": "d3"})
    delivered(sink_from(table), PAYLOAD, PAYLOAD | {"delivery_id": "d4"})  # after a restart
    first, second = tmp_path / "days" / "2026-02-28.csv", tmp_path / "days" / "2026-03-01.csv"
    assert sorted((tmp_path / "days").iterdir()) == [first, second]
    assert [row["delivery_id"] for row in rows(first)] == ["d1", "d3", "d4"]
    assert [(row["verdict"], row["name"]) for row in rows(second)] == [("unjudged", "b.png")]
    row = rows(first)[0]
    assert row["inspected_at"] == "2026-02-28T23:30:00+00:00"
    assert (row["name"], row["part"]) == ("'=cmd|' /C calc'!A0\\x0aä.png", "'-12")
    assert (row["verdict"], row["score"], row["p_value"], row["regions"]) == ("anomalous", "2.5", "0.0", "2")
    assert len(first.read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize("kept", [0, 5, 300, -1])
def test_a_line_cut_short_by_a_crash_is_written_again_whole(tmp_path: Path, kept: int) -> None:
    table = {"kind": "csv", "path": str(tmp_path)}
    delivered(sink_from(table), PAYLOAD, PAYLOAD | {"delivery_id": "d2"})
    path = tmp_path / "2026-02-28.csv"
    path.write_bytes(path.read_bytes()[:kept])
    delivered(sink_from(table), PAYLOAD, PAYLOAD | {"delivery_id": "d2"})
    assert [row["delivery_id"] for row in rows(path)] == ["d1", "d2"]


@pytest.mark.parametrize("cut", [0, 9, 400])
def test_a_row_that_a_full_disk_took_in_part_or_whole_is_there_once_when_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    sink, path, fsync = sink_from({"kind": "csv", "path": str(tmp_path)}), tmp_path / "2026-02-28.csv", os.fsync

    def full(file: int) -> None:
        os.truncate(path, max(path.stat().st_size - cut, 0))
        monkeypatch.setattr(os, "fsync", fsync)
        raise OSError(errno.ENOSPC, "No space left on device")

    delivered(sink, PAYLOAD)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeliveryError, match="no space left on device"):
        delivered(sink, PAYLOAD | {"delivery_id": "d2"})
    delivered(sink, PAYLOAD, PAYLOAD | {"delivery_id": "d2"}, PAYLOAD | {"delivery_id": "d3"})
    assert [row["delivery_id"] for row in rows(path)] == ["d1", "d2", "d3"]
    assert all(None not in row for row in rows(path)), "no line holds more than a row"


def test_a_repetition_is_known_at_the_end_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hizumi.station.sinks.csv_file.TAIL_BYTES", 1000)
    monkeypatch.setattr("hizumi.station.sinks.csv_file.ROWS_KNOWN", 3)
    table = {"kind": "csv", "path": str(tmp_path)}
    payloads = [PAYLOAD | {"delivery_id": f"d{number}"} for number in range(50)]
    delivered(sink_from(table), *payloads)
    delivered(sink_from(table), *payloads[-3:])
    assert [row["delivery_id"] for row in rows(tmp_path / "2026-02-28.csv")] == [f"d{number}" for number in range(50)]


def test_a_file_of_another_kind_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "2026-02-28.csv"
    path.write_text("time,name\n1,a\n2")
    with pytest.raises(DeliveryError, match=r"2026-02-28\.csv has other columns; move it away"):
        delivered(sink_from({"kind": "csv", "path": str(tmp_path)}), PAYLOAD)
    assert path.read_text() == "time,name\n1,a\n2"


def test_alarms_are_a_picture_and_its_record(tmp_path: Path) -> None:
    kept = {"aa": b"picture"}
    sink = sink_from({"kind": "alarm_folder", "path": str(tmp_path / "alarms")}, picture_of=kept.get)
    assert [sink.wants(PAYLOAD | {"anomalous": verdict}) for verdict in (True, None, False)] == [True, True, False]
    hostile = {"delivery_id": "../../x", "name": "../../../etc/passwd.sh", "picture_sha256": "aa"}
    drift = {"event": "drift", "id": "../a1", "raised_at": "2026-03-01T22:00:00+00:00"}
    told = {"d8": "2026-03-01T22:00:01+00:00", "d9": "2026-03-02T06:30:00+00:00"}
    delivered(sink, PAYLOAD, PAYLOAD, PAYLOAD | hostile)
    delivered(sink, *[drift | {"delivery_id": own, "told_at": at} for own, at in told.items()])
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "alarms/2026-02-28/233000-d1-0.png",
        "alarms/2026-02-28/233000-d1.json",
        "alarms/2026-02-28/233000-x-0.bin",
        "alarms/2026-02-28/233000-x.json",
        "alarms/2026-03-01/220001-drift-a1-d8.json",
        "alarms/2026-03-02/063000-drift-a1-d9.json",  # what was raised at night is over in the morning
    }
    views = Views("bricks", ("top", "side"), 5)
    verdicts = [
        *views.add(entry(1, part="A1", view="top", anomalous=True, picture_sha256="aa", inspected_at=START), START),
        *views.add(entry(2, part="A1", view="side", picture_sha256="bb", inspected_at=START), START),
    ]
    delivered(sink, *[{**verdict.to_dict(), "event": "part", "delivery_id": "d8"} for verdict in verdicts])
    part = json.loads((tmp_path / "alarms/2026-03-02/060000-d8.json").read_text(encoding="utf-8"))
    assert part["pictures"] == ["060000-d8-0.png"]  # the other view is not kept any more
    assert [view["view"] for view in part["views"]] == ["top", "side"]
    record = json.loads((tmp_path / "alarms/2026-02-28/233000-d1.json").read_text(encoding="utf-8"))
    assert record == {**PAYLOAD, "pictures": ["233000-d1-0.png"]}
    assert (tmp_path / "alarms/2026-02-28/233000-d1-0.png").read_bytes() == b"picture"


def test_an_alarm_is_told_although_its_picture_was_damaged_on_the_disk(tmp_path: Path) -> None:
    def damaged(sha256: str) -> bytes:
        raise DataError(f"the picture {sha256} was damaged on the disk")

    sink = sink_from({"kind": "alarm_folder", "path": str(tmp_path / "alarms")}, picture_of=damaged)
    delivered(sink, PAYLOAD)
    record = json.loads((tmp_path / "alarms/2026-02-28/233000-d1.json").read_text(encoding="utf-8"))
    assert record == {**PAYLOAD, "pictures": []}


def test_the_row_of_a_part_counts_the_regions_of_all_views(tmp_path: Path) -> None:
    views = Views("bricks", ("top", "side"), 5)
    both = [replace(rich_entry(), part="A1", view=view) for view in ("top", "side")]
    [verdict] = [verdict for each in both for verdict in views.add(each, START)]
    sink = sink_from({"kind": "csv", "path": str(tmp_path)})
    delivered(sink, {**verdict.to_dict(), "event": "part", "delivery_id": "d1"})
    assert rows(tmp_path / "2026-03-02.csv")[0]["regions"] == str(sum(len(each.boxes) for each in both))


def test_folders_that_cannot_be_written_are_tried_again_and_show_no_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for kind in ("csv", "alarm_folder"):
        with pytest.raises(DeliveryError) as caught:
            delivered(sink_from({"kind": kind, "path": str(tmp_path / "file" / "inner")}), PAYLOAD)
        assert caught.value.retry
        assert "not a directory" in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
