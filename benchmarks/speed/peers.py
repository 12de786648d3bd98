"""Other people's tools, each at work in a process of an environment of its own: `make peers` installs them."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.speed.measuring import Timing

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-peers" / "bin" / "python"
ANOMALIB = HERE / "anomalib_peer.py"


class Peer:
    """A way to do something whose time the other process takes: `anomalib_peer.py` says what its arguments may be."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._answer()

    def __call__(self) -> Timing:
        """Do it once, on as many threads as torch has here."""
        assert self._process.stdin is not None, "it was opened with a pipe"
        self._process.stdin.write(f"{torch.get_num_threads()}\n")
        self._process.stdin.flush()
        cpu, wall = map(float, self._answer().split())
        return Timing(cpu, wall)

    def _answer(self) -> str:
        assert self._process.stdout is not None, "it was opened with a pipe"
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} has ended")
        return line


@contextmanager
def anomalib(
    *arguments: object, name: str = "anomalib", environment: Mapping[str, str] | None = None
) -> Iterator[dict[str, Peer]]:
    """anomalib as one more way to do the same, by this name; none where it is not installed.

    `environment` has variables beyond those of this process.
    """
    if not PYTHON.exists():
        yield {}
        return
    command = [str(each) for each in (PYTHON, ANOMALIB, *arguments)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | (environment or {}),
    )
    try:
        yield {name: Peer(process)}
    finally:
        process.kill()
        process.communicate()
