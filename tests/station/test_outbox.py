"""The outbox against a real log and a real receiver: outages, poison, crashes; nothing lost, order kept."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hizumi.errors import RunError
from hizumi.station import backing_off, outbox
from hizumi.station.log import Delivery, Log
from hizumi.station.outbox import Outbox
from hizumi.station.sinks import DeliveryError, Payload, Sink, sink_from
from hizumi.station.sinks.sink import Beating, SinkSettings
from tests.station.receiver import Answer, receiving

LONGEST_SECONDS = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backing_off, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(outbox, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(outbox, "LONGEST_REST", timedelta(seconds=0.2))
    monkeypatch.setattr(outbox, "IDLE_SECONDS", 0.05)


class Recorder(Sink):
    """A receiver in memory; `refuse` says what it does not take."""

    def __init__(self, refuse: Callable[[Payload], DeliveryError | None], give_up_seconds: float = 3600.0) -> None:
        super().__init__(SinkSettings(kind="recorder", give_up_seconds=give_up_seconds))
        self.tried: list[int] = []
        self.taken: list[int] = []
        self.moments: list[float] = []
        self.refuse = refuse

    async def deliver(self, payload: Payload) -> None:
        self.tried.append(payload["number"])
        self.moments.append(time.monotonic())
        error = self.refuse(payload)
        if error is not None:
            raise error
        self.taken.append(payload["number"])

    async def close(self) -> None:
        pass


def send(log: Log, count: int, sink: str = "recorder", **known: Any) -> list[Delivery]:
    start = datetime.now(UTC) - timedelta(seconds=1)
    messages = [
        Delivery(sink, {"event": "drift", "number": number}, made_at=start + timedelta(milliseconds=number), **known)
        for number in range(count)
    ]
    log.send(messages)
    return messages


def run_until(
    log: Log, sinks: Sequence[Sink], is_over: Callable[[], bool], meanwhile: Callable[[], Any] | None = None
) -> None:
    async def deliver() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(Outbox(log, sinks).run(stop))
        began = time.monotonic()
        while not is_over() and not task.done() and time.monotonic() - began < LONGEST_SECONDS:
            await asyncio.sleep(0.01)
            if meanwhile is not None:
                meanwhile()
        stop.set()
        await task

    asyncio.run(deliver())
    assert is_over()


def is_empty(log: Log) -> bool:
    return is_empty_but(log, 0)


def is_empty_but(log: Log, count: int) -> bool:
    return sum(waiting for waiting, _ in log.backlog().values()) <= count


def down(payload: Payload) -> DeliveryError:
    return DeliveryError("down", retry=True)


def test_after_an_outage_all_arrive_once_and_in_order(lite: Log, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "secret").write_bytes(b"key")
    url = f"http://127.0.0.1:{port}/"
    hook = sink_from({"kind": "webhook", "url": url, "secret_file": str(tmp_path / "secret")})
    messages = send(lite, 25, "webhook")
    began = time.monotonic()
    run_until(lite, [hook], lambda: time.monotonic() - began > 0.5)
    assert len(lite.due("webhook", datetime.now(UTC) + timedelta(days=1))) == 25
    with receiving(port) as receiver:
        run_until(lite, [hook], lambda: is_empty(lite))
    assert [payload["number"] for payload in receiver.taken] == list(range(25))
    assert [payload["delivery_id"] for payload in receiver.taken] == [message.id for message in messages]


def test_an_outage_costs_few_attempts_and_its_end_keeps_the_order(lite: Log) -> None:
    began = time.monotonic()
    sink = Recorder(lambda payload: down(payload) if time.monotonic() - began < 1 else None)
    send(lite, 25)
    run_until(lite, [sink], lambda: is_empty(lite))
    assert sink.taken == list(range(25))
    # Two a pause, of 0.1 s on average after the first ones: not 25 a pause.
    assert len(sink.tried) - 25 < 60


def test_poison_blocks_nothing_and_is_given_up_with_a_note(lite: Log) -> None:
    poison = {0, 1, 2, 7}
    sink = Recorder(lambda payload: down(payload) if payload["number"] in poison else None, give_up_seconds=3)
    messages = send(lite, 20)
    run_until(lite, [sink], lambda: is_empty(lite))
    assert sink.taken == sorted(sink.taken)
    assert set(sink.taken) == set(range(20)) - poison
    assert min(Counter(sink.tried)[number] for number in poison) > 1
    noted = {event.details["delivery_id"]: event.why for event in lite.audit(what="delivery abandoned")}
    assert noted == {messages[number].id: "not delivered within 3 s; last: down" for number in poison}
    assert lite.backlog() == {"recorder": (0, 4)}


def test_what_fails_while_others_are_taken_rests_longer_each_time(lite: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LONGEST_REST", timedelta(hours=1))
    sink = Recorder(lambda payload: down(payload) if payload["number"] == 0 else None)
    send(lite, 1)

    def send_another() -> None:
        if is_empty_but(lite, 1):
            lite.send([Delivery("recorder", {"event": "drift", "number": len(sink.taken) + 1})])

    run_until(lite, [sink], lambda: len(sink.taken) >= 60, meanwhile=send_another)
    assert 2 <= sink.tried.count(0) < 20


def test_what_is_refused_for_good_is_given_up_at_once(lite: Log) -> None:
    sink = Recorder(lambda payload: DeliveryError("answered 404", retry=False) if payload["number"] == 1 else None)
    send(lite, 4)
    run_until(lite, [sink], lambda: is_empty(lite))
    assert sink.tried == [0, 1, 2, 3]
    assert [event.why for event in lite.audit(what="delivery abandoned")] == ["answered 404"]


def test_new_messages_during_an_outage_do_not_hammer_the_receiver(lite: Log) -> None:
    began = time.monotonic()
    sink = Recorder(down)
    numbers = iter(range(1000))
    run_until(
        lite,
        [sink],
        lambda: time.monotonic() - began > 1.5,
        lambda: lite.send([Delivery("recorder", {"event": "drift", "number": next(numbers)})]),
    )
    assert next(numbers) > 10
    assert len(sink.tried) < 40


def test_a_receiver_that_asks_for_peace_gets_it(lite: Log) -> None:
    first = iter([DeliveryError("answered 503", retry=True, retry_after_seconds=0.8)])
    sink = Recorder(lambda payload: next(first, None))
    send(lite, 3)
    run_until(lite, [sink], lambda: is_empty(lite))
    assert sink.tried == [0, 0, 1, 2]
    assert sink.moments[1] - sink.moments[0] >= 0.8


def test_one_sink_does_not_wait_for_another(lite: Log) -> None:
    class Other(Recorder):
        pass

    slow, quick = Recorder(down), Other(lambda payload: None)
    quick.name = "quick"
    send(lite, 3)
    send(lite, 3, "quick")
    run_until(lite, [slow, quick], lambda: len(quick.taken) == 3)
    assert slow.taken == []


def test_a_delivery_that_the_log_could_not_be_told_of_is_not_repeated(
    lite: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered, failures = lite.delivered, iter([True, True])

    def failing(ids: Sequence[str]) -> None:
        if next(failures, False):
            raise RunError("the log is locked")
        delivered(ids)

    monkeypatch.setattr(lite, "delivered", failing)
    sink = Recorder(lambda payload: None)
    send(lite, 3)
    run_until(lite, [sink], lambda: is_empty(lite))
    assert sink.taken == [0, 1, 2]


def test_the_end_is_in_time_and_loses_nothing(lite: Log) -> None:
    class Hanging(Recorder):
        async def deliver(self, payload: Payload) -> None:
            self.tried.append(payload["number"])
            await asyncio.sleep(3600)

    hanging = Hanging(lambda payload: None)
    send(lite, 2)

    async def stop_early() -> float:
        stop = asyncio.Event()
        task = asyncio.create_task(Outbox(lite, [hanging]).run(stop, grace_seconds=0.2))
        while not hanging.tried:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        stop.set()
        await task
        return time.monotonic() - began

    assert asyncio.run(stop_early()) < 2
    sink = Recorder(lambda payload: None)
    run_until(lite, [sink], lambda: is_empty(lite))
    assert sink.taken == [0, 1]


def test_a_heartbeat_goes_on_whatever_a_library_raises(lite: Log) -> None:
    class Alive(Recorder, Beating):
        heartbeat_seconds = 0.01
        beats = 0

        async def beat(self) -> None:
            self.beats += 1
            if self.beats in (2, 3):
                raise KeyError("of a library")

    alive = Alive(lambda payload: None)
    send(lite, 1)
    run_until(lite, [alive], lambda: alive.beats > 5)
    assert alive.taken == [0]


WORKER = """
import asyncio, sys
from hizumi.station.log import Log
from hizumi.station.outbox import Outbox
from hizumi.station.sinks import sink_from
url, hook, secret = sys.argv[1:]

async def deliver():
    sink = sink_from({"kind": "webhook", "url": hook, "secret_file": secret})
    await Outbox(Log.open(url), [sink]).run(asyncio.Event())

asyncio.run(deliver())
"""


def killed_before_marks(log: Log, root: Path, count: int, fatal: set[int]) -> Counter[int]:
    """How often each of so many messages arrives where the outbox is killed as the `fatal` ones do."""
    (root / "secret").write_bytes(b"key")
    numbers = {message.id: message.payload["number"] for message in send(log, count, "webhook")}
    with receiving() as receiver:
        command = [sys.executable, "-c", WORKER, str(log.engine.url), receiver.url, str(root / "secret")]
        pids: list[int] = []

        def answer(payload: dict[str, Any]) -> Answer:
            if payload["number"] in fatal and payload not in receiver.taken:
                os.kill(pids[-1], signal.SIGKILL)  # it has come here, which the outbox will never know
            return 200, {}

        receiver.answer = answer
        for is_fatal in [True] * len(fatal) + [False]:
            with subprocess.Popen(command) as worker:
                pids.append(worker.pid)
                if not is_fatal:
                    while not is_empty(log) and worker.poll() is None:
                        time.sleep(0.02)
                    worker.kill()
            assert worker.returncode == -signal.SIGKILL
    return Counter(numbers[payload["delivery_id"]] for payload in receiver.taken)


def test_killed_between_delivery_and_mark_it_is_delivered_again_with_one_key(lite: Log, tmp_path: Path) -> None:
    assert killed_before_marks(lite, tmp_path, 9, {2, 5}) == {number: 1 + (number in {2, 5}) for number in range(9)}
