"""One cluster for all tests of a session: a head in processes of its own, on the loopback, which asks for a token."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCALE = Path(__file__).parent
CORES = 2
SECONDS_TO_START = 120
# Before anything imports Ray, which reads them once. A local cluster of the product then takes this token, too.
os.environ.update(
    RAY_AUTH_MODE="token",
    RAY_AUTH_TOKEN=secrets.token_hex(32),
    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",  # else it listens on every address of this machine
    RAY_USAGE_STATS_ENABLED="0",
    RAY_USAGE_STATS_PROMPT_ENABLED="0",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray leaves sockets and files to the garbage collector, and warns of its own future."""
    for item in items:
        if SCALE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::FutureWarning:ray"))
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"))


@pytest.fixture(scope="session")
def head() -> Iterator[str]:
    """HOST:PORT of a running cluster of two cores, to be given to `--on` or `cluster`; its client port is the next."""
    port = _free_pair()
    folder = Path(tempfile.mkdtemp(prefix="hizumi-"))  # short: it holds sockets, whose paths have at most 107 bytes
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--node-ip-address=127.0.0.1"),
        *(f"--port={port}", f"--ray-client-server-port={port + 1}", f"--num-cpus={CORES}", f"--temp-dir={folder}"),
        *("--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=200000000"),
    ]
    paths = os.pathsep.join(map(str, (ROOT / "src", ROOT)))  # workers find what tests pickle by name
    with (folder / "head.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": paths}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(port, process, folder / "head.log")
            yield f"127.0.0.1:{port}"
        finally:
            _end(process)
            shutil.rmtree(folder, ignore_errors=True)


def _free_pair() -> int:
    """A port that is free, as is the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with suppress(OSError):
                second.bind(("127.0.0.1", port + 1))
                return port


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for place in (port, port + 1):
        until = time.monotonic() + SECONDS_TO_START
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", place), 1):
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, f"the head does not listen on {place}\n{log.read_text()}"
            time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ended in its own way, which ends what it has started; then whatever is left of its session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
