"""The service of a station: what its document says holds, nothing is lost at its end, and long use costs no memory."""

import http.client
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving.conftest import (
    Process,
    Service,
    plates as plates,
    serve as serve,
    service as service,
    start as start,
)
from tests.serving.hostile import PARTS, SLOW_CLIENTS, ended_with_pictures_in_flight, harm_by_clients, tried_to_leave
from tests.station.plates import picture

CASES, MARGIN, ENDS, IN_FLIGHT = 5_000, 1.2, 10, 30
PICTURES, CLIENTS, WARM = 50_000, 8, 2_000
MANY_CLIENTS = 32
MEBIBYTE = 2**20
SETTLING_SECONDS = 3.0
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_the_document_describes_what_is_answered(
    start: Callable[[], Process], catalogue: Callable[..., None], tmp_path: Path
) -> None:
    pytest.importorskip("schemathesis", reason="cases are made by it: pip install schemathesis")
    station = start()
    address = f"http://127.0.0.1:{station.port}"
    operations = [each for path in _document(station.port)["paths"].values() for each in path.values()]
    # Those that take nothing have one case each, and of others not all that are asked for are found.
    cases_each = math.ceil(MARGIN * CASES / sum("parameters" in each or "requestBody" in each for each in operations))
    report = tmp_path / "events.ndjson"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--checks", CHECKS),
        *("--exclude-path", "/events", "--phases", "fuzzing", "--max-examples", str(cases_each)),
        *("--continue-on-failure", "--seed", "0", "--no-color", "--request-timeout", "30"),
        *("--report-ndjson-path", str(report)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    tried = report.read_text(encoding="utf-8").count('"status_code"')
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    catalogue(
        "schemathesis on the station's OpenAPI document",
        f"{tried:,} answers; no 5xx, nothing outside the document",
        mark="5,000 cases: no 5xx, nothing outside the schema",
        holds=tried >= CASES,
    )


def test_ends_with_pictures_in_flight(start: Callable[[], Process], catalogue: Callable[..., None]) -> None:
    lost = sum(ended_with_pictures_in_flight(start(), IN_FLIGHT)[0] for _ in range(ENDS))
    what = f"SIGTERM with {IN_FLIGHT} pictures in flight, {ENDS} times"
    catalogue(what, f"{lost} lost", mark="0 lost", holds=lost == 0)


def test_long_use(start: Callable[[], Process], catalogue: Callable[..., None]) -> None:
    station = start()
    contents = [picture(seed) for seed in range(50)]
    _send(station.port, contents, WARM)
    before, files = station.resident_bytes(), _descriptors(station)
    _send(station.port, contents, PICTURES)
    grown = (station.resident_bytes() - before) / MEBIBYTE * 10_000 / PICTURES
    left = _descriptors(station) - files
    catalogue(
        f"{PICTURES:,} pictures over HTTP by {CLIENTS} clients",
        f"{grown:+.2f} MiB of resident memory for 10,000, {left:+d} descriptors",
        mark="+1 MB at most, no descriptors lost",
        holds=grown <= 1 and left <= 0,
    )


def test_slow_and_false_clients(start: Callable[[], Process], catalogue: Callable[..., None]) -> None:
    harm = harm_by_clients(start())
    refused = sum(400 <= status < 500 for status in harm.statuses)
    grown = harm.grown_bytes / MEBIBYTE
    catalogue(
        f"{SLOW_CLIENTS} requests that do not end; bodies of false, missing or endless length, {PARTS:,} parts, long "
        "headers",
        f"a good request answered in {harm.seconds:.2f} s; {refused} of {len(harm.statuses)} refused with 4xx; "
        f"{grown:+.0f} MiB of resident memory",
        mark="1 s; all; +32 MiB at most",
        holds=harm.seconds < 1 and refused == len(harm.statuses) and grown <= 32,
    )


def test_names_that_are_paths(service: Service, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    tried = tried_to_leave(service, tmp_path)
    what = "Names that are paths, in every parameter of the service that takes one"
    catalogue(what, f"{tried:,} requests, 0 led out of the station's folder", mark="0", holds=True)


def test_one_picture_by_many_clients(start: Callable[[], Process], catalogue: Callable[..., None]) -> None:
    station, content = start(), picture(7, defect=True)
    together = threading.Barrier(MANY_CLIENTS)

    def send(_: int) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", station.port, timeout=60)
        connection.connect()
        together.wait()
        connection.request("POST", "/inspect", content)
        answer = json.loads(connection.getresponse().read())["inspections"][0]
        connection.close()
        return answer

    with ThreadPoolExecutor(MANY_CLIENTS) as clients:
        answers = list(clients.map(send, range(MANY_CLIENTS)))
    scores = [answer["score"] for answer in answers]
    verdicts = {answer["anomalous"] for answer in answers}
    spread = (max(scores) - min(scores)) / max(scores)
    catalogue(
        f"One picture from {MANY_CLIENTS} clients at once",
        f"{len(verdicts)} verdict, scores that differ by {spread:.1g} of their size at most",
        mark="1 verdict, 1e-6",
        holds=len(verdicts) == 1 and spread <= 1e-6,
    )


def _document(port: int) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/openapi.json")
    document = json.loads(connection.getresponse().read())
    connection.close()
    return document


def _send(port: int, contents: list[bytes], count: int) -> None:
    left = iter(range(count))
    lock = threading.Lock()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                break
            connection.request("POST", "/inspect", contents[number % len(contents)])
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _descriptors(station: Process) -> int:
    time.sleep(SETTLING_SECONDS)  # the station closes its ends of the clients' connections a moment later
    return len(os.listdir(f"/proc/{station.process.pid}/fd"))  # noqa: PTH208 - counted, not followed
