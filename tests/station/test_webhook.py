"""Webhooks against a server on the loopback: signature, what is repeated and what is not, time limits, TLS."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from hizumi.station.sinks import DeliveryError, Sink, sink_from
from tests.station.certificates import certified
from tests.station.receiver import Answer, Receiver, is_genuine, receiving

PAYLOAD = {"event": "inspection", "anomalous": True, "name": "höhe\n.png", "delivery_id": "d1"}
SECRET = b"not for others"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def webhook(url: str, tmp_path: Path, **keys: Any) -> Sink:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    return sink_from({"kind": "webhook", "url": url, "secret_file": str(tmp_path / "secret"), **keys})


def delivered(sink: Sink, times: int = 1) -> None:
    async def deliver() -> None:
        try:
            for _ in range(times):
                await sink.deliver(PAYLOAD)
        finally:
            await sink.close()

    asyncio.run(deliver())


def refused(sink: Sink) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        delivered(sink)
    assert str(caught.value).isprintable()
    assert SECRET.decode() not in str(caught.value)
    return caught.value


def answering(*answer: Any) -> Callable[[dict[str, Any]], Answer]:
    status, headers = answer
    return lambda payload: (status, headers)


def test_the_body_is_signed_and_carries_its_key(receiver: Receiver, tmp_path: Path) -> None:
    delivered(webhook(receiver.url, tmp_path), times=2)
    assert receiver.taken == [PAYLOAD, PAYLOAD]
    headers, body = receiver.requests[0]
    assert headers["Idempotency-Key"] == "d1"
    assert is_genuine(headers["Hizumi-Signature"], body, SECRET)
    assert not is_genuine(headers["Hizumi-Signature"], body + b" ", SECRET)
    assert not is_genuine(headers["Hizumi-Signature"], body, b"another")
    assert not is_genuine(headers["Hizumi-Signature"], body, SECRET, longest_seconds=-1)


def test_the_address_takes_a_password_that_stands_elsewhere(receiver: Receiver, tmp_path: Path) -> None:
    password = tmp_path / "token"
    sink = webhook(receiver.url + "/{password}?key={password}", tmp_path, password_file=str(password))
    assert str(refused(sink)) == "token: the secret cannot be read (No such file or directory)"
    for token, sent in ((b"first", "first"), (b"s\xc3\xa9cond/?#", "s%C3%A9cond%2F%3F%23")):
        password.write_bytes(token + b"\n")
        delivered(sink)
        assert receiver.paths[-1] == f"/hook/{sent}?key={sent}"
    receiver.answer = answering(404, {})
    assert "cond" not in str(refused(sink))


@pytest.mark.parametrize(
    ("status", "retry"),
    [(400, False), (401, False), (404, False), (410, False), (408, True), (429, True), (500, True), (503, True)],
)
def test_what_is_repeated(receiver: Receiver, tmp_path: Path, status: int, retry: bool) -> None:
    receiver.answer = answering(status, {})
    error = refused(webhook(receiver.url, tmp_path))
    assert (error.retry, error.retry_after_seconds) == (retry, None)
    assert str(error) == f"answered {status}"


def test_retry_after_is_a_number_or_a_date(receiver: Receiver, tmp_path: Path) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    for value, seconds in [("7", 7), (in_a_minute, 60), ("1e99", None), ("99999999", 3600), ("soon", None)]:
        receiver.answer = answering(503, {"Retry-After": value})
        found = refused(webhook(receiver.url, tmp_path)).retry_after_seconds
        assert found == (None if seconds is None else pytest.approx(seconds, abs=3))


def test_no_redirect_is_followed(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answer = answering(307, {"Location": receiver.url + "/elsewhere"})
    error = refused(webhook(receiver.url, tmp_path))
    assert not error.retry
    assert "redirects are not followed" in str(error)
    assert len(receiver.requests) == 1


def test_no_proxy_of_the_environment_is_used(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    delivered(webhook(receiver.url, tmp_path))
    assert len(receiver.taken) == 1


def test_time_limits_hold_however_the_receiver_dawdles(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()
        left.set()

    async def measure() -> float:
        server = await asyncio.start_server(drip, "127.0.0.1")
        sink = webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", tmp_path, total_seconds=0.5)
        began = time.monotonic()
        with pytest.raises(DeliveryError, match=r"no answer within 0\.5 s"):
            await sink.deliver(PAYLOAD)
        took = time.monotonic() - began
        await left.wait()
        server.close()
        return took

    assert asyncio.run(measure()) < 3


def test_a_receiver_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = refused(webhook(f"http://127.0.0.1:{port}", tmp_path))
    assert error.retry
    assert "cannot be reached" in str(error)


def test_a_missing_secret_stops_no_delivery_for_good(receiver: Receiver, tmp_path: Path) -> None:
    sink = webhook(receiver.url, tmp_path)
    (tmp_path / "secret").unlink()
    assert refused(sink).retry
    assert receiver.requests == []


@contextmanager
def encrypted(tmp_path: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certified(tmp_path))
    with receiving() as receiver:
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
        yield receiver


def test_certificates_are_verified(tmp_path: Path) -> None:
    with encrypted(tmp_path) as receiver:
        url = f"https://localhost:{receiver.server_port}/hook"
        authority = str(tmp_path / "certificate.pem")
        error = refused(webhook(url, tmp_path))
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        wrong_name = refused(webhook(url.replace("localhost", "127.0.0.1"), tmp_path, ca_file=authority))
        assert "CERTIFICATE_VERIFY_FAILED" in str(wrong_name)
        assert receiver.requests == []
        delivered(webhook(url, tmp_path, ca_file=authority))
        assert len(receiver.taken) == 1
