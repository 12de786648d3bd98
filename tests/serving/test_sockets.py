"""What only a socket shows: slow and false clients, many connections, and an end that loses nothing."""

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hizumi.station.log import Log
from tests.serving.conftest import Process
from tests.station.plates import picture

MEBIBYTE = 2**20


def asked(port: int, method: str = "GET", path: str = "/health", body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(port: int, content: bytes, *, then: bytes = b"") -> bytes:
    """What comes back for bytes that need not be a request."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with suppress(OSError):  # refused before all of it was sent
            connection.sendall(content + then)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return connection.recv(4096)


def post(headers: str, body: bytes = b"") -> bytes:
    return f"POST /inspect HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n".encode() + body


def test_slow_and_false_clients_harm_nobody(start: Callable[[], Process]) -> None:
    station = start()
    before = station.resident_bytes()
    slow = [socket.create_connection(("127.0.0.1", station.port)) for _ in range(200)]
    for number, connection in enumerate(slow):
        connection.sendall(b"POST /inspect HTTP/1.1\r\nHost: localhost\r\n" if number % 2 else b"G")
    begun = time.perf_counter()
    assert asked(station.port)[0] == 200
    assert time.perf_counter() - begun < 1
    for request in (
        post("Content-Length: abc"),
        post("Content-Length: 10000000000"),
        post("Content-Length: 5\r\nContent-Length: 6", b"12345"),
        post("Transfer-Encoding: chunked", b"zz\r\nx"),
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        assert raw(station.port, request).split()[1][:1] == b"4", request[:60]
    # A body that ends before it is complete has nobody to be answered; the next one is.
    raw(station.port, post("Content-Length: 50", b"short"))
    chunk = f"{MEBIBYTE:x}\r\n".encode() + bytes(MEBIBYTE) + b"\r\n"
    endless = raw(station.port, post("Transfer-Encoding: chunked"), then=chunk * 70)
    assert b" 413 " in endless
    parts = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{n}"; filename="{n}"\r\n\r\nx\r\n'.encode() for n in range(1001)
    )
    form = parts + b"--x--\r\n"
    kind = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(form)}"
    assert b" 400 " in raw(station.port, post(kind, form))
    assert asked(station.port)[0] == 200
    assert station.resident_bytes() - before <= 32 * MEBIBYTE
    for connection in slow:
        connection.close()


def ended_with_pictures_in_flight(
    station: Process, count: int, by: signal.Signals = signal.SIGTERM
) -> tuple[int, list[str]]:
    """How many were lost, and the ids of those that were answered."""
    answers: list[tuple[int, bytes] | None] = []
    connected = threading.Barrier(count + 1)

    def send(seed: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", station.port, timeout=60)
        connection.connect()
        connected.wait()
        try:
            connection.request("POST", "/inspect", picture(seed))
            answer = connection.getresponse()
            answers.append((answer.status, answer.read()))
        except OSError:
            answers.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    connected.wait()
    time.sleep(0.02)
    assert station.end(by) == 0
    for thread in threads:
        thread.join()
    ids = [json.loads(body)["inspections"][0]["id"] for status, body in filter(None, answers) if status == 200]
    return sum(answer is None or answer[0] != 200 for answer in answers), ids


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_nothing_that_was_sent_before_the_end_is_lost(
    start: Callable[[], Process], tmp_path: Path, rounds: int, by: signal.Signals
) -> None:
    answered: list[str] = []
    for _ in range(rounds):
        lost, ids = ended_with_pictures_in_flight(start(), 30, by)
        assert lost == 0
        answered += ids
    with closing(Log.open(f"sqlite:///{tmp_path / 'st' / 'station.sqlite'}")) as log:
        assert all(log.entry(each) is not None for each in answered)
