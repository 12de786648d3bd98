"""A station that is killed while parts wait for views: each part gets one verdict, of all views or with the reason."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hizumi.station.consequences import INTERRUPTED
from hizumi.station.log import Log

VIEWS = ("top", "side")
WORKER = """
import asyncio, hashlib, sys
from pathlib import Path
from hizumi.monitoring import WatchSettings
from hizumi.station import Entry
from hizumi.station.consequences import Consequences
from hizumi.station.drift import Drift
from hizumi.station.keeping import Keeper, Losses, ToKeep
from hizumi.station.log import Log, Taken
from hizumi.station.pictures import Pictures
from hizumi.station.sinks import sinks_from
from hizumi.station.sources import source_from
from hizumi.station.station_file import RecipeSettings
url, root, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
recipe = RecipeSettings(name="parts", bundle=root, views=("top", "side"), view_seconds=seconds)

async def judge():
    log, pictures = Log.open(url), Pictures(root / "pictures")
    sinks = sinks_from(({"kind": "csv", "path": "verdicts"},), picture_of=pictures.read, root=root)
    drift = Drift(log, {}, WatchSettings(), learns_here=True)
    keeper = Keeper(log, pictures, Consequences("station", log, sinks, drift, [recipe]), Losses())
    table = {"kind": "folder", "path": str(root / "in"), "settle_seconds": 0.05, "after": "delete",
             "name_pattern": r"^(?P<part>P[0-9]+)_(?P<view>top|side)"}
    source = source_from(table, taken_for=log.taken_for)

    async def look_for_late_views():
        while True:
            keeper.keep_late_views()
            await asyncio.sleep(0.1)

    late = asyncio.create_task(look_for_late_views())
    print("ready", flush=True)
    async for arrival in source.arrivals():
        content = hashlib.sha256(arrival.content).hexdigest()
        known = {"source": arrival.source, "part": arrival.part, "view": arrival.view}
        entry = Entry("parts", arrival.name, content, "0" * 64, False, **known)
        taken = Taken(arrival.source, arrival.key, entry.id)
        kept = await asyncio.wrap_future(keeper.submit(ToKeep(entry, b"", None, taken)))
        await source.done(arrival, kept.entry)

asyncio.run(judge())
"""


@contextmanager
def station_at_work(root: Path, view_seconds: float) -> Iterator[None]:
    """A station over a folder, of a fake detector; killed in the end."""
    command = [sys.executable, "-c", WORKER, url_of(root), str(root), str(view_seconds)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    yield
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()


def url_of(root: Path) -> str:
    return f"sqlite:///{root / 'log.db'}"


def parts_told(root: Path) -> list[dict[str, Any]]:
    log = Log.open(url_of(root))
    messages = log.due("csv", datetime.now(UTC), 100_000)
    log.close()
    return [message.payload for message in messages]


def wait_for(holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds() and time.monotonic() - began < 30:
        time.sleep(0.05)


def killed_while_views_come(root: Path, kills: int) -> tuple[list[str], list[dict[str, Any]]]:
    """Codes of parts whose views were written, in any order, and what sinks are told of parts."""
    (root / "in").mkdir(parents=True)
    numbers = random.Random(kills)
    parts: list[str] = []
    waiting: list[str] = []

    def write(count: int) -> None:
        for _ in range(count):
            parts.append(f"P{len(parts)}")
            waiting.extend(f"{parts[-1]}_{view}.png" for view in VIEWS)
        numbers.shuffle(waiting)
        for _ in range(2 * count):
            (root / "in" / waiting.pop()).write_bytes(os.urandom(100))

    for kill in range(kills + 1):
        with station_at_work(root, view_seconds=600):
            write(10)
            if kill < kills:
                time.sleep(numbers.uniform(0.05, 0.4))
            else:
                wait_for(lambda: len(parts_told(root)) >= len(parts))
                time.sleep(0.3)
    return parts, parts_told(root)


def test_each_part_has_one_verdict_from_all_its_views_however_often_the_station_is_killed(tmp_path: Path) -> None:
    parts, told = killed_while_views_come(tmp_path, 2)
    assert sorted(each["part"] for each in told) == sorted(parts)
    for each in told:
        assert (each["anomalous"], {view["view"] for view in each["views"]}) == (False, set(VIEWS))


@pytest.mark.slow
def test_a_part_cut_off_for_longer_than_views_are_waited_for_is_not_judged_and_noted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with station_at_work(tmp_path, view_seconds=1.0):
        (tmp_path / "in" / "P1_top.png").write_bytes(b"top")
        wait_for(lambda: not any((tmp_path / "in").iterdir()))
        assert parts_told(tmp_path) == []
    time.sleep(1.0)
    with station_at_work(tmp_path, view_seconds=1.0):
        (tmp_path / "in" / "P1_side.png").write_bytes(b"side")  # perhaps of another part of that code
        wait_for(lambda: len(parts_told(tmp_path)) == 2)
    reasons = {each["views"][0]["view"]: (each["anomalous"], each["reason"]) for each in parts_told(tmp_path)}
    assert reasons == {
        "top": (None, "no picture came of side; the station was cut off meanwhile"),
        "side": (None, "no picture came of top"),
    }
    log = Log.open(url_of(tmp_path))
    [note] = log.audit(what=INTERRUPTED)
    log.close()
    assert (note.details["part"], note.why) == ("P1", reasons["top"][1])
