"""Clients that mean harm or do it: slow ones, false ones, names that are paths; what they find is counted."""

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.serving.conftest import Process, Service
from tests.station.plates import picture

MEBIBYTE = 2**20
SLOW_CLIENTS, PARTS = 200, 1001


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


@dataclass(frozen=True)
class Harm:
    """What slow and false clients did: seconds that a good one waited, answers to the others, memory that they cost."""

    seconds: float
    statuses: tuple[int, ...]
    grown_bytes: int


def harm_by_clients(station: Process) -> Harm:
    """Keep many requests open that do not end, and send bodies whose length is false, missing or endless."""
    before = station.resident_bytes()
    slow = [socket.create_connection(("127.0.0.1", station.port)) for _ in range(SLOW_CLIENTS)]
    for number, connection in enumerate(slow):
        connection.sendall(b"POST /inspect HTTP/1.1\r\nHost: localhost\r\n" if number % 2 else b"G")
    begun = time.perf_counter()
    assert asked(station.port)[0] == 200
    seconds = time.perf_counter() - begun
    requests = [
        post("Content-Length: abc"),
        post("Content-Length: 10000000000"),
        post("Content-Length: 5\r\nContent-Length: 6", b"12345"),
        post("Transfer-Encoding: chunked", b"zz\r\nx"),
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ]
    answers = [raw(station.port, request) for request in requests]
    # A body that ends before it is complete has nobody to be answered; the next one is.
    raw(station.port, post("Content-Length: 50", b"short"))
    chunk = f"{MEBIBYTE:x}\r\n".encode() + bytes(MEBIBYTE) + b"\r\n"
    answers.append(raw(station.port, post("Transfer-Encoding: chunked"), then=chunk * 70))
    parts = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{n}"; filename="{n}"\r\n\r\nx\r\n'.encode() for n in range(PARTS)
    )
    form = parts + b"--x--\r\n"
    kind = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(form)}"
    answers.append(raw(station.port, post(kind, form)))
    assert asked(station.port)[0] == 200
    grown = station.resident_bytes() - before
    for connection in slow:
        connection.close()
    return Harm(seconds, tuple(int(answer.split()[1]) for answer in answers), grown)


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


def attempts(secret: Path) -> list[str]:
    """Names that would lead elsewhere, if they were paths."""
    ups = ["../" * n for n in range(1, 6)] + ["..%2f" * n for n in range(1, 6)] + ["%2e%2e/" * n for n in range(1, 4)]
    ups += [
        "....//" * 3,
        "..\\" * 3,
        "..%5c" * 3,
        "%252e%252e%252f" * 3,
        "/",
        "//",
        "\\\\host\\",
        "file://",
        "~/",
        ".\x00/",
    ]
    ends = [
        "secret.txt",
        "etc/passwd",
        "station-0/station.sqlite",
        "tokens.json",
        "secret.txt%00.png",
        "secret.txt\x00",
    ]
    ends += ["station-0/../secret.txt", "proc/self/environ", "secret.txt::$DATA", "secret.txt/."]
    return [up + end for up in ups for end in ends] + [str(secret), f"{'0' * 64}/../../x"]


def named(service: Service) -> Iterator[tuple[str, str, str, str]]:
    """Method and route, with {} where a name belongs, and where it belongs: "path", or a name in the query or body."""
    document = service.client.app.openapi()
    yield "get", "/page/{}", "path", ""
    for route, methods in document["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    yield method, route.replace(f"{{{parameter['name']}}}", "{}"), "path", ""
                elif method == "get" and parameter["name"] in ("recipe", "text", "before", "order", "since"):
                    yield method, route, "query", parameter["name"]
            content = operation.get("requestBody", {}).get("content", {})
            kind = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
            for name in {"recipe", "inspection_id", "alarm_id"} & document["components"]["schemas"].get(kind, {}).get(
                "properties", {}
            ).keys():
                yield method, route, "body", name


def tried_to_leave(service: Service, folder: Path, each: int = 1) -> int:
    """Give every parameter that takes a name every `each`-th of these in turn; how many answers, none from outside.

    `folder` is that of the station's own one.
    """
    secret = folder / "secret.txt"
    secret.write_text("SECRET", encoding="utf-8")
    sent = service.client.post("/inspect?name=p.png", content=picture(1, defect=True)).json()
    entry_id = sent["inspections"][0]["id"]
    tried = attempts(secret)
    assert len(tried) >= 200
    places, answered = list(named(service)), 0
    assert {("get", "/inspections/{}/map", "path", ""), ("post", "/drift/acknowledge", "body", "recipe")} <= set(places)
    for start, (method, route, place, name) in enumerate(places):
        for attempt in tried[start % each :: each]:
            path = route.format(attempt.replace("\x00", "%00")) if place == "path" else route
            known = {
                "inspection_id": entry_id,
                "label": "good",
                "why": "w",
                "alarm_id": "a",
                "share": 0.1,
                name: attempt,
            }
            query = {"params": {name: attempt}} if place == "query" else {"json": known} if place == "body" else {}
            answer = service.client.request(method, path, **query)
            wrong = (400, 404, 405, 422) if place != "query" else (200, 400, 422)
            assert answer.status_code in wrong, (method, path, query)
            assert "SECRET" not in answer.text
            assert str(folder) not in answer.text.replace(attempt, "")
            answered += 1
    for start in range(0, len(tried) if each == 1 else 20, 20):
        batch = tried[start : start + 20]
        files = [("picture", (attempt.replace("\x00", "%00"), picture(1))) for attempt in batch]
        query = {"part": batch[0].replace("\x00", ""), "view": batch[1].replace("\x00", "")}
        assert service.client.post("/inspect", files=files, params=query).status_code == 200
    kept = {path.relative_to(folder).parts[0] for path in folder.rglob("*")}
    assert kept == {"secret.txt", "station-0"}
    return answered
