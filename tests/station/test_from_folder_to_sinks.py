"""A whole station between a watched folder and its sinks: parts of two views, whole, marked, incomplete and broken."""

import asyncio
import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi import Inspector
from hizumi.bundles import save
from hizumi.station.station import Station
from hizumi.station.station_file import read_station_file

FILE = """
[[recipes]]
name = "parts"
bundle = "parts.hizumi"
parts = ["*"]
views = ["top", "side"]
view_seconds = 10.0

[drift]

[[sources]]
kind = "folder"
path = "in"
name_pattern = '^(?P<part>[A-Z]\\d+)_(?P<view>top|side)'
after = "move"
move_to = "done"

[[sinks]]
kind = "csv"
path = "verdicts"

[[sinks]]
kind = "alarm_folder"
path = "alarms"
"""


def picture(path: Path, generator: np.random.Generator, marked: bool = False) -> None:
    pixels = generator.normal(128, 8, (32, 32)).clip(0, 255).astype(np.uint8)
    if marked:
        pixels[5:25, 5:25] = 255
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.mark.slow
def test_each_part_has_one_verdict_and_none_is_good_that_was_not_seen_whole(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(60):
        picture(tmp_path / "good" / f"{number}.png", generator)
    inspector = Inspector("mahalanobis").fit(tmp_path / "good")
    save(inspector, tmp_path / "parts.hizumi")
    best = min(inspector.inspect(tmp_path / "good"), key=lambda verdict: verdict.score)
    assert not best.anomalous
    (tmp_path / "station.toml").write_text(FILE)
    names = ["A1_top", "A1_side", "B2_top", "B2_side", "C3_top"]
    for name in names:
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.png").write_bytes((tmp_path / "good" / best.name).read_bytes())
    picture(tmp_path / "in" / "B2_side.png", generator, marked=True)
    (tmp_path / "in" / "D4_top.png").write_bytes(b"broken")

    async def work() -> None:
        station = Station.open(read_station_file(tmp_path / "station.toml"))
        station.start()
        began = time.monotonic()
        # Whatever is still to be told at the end is told after the next start.
        while (len(rows(tmp_path)) < 4 or has_more_to_tell(station)) and time.monotonic() - began < 60:
            await asyncio.sleep(0.1)
        await station.close()

    asyncio.run(work())
    assert {row["part"]: row["verdict"] for row in rows(tmp_path)} == {
        "A1": "good",
        "B2": "anomalous",
        "C3": "unjudged",
        "D4": "unjudged",
    }
    assert list((tmp_path / "in").iterdir()) == []
    assert sorted(path.stem for path in (tmp_path / "done").iterdir()) == sorted([*names, "D4_top"])
    alarms = [json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "alarms").rglob("*.json")]
    assert sorted((alarm["part"], len(alarm["pictures"])) for alarm in alarms) == [("B2", 2), ("C3", 1), ("D4", 1)]


def has_more_to_tell(station: Station) -> bool:
    return any(waiting for waiting, _ in station.log.backlog().values())


def rows(root: Path) -> list[dict[str, str]]:
    found = []
    for path in (root / "verdicts").glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            found += list(csv.DictReader(file))
    return found
