"""A station behind its service: in this process, and in one of its own for what only a socket shows."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.station.plates import plates_bundle

pytest.importorskip("fastapi", reason="the service needs it: pip install 'hizumi[serve]'")
pytest.importorskip("httpx2", reason="the service is asked through it: pip install httpx2")

from starlette.testclient import TestClient

from hizumi.serving.access import Access
from hizumi.serving.app import make_app
from hizumi.serving.guard import Limits
from hizumi.station.station import Station
from hizumi.station.station_file import station_of

HOST = "http://localhost"


@pytest.fixture(scope="session")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows good plates."""
    return plates_bundle(tmp_path_factory.mktemp("bundle"))


@dataclass
class Service:
    """A station and a client of it."""

    station: Station
    client: TestClient


@pytest.fixture
def serve(plates: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Opens services in this process, and closes them in the end."""
    opened: list[Service] = []

    def open_one(access: Access | None = None, limits: Limits | None = None, token: str | None = None) -> Service:
        station = Station.open(station_of(plates, tmp_path / f"station-{len(opened)}"))
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        client = TestClient(make_app(station, access, limits), base_url=HOST, headers=headers)
        client.__enter__()
        opened.append(Service(station, client))
        return opened[-1]

    yield open_one
    for service in opened:
        assert service.client.portal is not None
        service.client.portal.call(service.station.close)
        service.client.__exit__(None, None, None)


@pytest.fixture
def service(serve: Callable[..., Service]) -> Service:
    """One without tokens."""
    return serve()


@dataclass
class Process:
    """`hizumi serve` as a user starts it."""

    process: "subprocess.Popen[str]"
    port: int

    def resident_bytes(self) -> int:
        """Of memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """As a service manager would, or Ctrl-C; the exit status."""
        self.process.send_signal(by)
        return self.process.wait(60)


@pytest.fixture
def start(plates: Path, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Starts `hizumi serve`, again over the same folder each time."""
    running: list[subprocess.Popen[str]] = []

    def started() -> Process:
        command = [
            sys.executable,
            "-m",
            "hizumi",
            "serve",
            str(plates),
            "--folder",
            str(tmp_path / "st"),
            "--port",
            "0",
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        running.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                return Process(process, int(found[1]))
        raise AssertionError("the station did not open")

    yield started
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
