"""Seconds of CPU of whole commands, each in a fresh process."""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.speed.measuring import Figure, Report, Setting
from hizumi.detectors import GANomaly
from hizumi.inspection import Inspector, save
from hizumi.training import Budget, TrainingOptions


def start(setting: Setting) -> Report:
    """What a user waits for before anything happens."""
    with tempfile.TemporaryDirectory() as folder:
        image, bundle = Path(folder, "one.png"), Path(folder, "one.hizumi")
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(image)
        training = TrainingOptions(budget=Budget(steps=1), batch_size=8)
        normal = np.random.default_rng(0).integers(0, 255, (24, 64, 64), dtype=np.uint8)
        save(Inspector(GANomaly(width=16), training=training).fit(normal), bundle)
        inspect = ["inspect", str(bundle), str(image)]
        return Report(
            [
                Figure("hizumi --help", _cpu_seconds(["--help"], setting), "s of CPU", at_most=0.3),
                Figure("hizumi inspect one.png, with torch", _cpu_seconds(inspect, setting), "s of CPU", at_most=2.5),
            ]
        )


def _cpu_seconds(arguments: list[str], setting: Setting) -> float:
    taken = []
    for _ in range(max(1, setting.rounds)):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "hizumi", *arguments], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(taken)
