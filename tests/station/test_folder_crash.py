"""A station that is killed again and again while files come: each file gets one entry, and is put away."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from hizumi.station.log import Log

WORKER = """
import asyncio, hashlib, sys
from hizumi.station import Entry
from hizumi.station.log import Log, Taken
from hizumi.station.sources import source_from
url, folder, after = sys.argv[1:]

async def judge():
    log = Log.open(url)
    table = {"kind": "folder", "path": folder, "settle_seconds": 0.05, "after": after}
    if after == "move":
        table["move_to"] = folder + "/done"
    source = source_from(table, taken_for=log.taken_for)
    print("ready", flush=True)
    async for arrival in source.arrivals():
        content = hashlib.sha256(arrival.content).hexdigest()
        entry = Entry("recipe", arrival.name, content, "0" * 64, False, source=arrival.source)
        log.add([entry], taken=[Taken(arrival.source, arrival.key, entry.id)])
        await source.done(arrival, entry)

asyncio.run(judge())
"""


def killed_while_files_come(root: Path, kills: int, after: str) -> tuple[list[str], Counter[str], set[str]]:
    """Names of files that were written, of the log's entries, and of the files that lie in the folder at the end."""
    folder = root / "in"
    folder.mkdir(parents=True)
    url = f"sqlite:///{root / 'log.db'}"
    Log.open(url).close()
    numbers = random.Random(kills)
    written: list[str] = []

    def write(count: int) -> None:
        for _ in range(count):
            name = f"part-{len(written):04}.png"
            (folder / name).write_bytes(os.urandom(numbers.randrange(1, 50_000)))
            written.append(name)

    for kill in range(kills + 1):
        write(20)
        worker = subprocess.Popen([sys.executable, "-c", WORKER, url, str(folder), after], stdout=subprocess.PIPE)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        write(20)
        if kill < kills:
            time.sleep(numbers.uniform(0.05, 0.4))
        else:
            _wait_for(url, len(written))
            time.sleep(0.3)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    log = Log.open(url)
    found = Counter(entry.name for entry in log.every())
    log.close()
    return written, found, {path.name for path in folder.iterdir() if path.is_file()}


def test_each_file_has_one_entry_however_often_the_station_is_killed(tmp_path: Path) -> None:
    written, found, left = killed_while_files_come(tmp_path, 2, "move")
    assert found == Counter(written)
    assert left == set()


def _wait_for(url: str, count: int) -> None:
    log = Log.open(url)
    began = time.monotonic()
    while log.count() < count and time.monotonic() - began < 30:
        time.sleep(0.05)
    log.close()
