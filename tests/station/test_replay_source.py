"""Replay of a folder: its order, its rate, its rounds."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from hizumi.station.sources import Arrival, source_from

NAMES = ["b/part-2_top.png", "b/part-10_top.png", "a/part-30_top.png", "part-4_top.PNG"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for age, name in enumerate(NAMES):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def replayed(folder: Path, limit: int = 1000, **keys: Any) -> list[Arrival]:
    async def gather() -> list[Arrival]:
        found = []
        source = source_from({"kind": "replay", "path": str(folder), "pictures_per_second": 1000.0, **keys})
        async with asyncio.timeout(20):
            async for arrival in source.arrivals():
                found.append(arrival)
                if len(found) == limit:
                    break
        return found

    return asyncio.run(gather())


def test_orders(folder: Path) -> None:
    def contents(order: str, limit: int = 1000, loop: bool = False) -> list[str]:
        return [each.content.decode() for each in replayed(folder, limit, order=order, loop=loop)]

    assert contents("name") == ["a/part-30_top.png", "b/part-2_top.png", "b/part-10_top.png", "part-4_top.PNG"]
    assert contents("time") == NAMES[::-1]
    assert contents("name", 8, loop=True) == contents("name") * 2
    rounds = contents("random", 40, loop=True)
    assert all(sorted(rounds[start : start + 4]) == sorted(NAMES) for start in range(0, 40, 4))
    assert len({tuple(rounds[start : start + 4]) for start in range(0, 40, 4)}) > 1


def test_each_showing_is_new_and_says_what_its_name_says(folder: Path) -> None:
    found = replayed(folder, name_pattern=r"part-(?P<part>\d+)_(?P<view>\w+)", name="demo", recipe="bricks")
    assert [(each.name, each.part, each.view) for each in found][:2] == [
        ("part-30_top.png", "30", "top"),
        ("part-2_top.png", "2", "top"),
    ]
    assert {(each.source, each.recipe, each.key, each.error) for each in found} == {("demo", "bricks", None, "")}


def test_the_rate_holds_and_time_lost_to_a_slow_station_is_not_made_up_for(folder: Path) -> None:
    async def measure() -> list[float]:
        moments = []
        source = source_from({"kind": "replay", "path": str(folder), "pictures_per_second": 10, "loop": True})
        async for _ in source.arrivals():
            moments.append(time.monotonic())
            if len(moments) == 3:
                await asyncio.sleep(0.5)
            if len(moments) == 6:
                return moments
        return []

    moments = asyncio.run(measure())
    assert moments[2] - moments[0] > 0.1
    assert moments[3] - moments[2] >= 0.5
    assert moments[5] - moments[3] > 0.1


def test_what_cannot_be_read_is_shown_with_the_reason_and_an_empty_folder_has_words_for_it(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.png")
    assert [(each.name, each.error) for each in replayed(tmp_path)] == [
        ("gone.png", "was changed or removed while it was read"),
        ("pipe.png", "could not be read (is not a regular file)"),
    ]
    source = source_from({"kind": "replay", "path": str(tmp_path / "none")})

    async def drain() -> None:
        async for _ in source.arrivals():
            pass

    asyncio.run(drain())
    assert source.trouble == "the folder cannot be listed (no such file or directory)"
