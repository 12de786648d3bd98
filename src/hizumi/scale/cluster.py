"""The cluster that a command works on: one on this machine alone, or one that runs already."""

import os
import platform
import re
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar

from hizumi.errors import MissingExtraError, RunError, UsageError
from hizumi.storage.files import first_line, printable
from hizumi.version import __version__

LOCAL, RUNNING = "local", "auto"
Answer = TypeVar("Answer")
ADDRESS = re.compile(r"(?P<client>ray://)?(?P<host>\[[0-9a-fA-F:]+\]|[^\s/:\[\]]+):(?P<port>\d{1,5})")
PATIENCE_SECONDS = 5.0  # for a head to take a connection
SECONDS_FOR_A_NODE = 120
TRIES = 3  # of what Ray gives 30 s for, whatever else its machine has to do
TOO_SLOW = ("timed out during startup", "Starting Ray client server failed")  # a local cluster, a client's server
HOW_TO_BE_TAKEN = "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
SILENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_USAGE_STATS_PROMPT_ENABLED": "0"}
"""Ray reports its use to its makers unless it is told not to."""


def refuse_no_address(on: str) -> None:
    """Raise UsageError, in one line, for what is no address of a cluster; nothing is connected to."""
    if on not in (LOCAL, RUNNING) and ADDRESS.fullmatch(on) is None:
        raise UsageError(
            f"--on {printable(on)}: this is no address of a cluster; give local (one on this machine), auto (the one "
            "that runs on it), HOST:6379, or ray://HOST:10001"
        )


@contextmanager
def cluster(on: str, workers: int | None = None) -> Iterator[ModuleType]:
    """Connect to the cluster, and leave it at the end; gives the module `ray`.

    Args:
        on: "local" starts one on this machine, which listens on the loopback alone and takes nobody without its token;
            "auto" is the one that runs on this machine already; HOST:PORT and ray://HOST:PORT are running ones.
        workers: CPU cores that a local cluster offers; None: all that this process may use.

    Raises UsageError for an address where no cluster answers, and for one whose versions of Ray, Python or hizumi are
    others, MissingExtraError without the extra `scale`, RunError where Ray fails to start.
    """
    refuse_no_address(on)
    os.environ.update(SILENT)
    local = on == LOCAL
    if local:
        # Without it Ray's servers listen on every address of this machine. Ray reads both once, when it is imported.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = _imported()
    if ray.is_initialized():
        raise UsageError("this process is connected to a cluster already; leave it first, with ray.shutdown()")
    how: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}
    if local:
        how |= {"num_cpus": workers or own_cores(), "include_dashboard": False}
    elif on != RUNNING:
        _refuse_unanswering(on)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    _join(ray, on, how)
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own would end this process on the spot
        if not local:
            _refuse_other_versions(on, ray)
        yield ray
    finally:
        ray.shutdown()


def _join(ray: ModuleType, on: str, how: dict[str, Any]) -> None:
    for tries_left in reversed(range(TRIES)):
        try:
            ray.init(address=on, **how)
            return
        except Exception as error:
            ray.shutdown()  # what has started of it
            if not tries_left or not any(said in str(error) for said in TOO_SLOW):
                raise _explained(on, error) from error


def on_each_node(ray: Any, work: Callable[..., Answer], *arguments: Any) -> Iterator[tuple[str, Answer]]:
    """Addresses of the nodes, each with what a function of a module answers there; raises RunError where none comes."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    for node in ray.nodes():
        if not node["Alive"]:
            continue
        address = node["NodeManagerAddress"]
        on_it = NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)  # it may be lost meanwhile
        asked = ray.remote(num_cpus=0, scheduling_strategy=on_it)(work).remote(*arguments)
        try:
            answer = ray.get(asked, timeout=SECONDS_FOR_A_NODE)
        except Exception as error:  # Ray's own types, of nodes that are lost or busy
            reason = first_line(error)
            raise RunError(f"the node {address} does not answer ({reason}); try again") from error
        yield address, answer


def own_cores() -> int:
    """How many this process may use, where the system tells; else how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _imported() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--on needs more packages: pip install 'hizumi[scale]'") from error
    return ray


def _refuse_unanswering(on: str) -> None:
    """Ray itself tries for minutes, and then speaks of channels."""
    found = ADDRESS.fullmatch(on)
    assert found is not None
    host, port = found["host"].strip("[]"), int(found["port"])
    try:
        socket.create_connection((host, port), PATIENCE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--on {on}: no cluster answers there ({getattr(error, 'strerror', None) or error}); is its head running, "
            f"and its port {'(10001 for ray://) ' if found['client'] else ''}open to this machine?"
        ) from error


def _explained(on: str, error: Exception) -> UsageError | RunError:
    """One line for what Ray raises where it cannot connect, or start."""
    text = str(error)
    reason = printable(text.strip().rpartition("\n")[2]) if "Traceback" in text else first_line(error)
    if on == LOCAL:
        return RunError(f"--on {on}: Ray did not start a cluster on this machine ({reason})")
    if "version" in text.lower() and "mismatch" in text.lower():
        return UsageError(f"--on {on}: {_versions()} here, and others there; install the same on both ({reason})")
    if re.search("token|unauthenticated|authentication", text, re.IGNORECASE):
        return UsageError(f"--on {on}: the cluster asks for its token; set {HOW_TO_BE_TAKEN}")
    if on == RUNNING and isinstance(error, ConnectionError):
        return UsageError(
            "--on auto: no cluster runs here that takes this process; start one (ray start --head), set "
            f"{HOW_TO_BE_TAKEN} where it asks for its token, or give --on local"
        )
    return UsageError(f"--on {on}: the cluster cannot be used ({reason})")


def _refuse_other_versions(on: str, ray: ModuleType) -> None:
    """Workers compute what this process would only where their hizumi is the same."""
    try:
        there = ray.get(ray.remote(num_cpus=0)(_versions).remote(), timeout=60)
    except Exception as error:
        if "No module named 'hizumi'" not in str(error):
            raise _explained(on, error) from error
        there = "no hizumi"
    if there != _versions():
        raise UsageError(f"--on {on}: {_versions()} here, and {there} there; install the same on both")


def _versions() -> str:
    return f"hizumi {__version__}, Python {platform.python_version()}"
