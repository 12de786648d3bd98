"""Trials of the log: many writers at once, and writers that are killed."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from hizumi.station.log import Delivery, Log
from tests.station.entries import entry

ROOT = Path(__file__).parents[2]
ENDLESS = """
import itertools, sys
from hizumi.station.log import Alarm, Delivery, Log, Taken
from tests.station.entries import entry
log = Log.open(sys.argv[1])
for number in itertools.count(int(sys.argv[2])):
    made = entry(number)
    messages = [Delivery("hook", {}, made.id), Delivery("lamp", {}, None)]
    alarms, states = [Alarm("parts", "darker", id=made.id)], {"watch": made.id}
    log.add([made], messages, [Taken("folder", str(number), made.id)], alarms=alarms, states=states)
    print(number, flush=True)
"""


def lost_by_writers(url: str, writers: int, rows: int) -> int:
    """How many inspections, or their deliveries, are not in the log after processes that wrote at the same time."""
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_write, args=(url, n, rows)) for n in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * writers
    with closing(Log.open(url)) as log:
        kept = {each.id for each in log.every()}
        delivered = log.backlog()["hook"][0]
    expected = {entry(n * 100_000 + row).id for n in range(writers) for row in range(rows)}
    assert kept <= expected
    return len(expected - kept) + abs(writers * rows - delivered)


def harm_by_kills(path: Path, kills: int) -> list[str]:
    """What was wrong with a SQLite log after each of some kills of its writer, in words.

    Each inspection goes with its message and its file, with a drift alarm and the message of that, and with the state
    of the watch; after a kill none of them may be there alone.
    """
    harm = []
    for kill in range(kills):
        answered = _killed(path, kill)
        with closing(Log.open(f"sqlite:///{path}")) as log:
            kept = {each.id for each in log.every()}
            newest = log.find(limit=1).entries[0].id
            messages = log.backlog()
            alarms, state = {alarm.id for alarm in log.alarms()}, log.state("watch")
        with closing(sqlite3.connect(path)) as connection:
            whole = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            taken = {row[0] for row in connection.execute("SELECT inspection_id FROM taken")}
        if not {entry(number).id for number in answered} <= kept:
            harm.append(f"kill {kill}: a verdict that had been answered was lost")
        told = messages == {"hook": (len(kept), 0), "lamp": (len(kept), 0)}
        if not (whole and taken == kept == alarms and told and state == newest):
            harm.append(f"kill {kill}: the log was not whole")
    return harm


def _killed(path: Path, kill: int) -> list[int]:
    """Numbers of the inspections that a writer had answered before it was killed."""
    command = [sys.executable, "-c", ENDLESS, f"sqlite:///{path}", str(kill * 1_000_000)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    answered = [int(process.stdout.readline()) for _ in range(3 + kill % 5)]
    time.sleep(0.003 * kill)
    os.kill(process.pid, signal.SIGKILL)
    answered += map(int, process.stdout.read().split())
    process.stdout.close()
    process.wait()
    return answered


def _write(url: str, writer: int, rows: int) -> None:
    with closing(Log.open(url, patience_seconds=60)) as log:
        for row in range(rows):
            made = entry(writer * 100_000 + row)
            log.add([made], [Delivery("hook", {"row": row}, made.id)])
