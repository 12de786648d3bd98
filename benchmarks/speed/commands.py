"""Whole commands, each in a fresh process."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmarks.speed import peers
from benchmarks.speed.measuring import Figure, Report, Run, Setting, Timing, in_turn
from benchmarks.speed.serving import served


def start(setting: Setting) -> Report:
    """What a user waits for before anything happens."""
    with served(setting, files=1, engines=["onnxruntime"]) as service:
        one = str(service.files[0])
        unreadable = service.folder.parent / "unreadable.png"  # the scoring finds it, when all else has been done
        unreadable.write_text("no image")
        ways = {
            "hizumi --help": (_command("--help"), 0.3),
            "hizumi evaluate, until it scores": (_command("evaluate", service.bundle, unreadable, exits=2), 2.4),
            "hizumi evaluate of a wrong path": (_command("evaluate", service.bundle, "nothing", exits=2), 0.5),
            "hizumi inspect one.png, with torch": (_command("inspect", service.bundle, one), 2.5),
            "hizumi inspect one.png, by the runtime": (_command("inspect", service.exported["onnxruntime"], one), 0.6),
            "python -m hizumi.runtime, one.png": (_runtime(service.exported["onnxruntime"], one), None),
        }
        seconds = in_turn({name: run for name, (run, _) in ways.items()}, setting)
    figures = [Figure(name, seconds[name].cpu, "s of CPU", at_most=asked) for name, (_, asked) in ways.items()]
    return Report(figures, seconds)


def score_cold(setting: Setting) -> Report:
    """Processes that score PNG files of 64 pixels and end: ours in torch and by the runtime, and anomalib's."""
    with served(setting, files=setting.pick(100, 2), engines=["onnxruntime"]) as service:
        table = service.folder.parent / "scores.csv"
        ways = {
            "torch": _command("inspect", service.bundle, service.folder, "--csv", table),
            "runtime": _runtime(service.exported["onnxruntime"], service.folder, "-o", table),
            "runtime, one file": _runtime(service.exported["onnxruntime"], service.files[0], "-o", table),
        }
        if peers.PYTHON.exists():
            ways["anomalib"] = _fresh(peers.PYTHON, peers.ANOMALIB, "cold", service.folder, table)
        seconds = in_turn(ways, setting)
    report = Report(seconds=seconds)
    for way, most, asked in (("runtime", 2.0, 10.0), ("torch", 4.0, 2.0)):
        name = f"{len(service.files)} files, {way}"
        report.figures.append(Figure(name, seconds[way].cpu, "s of CPU", at_most=most))
        if "anomalib" in seconds:
            ratio = seconds["anomalib"].cpu / seconds[way].cpu
            report.figures.append(Figure(f"{way}, against anomalib", ratio, at_least=asked))
    report.figures.append(Figure("1 file, runtime", seconds["runtime, one file"].cpu, "s of CPU", at_most=0.6))
    return report


def _command(*arguments: object, exits: int = 0) -> Run:
    return _fresh(sys.executable, "-m", "hizumi", *arguments, exits=exits)


def _runtime(bundle: Path, *arguments: object) -> Run:
    return _fresh(sys.executable, "-m", "hizumi.runtime", bundle, *arguments, "--threads", torch.get_num_threads())


def _fresh(*arguments: object, exits: int = 0) -> Run:
    """A process with as many threads as torch has here, which exits with that code, and its time."""
    command = [str(argument) for argument in arguments]

    def run() -> Timing:
        environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each start would compile what users have compiled once
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, capture_output=True, env=environment)
        if done.returncode != exits:
            done.check_returncode()
            raise RuntimeError(f"{' '.join(command)} exited with 0, not {exits}")
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
        return Timing(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)

    return run
