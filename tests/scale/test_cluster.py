"""Clusters: joined and left; refused in one line; private, and silent about their use."""

import os
import platform
import secrets
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hizumi.errors import MissingExtraError, UsageError
from hizumi.scale import cluster as module
from hizumi.scale.cluster import TOO_SLOW, cluster, refuse_no_address

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}  # as /proc writes them
LISTENING = "0A"
ON_LOCAL = """
import os
from hizumi.scale.cluster import cluster
with cluster("local", workers=1) as ray:
    print(os.environ["RAY_USAGE_STATS_ENABLED"], os.environ["RAY_AUTH_MODE"], flush=True)
    input()
"""


def test_a_running_cluster_is_joined_and_left(head: str) -> None:
    with cluster(head) as ray:
        assert ray.get(ray.remote(platform.python_version).remote()) == platform.python_version()
        with pytest.raises(UsageError, match="is connected to a cluster already"), cluster(head):
            pass
    assert not ray.is_initialized()


def test_the_cluster_of_this_machine_is_found_by_the_address_that_ray_has_left(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(head)
    with cluster("auto") as ray:
        assert ray.get_runtime_context().gcs_address == head


def test_other_versions_are_refused(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "__version__", "9.9")
    with pytest.raises(UsageError, match=r"hizumi 9\.9, Python .* here, and hizumi .* there; install"), cluster(head):
        pass


@pytest.mark.parametrize("on", ["", "somewhere", "host:", "http://host:1", "ray://host", "a b:1", "host:1/x"])
def test_what_is_no_address_is_refused(on: str) -> None:
    with pytest.raises(UsageError, match="this is no address of a cluster"):
        refuse_no_address(on)


@pytest.mark.parametrize("on", ["127.0.0.1:9", "ray://127.0.0.1:9", "no-such-host.invalid:6379", "127.0.0.1:99999"])
def test_addresses_where_nothing_answers(on: str) -> None:
    with pytest.raises(UsageError, match=rf"--on {on}: no cluster answers there \(.+\)") as caught, cluster(on):
        pass
    assert "\n" not in str(caught.value)


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hizumi\[scale\]'"), cluster("local"):
        pass


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        ("Version mismatch: The cluster was started with:\n Ray: 1", r"and others there; install the same on both"),
        ("[unauthenticated] InvalidAuthToken", "the cluster asks for its token; set RAY_AUTH_MODE=token"),
        ("boom\nmore", r"the cluster cannot be used \(boom\)"),
        ("Failure:\nTraceback (most recent call last):\n  File\nRuntimeError: too slow", r"\(RuntimeError: too slow\)"),
    ],
)
def test_what_ray_raises_is_one_line(said: str, explained: str) -> None:
    error = module._explained("host:1", RuntimeError(said))
    with pytest.raises(UsageError, match=explained):
        raise error
    assert "\n" not in str(error)


def test_a_server_that_was_too_slow_is_asked_again() -> None:
    said = [f"Traceback\n{TOO_SLOW[1]}", TOO_SLOW[0], "boom", "never reached"]

    def init(**_: object) -> None:
        raise ConnectionError(said.pop(0))

    ray = ModuleType("ray")
    vars(ray).update(init=init, shutdown=lambda: None)
    with pytest.raises(UsageError, match="boom"):
        module._join(ray, "ray://host:1", {})
    assert said == ["never reached"]


@pytest.mark.scale
@pytest.mark.skipif(sys.platform != "linux", reason="sockets are listed from /proc")
def test_a_local_cluster_listens_on_the_loopback_alone() -> None:
    token = secrets.token_hex(16)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {"RAY_AUTH_TOKEN": token}
    process = subprocess.Popen(
        [sys.executable, "-c", ON_LOCAL], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "0 token\n"
        addresses = _listened_on(f"RAY_AUTH_TOKEN={token}")
        assert len(addresses) >= 3
        assert set(addresses) <= LOOPBACK
    finally:
        process.communicate("\n", timeout=60)
    assert process.returncode == 0


def _listened_on(variable: str) -> list[str]:
    """Addresses that processes with a variable in their environment listen on, as /proc writes them."""
    inodes = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                inodes |= {link.readlink().name for link in (folder / "fd").iterdir() if link.is_symlink()}
        except OSError:
            continue
    rows = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return [row[1].partition(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in inodes]
