"""The check of a GPU: rehearsed on the processor, and refused where there is none."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.device", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def written() -> set[Path]:
    return set((ROOT / "benchmarks" / "results" / "device").glob("*"))


@pytest.mark.slow
def test_a_rehearsal_runs_every_part_and_writes_nothing() -> None:
    before = written()
    done = called("--rehearse")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("everything passed\n")
    assert '"largest_difference": 0.0' in done.stdout
    assert written() == before


@pytest.mark.slow
def test_a_part_without_time_has_failed() -> None:
    done = called("speed", "contract", "--rehearse", "--minutes", "0")
    assert done.returncode == 1
    assert "failed: speed, contract" in done.stdout
    assert "stopped: the time was over" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_what_can_be_done() -> None:
    done = called()
    assert done.returncode == 2
    assert "torch finds no GPU here; --rehearse runs the same parts" in done.stderr
