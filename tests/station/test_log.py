"""The log keeps what it is given, on SQLite and on PostgreSQL."""

import dataclasses
import itertools
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from hizumi.errors import LogError, UsageError
from hizumi.station.entry_record import entry_of, entry_record
from hizumi.station.log import Alarm, AuditEvent, Counts, Delivery, Log, Review, Taken
from tests.station.entries import START, entry, rich_entry
from tests.station.trials import harm_by_kills, lost_by_writers


def stored(name: str) -> str:
    return name.replace("\udcff", "\\xff").replace("\0", "\\x00")


def test_an_inspection_comes_back_as_it_was_given(log: Log) -> None:
    given = rich_entry()
    assert all(getattr(given, field.name) is not None for field in dataclasses.fields(given))
    assert log.add([given, entry(1)]) == (given.id, entry(1).id)
    assert log.entry(given.id) == dataclasses.replace(given, name=stored(given.name))
    assert log.entry(entry(1).id) == entry(1)
    assert log.entry("f" * 32) is None


def test_the_record_of_an_inspection_is_json_and_comes_back() -> None:
    given = dataclasses.replace(rich_entry(), score=2.0, terms={"a": 1.0}, boxes=rich_entry().boxes[:1])
    text = json.dumps(entry_record(given), allow_nan=False).encode("utf-8")
    again = entry_of(json.loads(text))
    escaped = tuple(note.replace("\udc80", "\\x80") for note in given.notes)
    assert again == dataclasses.replace(given, name=given.name.replace("\udcff", "\\xff"), notes=escaped)
    assert entry_record(rich_entry())["score"] is None


def test_times_are_of_any_zone_and_never_of_none(log: Log) -> None:
    tokyo = timezone(timedelta(hours=9))
    moment = datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=tokyo)
    log.add([entry(1, inspected_at=moment)])
    found = log.entry(entry(1).id)
    assert found is not None
    assert (found.inspected_at, found.inspected_at.tzinfo) == (moment, UTC)
    with pytest.raises(LogError, match="no zone"):
        log.add([entry(2), entry(3, inspected_at=moment.replace(tzinfo=None))])
    with pytest.raises(LogError, match="NaN"):
        log.add([entry(2), entry(3, score=float("nan"))])
    assert log.count() == 1, "the good ones of a refused transaction were kept"


def test_whatever_is_asked_for_is_not_there(log: Log) -> None:
    log.add([entry(1)])
    for key in ("", "\0", "\udcff", "'; DROP TABLE inspections; --", "x" * 5000, "%", "日本"):
        assert log.entry(key) is None
        assert log.reviews(key) == ()
        assert log.newest_reviews([key]) == {}
        assert log.keys_in_use([key]) == set()
        assert log.state(key) is None
        assert not log.acknowledge(key, "ann")
        assert log.find(before=key, recipe=key, part=key).entries == ()
        with pytest.raises(UsageError):
            log.review(Review(key, "good", "ann"))


def test_threads_share_a_log(log: Log) -> None:
    def write(writer: int) -> None:
        for row in range(10):
            log.add([entry(1000 * writer + row)])
            log.find(limit=3)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    assert log.count() == 80


def test_a_repeated_id_changes_nothing(log: Log) -> None:
    log.add([entry(1)])
    assert log.add([entry(1, score=9.0), entry(2)]) == (entry(2).id,)
    assert log.entry(entry(1).id) == entry(1)


def test_each_filter_finds_what_brute_force_finds(log: Log) -> None:
    labels = ["good", "defect", "unsure", None]
    entries = [
        entry(
            number,
            recipe=["bracket", "Lid%_"][number % 2],
            anomalous=[True, False, None][number % 3],
            sampled=number % 5 == 0,
            part=f"P{number % 4}",
            bundle_sha256=["a" * 64, "b" * 64][number // 7 % 2],
        )
        for number in range(24)
    ]
    log.add(entries)
    newest = {}
    for number, label in zip([0, 3, 3, 5, 5, 6, 8, 13], itertools.cycle(labels), strict=False):
        log.review(Review(entries[number].id, label, "ann"))  # type: ignore[arg-type]
        newest[entries[number].id] = label
    since, until = START + timedelta(minutes=4), START + timedelta(minutes=19)
    for filters, keeps in [
        ({"recipe": "bracket"}, lambda e: e.recipe == "bracket"),
        ({"part": "P2"}, lambda e: e.part == "P2"),
        ({"bundles": ("a" * 64,)}, lambda e: e.bundle_sha256[0] == "a"),
        ({"anomalous": True}, lambda e: e.anomalous is True),
        ({"anomalous": False}, lambda e: e.anomalous is False),
        ({"judged": False}, lambda e: e.anomalous is None),
        ({"judged": True, "sampled": True}, lambda e: e.anomalous is not None and e.sampled),
        ({"reviewed": True}, lambda e: newest.get(e.id) is not None),
        ({"reviewed": False}, lambda e: newest.get(e.id) is None),
        ({"label": "good"}, lambda e: newest.get(e.id) == "good"),
        ({"since": since, "until": until}, lambda e: since <= e.inspected_at < until),
        ({"text": "lid%"}, lambda e: "lid%" in e.recipe.lower()),
        ({"text": "-001"}, lambda e: "-001" in e.name),
        ({"text": "\udcff"}, lambda e: False),
        ({"recipe": None, "kept": True}, lambda e: True),
        ({}, lambda e: True),
    ]:
        expected = [each for each in reversed(entries) if keeps(each)]
        assert list(log.find(limit=100, **filters).entries) == expected, filters
        assert list(log.every(chunk=4, **filters)) == expected
        assert log.count(**filters) == len(expected)
        verdicts = [sum(each.anomalous is kind for each in expected) for kind in (False, True, None)]
        assert log.counts(newest=5, **filters) == Counts(*verdicts, tuple(each.id for each in expected[:5]))
    assert set(newest.values()) == set(labels)
    with pytest.raises(UsageError, match="colour"):
        log.count(colour="red")  # type: ignore[call-arg]


def test_pages_neither_repeat_nor_leave_out_while_new_ones_come(log: Log) -> None:
    log.add([entry(number) for number in range(10, 20)])
    first = log.find(limit=4)
    log.add([entry(number) for number in range(20, 25)])
    second = log.find(limit=4, before=first.next)
    third = log.find(limit=4, before=second.next)
    assert [each.id for page in (first, second, third) for each in page.entries] == [
        entry(number).id for number in range(19, 9, -1)
    ]
    assert third.next is None
    assert log.find(limit=10, before=entry(20).id).next is None


def test_reviews_are_appended_and_the_newest_counts(log: Log) -> None:
    log.add([entry(1), entry(2)])
    triangle = ((0.0, 0.0), (4.5, 0.0), (0.0, 3.0))
    words = [
        Review(entry(1).id, "defect", "ann", "scratch", "seen \udc80", (triangle, triangle)),
        Review(entry(1).id, "good", "bob"),
    ]
    for each in words:
        log.review(each)
    assert log.reviews(entry(1).id) == (dataclasses.replace(words[0], note="seen \\x80"), words[1])
    assert log.newest_reviews([entry(1).id, entry(2).id]) == {entry(1).id: words[1]}
    log.review(Review(entry(1).id, None, "bob"))
    assert log.newest_reviews([entry(1).id]) == {}
    assert len(log.reviews(entry(1).id)) == 3
    with pytest.raises(UsageError, match="no such inspection"):
        log.review(Review("f" * 32, "good", "ann"))


def test_a_review_that_makes_no_sense_is_refused() -> None:
    corners = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    for wrong in (
        {"label": "great"},
        {"who": " "},
        {"regions": (corners[:2],)},
        {"regions": (((0.0, float("nan")), *corners),)},
        {"regions": ((*corners, (1e300, 0.0)),)},
    ):
        with pytest.raises((UsageError, TypeError)):  # the type checker of the tests is first where a type is wrong
            Review(**{"inspection_id": "x", "label": "good", "who": "ann", **wrong})  # type: ignore[arg-type]


def test_the_audit_trail_gives_back_what_was_noted(log: Log) -> None:
    events = [
        AuditEvent("ann", ["reload", "undo"][n % 2], "why", {"n": n}, START + timedelta(hours=n)) for n in range(5)
    ]
    for event in events:
        log.note(event)
    assert log.audit() == tuple(reversed(events))
    assert log.audit(since=events[1].happened_at, until=events[4].happened_at, what="reload") == (events[2],)
    assert log.audit(limit=2) == (events[4], events[3])


def test_messages_wait_until_they_are_delivered_or_abandoned(log: Log) -> None:
    messages = [
        Delivery(sink, {"n": n}, entry(n).id, START, 1, START + timedelta(minutes=n), id=f"{sink}{n}")
        for sink in ("hook", "mqtt")
        for n in range(3)
    ]
    log.add([entry(n) for n in range(3)], messages)
    assert log.due("hook", START + timedelta(minutes=1)) == tuple(messages[:2])
    assert log.due("hook", START + timedelta(minutes=9), limit=1) == (messages[0],)
    log.failed("hook0", "refused", START + timedelta(minutes=5))
    waiting = dataclasses.replace(messages[0], attempts=2, error="refused", retry_at=START + timedelta(minutes=5))
    assert log.due("hook", START + timedelta(minutes=9)) == (waiting, messages[1], messages[2])
    log.delivered(["hook1", "hook2"])
    log.abandoned("hook0", "gone")
    assert log.due("hook", START + timedelta(days=9)) == ()
    assert log.backlog() == {"hook": (0, 1), "mqtt": (3, 0)}


def test_a_clock_that_is_set_back_holds_no_message_up(log: Log) -> None:
    new = Delivery("hook", {}, None, START, retry_at=START)
    refused = Delivery("hook", {}, None, START, 3, START + timedelta(minutes=30))
    log.send([new, refused])
    found = log.due("hook", START - timedelta(days=400))
    assert {message.id for message in found} == {new.id, refused.id}
    assert log.due("hook", START) == (new,)


def test_messages_are_due_in_the_order_in_which_they_were_made_whatever_the_clock_said(log: Log) -> None:
    made = [Delivery("hook", {"n": n}, None, START - timedelta(hours=n), retry_at=START) for n in range(3)]
    log.send(made)
    assert log.due("hook", START) == tuple(made)
    log.add([entry(7)])
    assert log.newest_id() == made[-1].id


def test_an_empty_log_has_no_newest_id(log: Log) -> None:
    assert log.newest_id() is None


def test_a_file_is_taken_once_and_its_second_inspection_is_passed_over(log: Log) -> None:
    key = "in/\udcff" + "long" * 2000
    first, second = entry(1), entry(2)
    log.add([first], [Delivery("hook", {}, first.id)], [Taken("folder", key, first.id)])
    added = log.add([second, entry(3)], [Delivery("hook", {}, second.id)], [Taken("folder", key, second.id)])
    assert added == (entry(3).id,)
    assert log.entry(second.id) is None
    assert log.backlog() == {"hook": (1, 0)}
    assert (log.taken_for("folder", key), log.taken_for("other", key)) == (first.id, None)
    assert log.take("folder", key, first.id)
    assert not log.take("folder", key, second.id)
    assert log.take("other", key, second.id)


def test_alarms_and_states_survive(log: Log, url: str) -> None:
    alarms = [Alarm("bracket", "the lamp", {"chart": "level"}, START + timedelta(hours=n), id=str(n)) for n in range(3)]
    for alarm in alarms:
        log.alarm(alarm)
    assert log.acknowledge("1", "ann", "lamp changed")
    assert not log.acknowledge("1", "bob")
    assert not log.acknowledge("9", "bob")
    log.add((), states={"watch": {"n": 1}})
    log.add((), states={"watch": {"n": [2, None]}})
    again = Log.open(url)
    try:
        assert again.state("watch") == {"n": [2, None]}
        assert again.state("other") is None
        assert again.alarms(acknowledged=False) == (alarms[2], alarms[0])
        (seen,) = again.alarms(acknowledged=True)
        assert (seen.acknowledged_by, seen.note, seen.words) == ("ann", "lamp changed", "the lamp")
        # What was over is told as such, without a word on who had seen it; what still holds began before.
        hour = timedelta(hours=1)
        again.alarm(dataclasses.replace(alarms[1], details={"reminders": 3}, ended_at=START + 2 * hour))
        (over,) = again.alarms(acknowledged=True)
        assert over == dataclasses.replace(seen, details={"reminders": 3}, ended_at=START + 2 * hour)
        assert again.alarms(until=alarms[2].raised_at) == (over, alarms[0])
        assert again.alarms(since=START + 3 * hour) == (alarms[2], alarms[0])
    finally:
        again.close()


def test_no_other_database_is_opened() -> None:
    with pytest.raises(UsageError, match="mysql"):
        Log.open("mysql://ann:secret@host/name")
    with pytest.raises(UsageError) as caught:
        Log.open("postgresql//ann:secret@host/name")
    assert "secret" not in str(caught.value)


def test_a_connection_in_use_at_the_close_is_closed_when_it_is_given_back(log: Log) -> None:
    with log.engine.connect() as connection:
        ours = connection.connection.driver_connection
        assert ours is not None
        log.close()
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1, "what is under way is not cut off"
    with pytest.raises(Exception, match=r"closed"):
        ours.execute("SELECT 1")
    assert log.count() == 0, "and the log opens again for whoever asks"


def test_one_station_at_a_time_works_with_a_database(url: str) -> None:
    first, second = Log.open(url), Log.open(url)
    first.claim()
    with ThreadPoolExecutor(1) as other:
        other.submit(first.claim).result()  # it holds it already, whichever of its threads asks
    with pytest.raises(UsageError, match=r"^another station works with this database: end that one, or give each"):
        second.claim()
    assert second.count() == 0, "programs that only read are not refused"
    if url.startswith("postgresql"):
        ends = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"  # within 5 s
        with second.engine.begin() as connection:  # as a server does that is started anew
            connection.exec_driver_sql(ends)
        first.claim()
        with pytest.raises(UsageError, match="another station"):
            second.claim()
    for _ in range(10):  # a station that begins where another has just ended
        first.close()
        second.claim()
        first, second = second, Log.open(url)
    first.close()
    second.close()


def test_writers_at_once_lose_nothing(url: str) -> None:
    """Both begin with an empty database, and so with the migration."""
    assert lost_by_writers(url, writers=2, rows=30) == 0


def test_a_locked_database_is_an_error_in_one_line_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "secret folder" / "station.db"
    path.parent.mkdir()
    log = Log.open(f"sqlite:///{path}", patience_seconds=0.2)
    log.add([entry(1)])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogError, match=r"^the log could not be written: another program keeps it locked") as caught:
        log.add([entry(2)], [Delivery("hook", {}, entry(2).id)])
    assert "secret" not in str(caught.value)
    assert log.count() == 1, "readers do not wait for writers"
    other.execute("ROLLBACK")
    other.close()
    assert log.add([entry(2)]) == (entry(2).id,)
    log.close()


def test_a_log_that_is_moved_or_deleted_while_it_is_open_is_not_written_unseen(tmp_path: Path) -> None:
    folder = tmp_path / "station"
    folder.mkdir()
    log = Log.open(f"sqlite:///{folder / 'station.db'}")
    log.add([entry(1)])
    folder.rename(tmp_path / "moved")
    gone = r"^the log could not be written: its file was moved or deleted; put it back, or start the station again$"
    with pytest.raises(LogError, match=gone):
        log.add([entry(2)])
    folder.mkdir()
    Log.open(f"sqlite:///{folder / 'station.db'}").close()  # another one in its place
    with pytest.raises(LogError, match=gone):
        log.add([entry(2)])
    shutil.rmtree(folder)
    (tmp_path / "moved").rename(folder)
    assert log.add([entry(2)]) == (entry(2).id,)
    shutil.rmtree(folder)
    with pytest.raises(LogError, match=gone):
        log.add([entry(3)])
    log.close()


def test_postgresql_that_is_locked_or_drops_its_connections(postgresql: str) -> None:
    import psycopg

    log = Log.open(postgresql, patience_seconds=0.3)
    log.add([entry(900_001)])
    before = log.count()
    with psycopg.connect(postgresql) as other:
        other.execute("LOCK TABLE inspections IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LogError, match=r"^the log could not be written: another program keeps it locked"):
            log.add([entry(900_002)], [Delivery("hook", {}, entry(900_002).id)])
    with psycopg.connect(postgresql, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert log.add([entry(900_002)]) == (entry(900_002).id,), "it connects anew"
    assert log.count() == before + 1
    log.close()


FULL = """
import resource, sys
from hizumi.errors import LogError
from hizumi.station.log import Log
from tests.station.entries import entry
log = Log.open(sys.argv[1], patience_seconds=1)
log.add([entry(1)])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
kept = 1
try:
    for first in range(2, 100_000, 50):
        log.add([entry(n, rule="x" * 100) for n in range(first, first + 50)])
        kept += 50
except LogError as error:
    print(error)
print(kept, log.count())
"""


def test_a_full_disk_is_an_error_in_one_line_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    done = subprocess.run(
        [sys.executable, "-c", FULL, f"sqlite:///{path}"], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    said, counts = done.stdout.splitlines()
    assert re.match(r"the log could not be written: .*disk", said), said
    kept, counted = map(int, counts.split())
    assert kept == counted > 1
    log = Log.open(f"sqlite:///{path}")
    assert log.count() == kept
    log.close()


def test_a_killed_writer_leaves_the_log_whole(tmp_path: Path) -> None:
    assert harm_by_kills(tmp_path / "station.db", kills=2) == []
