"""What is checked on a GPU, each as one mapping for JSON with `passed` in it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch

from benchmarks.speed.cases import CASES
from benchmarks.speed.measuring import Setting

ROOT = Path(__file__).parents[2]
SPEED = ("ceilings", "train-ganomaly", "score-batch", "train-all", "pixel-sampling")  # those that compute on a GPU
REHEARSED = ("ceilings",)
ONE_DIGIT = ("mnist-one-class-normal", "--detectors", "deep_svdd", "--classes", "0", "--seeds", "1")


@dataclass(frozen=True)
class Plan:
    """Until when (monotonic seconds) parts may go on, and whether this is a rehearsal on the processor."""

    until: float
    rehearsed: bool = False

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.until - time.monotonic())

    @property
    def device(self) -> str:
        """Where torch computes."""
        return "cpu" if self.rehearsed else "cuda"


def contract(plan: Plan) -> Mapping[str, Any]:
    """The contract's tests of every class on the device, and by how much scores differ from a CPU's, by detector."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        command = ["-m", "pytest", "-q", "-n", "0", "-m", "device", f"--junitxml={report}"]
        command += ["-o", "junit_family=xunit1"]  # which has properties
        command.append("tests/contract/test_devices.py")
        if plan.rehearsed:
            command += ["-k", "stand_in or pca or [autoencoder]"]
        finished = _finished(command, plan, {} if plan.rehearsed else {"HIZUMI_DEVICE": plan.device})
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    failed = [
        f"{case.attrib['name']}: {found.attrib['message'].splitlines()[0]}"
        for case in cases
        for found in case
        if found.tag in ("failure", "error")
    ]
    differences = {
        case.attrib["name"].partition("[")[2].rstrip("]"): float(found.attrib["value"])
        for case in cases
        for found in case.iter("property")
    }
    return {
        "passed": finished == 0,
        "tests": len(cases),
        "failed": failed,
        "ended": _ended(finished),
        "largest_difference": max(differences.values(), default=None),
        "differences": differences,
    }


def speed(plan: Plan) -> Mapping[str, Any]:
    """Rows of the benchmark of speed, as long as there is time."""
    setting = Setting(rounds=0 if plan.rehearsed else 3, device=plan.device, smoke=plan.rehearsed)
    reports, left_out = {}, []
    for case in REHEARSED if plan.rehearsed else SPEED:
        if not plan.left:
            left_out.append(case)
            continue
        torch.manual_seed(0)
        reports[case] = CASES[case](setting)
    return {
        "passed": not left_out,
        "left_out": left_out,
        "figures": {case: [asdict(figure) for figure in report.figures] for case, report in reports.items()},
        "wall_seconds": {
            case: {way: timing.wall for way, timing in report.seconds.items()} for case, report in reports.items()
        },
    }


def ledger(plan: Plan) -> Mapping[str, Any]:
    """One case of the ledger at the paper's budget, trained on the device."""
    data = os.environ.get("HIZUMI_DATA")
    if plan.rehearsed or data is None:
        why = "not in a rehearsal" if plan.rehearsed else "HIZUMI_DATA names no folder with mnist.npz"
        return {"passed": plan.rehearsed, "left_out": why}
    with tempfile.TemporaryDirectory() as place:
        command = ["-m", "hizumi", "reproduce", *ONE_DIGIT, "--data", data, "--protocol", "honest", "--budget", "paper"]
        finished = _finished([*command, "--accelerator", plan.device, "--output", place], plan)
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in Path(place).glob("*.json")]
    runs = [run for row in rows for run in row["runs"]]
    return {"passed": finished == 0 and len(runs) == 1, "ended": _ended(finished), "runs": runs}


def _finished(arguments: Sequence[str], plan: Plan, variables: Mapping[str, str] | None = None) -> int | None:
    """The exit status of Python so called; None where the time was over: interrupted, it writes its report."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env={**os.environ, **(variables or {})})
    try:
        return process.wait(timeout=plan.left)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
        return None


def _ended(status: int | None) -> str:
    return "stopped: the time was over" if status is None else f"exit status {status}"
