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

from tests.hard.conftest import catalogue as catalogue  # a fixture
from tests.scale.archives import make_bundle, make_pictures

ROOT = Path(__file__).parents[2]
SCALE = Path(__file__).parent
CORES = 2
SECONDS_TO_END = 5.0
SECONDS_TO_START = 120
TRIALS = 3  # on a machine that has other things to do
# Before anything imports Ray, which reads them once. A local cluster of the product then takes this token, too.
os.environ.update(
    RAY_AUTH_MODE="token",
    RAY_AUTH_TOKEN=secrets.token_hex(32),
    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",  # else it listens on every address of this machine
    RAY_USAGE_STATS_ENABLED="0",
    RAY_USAGE_STATS_PROMPT_ENABLED="0",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray leaves sockets and files to the garbage collector, and warns of its own past and future."""
    for item in items:
        if SCALE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::Warning:ray"))


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
        for trial in range(TRIALS):
            process = subprocess.Popen(
                command, env=os.environ | {"PYTHONPATH": paths}, stdout=log, stderr=log, start_new_session=True
            )
            if _listens(port, process) and _listens(port + 1, process):
                break
            _end(process)
            assert trial + 1 < TRIALS, (folder / "head.log").read_text()
        try:
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


def _listens(port: int, process: "subprocess.Popen[bytes]") -> bool:
    """Whether a head does that, once it does or has given up: Ray waits 30 s for parts of itself."""
    until = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.1)
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ended in its own way, which ends what it has started, if it is quick; then what is left of its session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_END)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PCA on good stripes."""
    return make_bundle(tmp_path_factory.mktemp("bundle") / "parts.hizumi")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of stripes, of which some are defective and one is damaged, with a mask and a text beside them."""
    folder = tmp_path_factory.mktemp("pictures")
    make_pictures(folder / "a", 70)
    make_pictures(folder / "b" / "c", 50, seed=2)
    make_pictures(folder / "ground_truth", 2, seed=3)
    (folder / "b" / "damaged.png").write_bytes(b"no picture")
    (folder / "readme.txt").write_text("no picture")
    return folder
