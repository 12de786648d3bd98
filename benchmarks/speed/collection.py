"""A published collection of time series through the plain methods: each series learned from, and each step scored."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.speed.measuring import Figure, Report, Run, Setting, in_turn
from hizumi.detectors import PCA, Detector, Mahalanobis, MovingZScore, NearestNeighbour
from hizumi.reproduction.collections import FEWEST_STEPS, Task, read_smap_msl
from hizumi.reproduction.costs import Costs
from hizumi.reproduction.measuring_series import scores_of_test
from hizumi.training import TrainingOptions

METHODS: dict[str, Callable[[], Detector]] = {
    "moving z-score": MovingZScore,
    "PCA": PCA,
    "Mahalanobis": Mahalanobis,
    "nearest window": NearestNeighbour,
}
MOST_SECONDS = 15.0
ROUNDS = 3  # of minutes, which differ by little


def series(setting: Setting) -> Report:
    """Fit and scores of the protocol's 81 channels: windows of 64 steps, one at each to learn, every 4th to score."""
    tasks = _made_up() if setting.smoke else read_smap_msl(_folder()).tasks["all"]
    ways: dict[str, Run] = {name: partial(_all_of, tasks, make) for name, make in METHODS.items()}
    report = Report(seconds=in_turn(ways, replace(setting, rounds=min(setting.rounds, ROUNDS))))
    report.figures = [
        Figure(f"{name}, all of SMAP and MSL, CPU", report.seconds[name].cpu, "s", at_most=MOST_SECONDS)
        for name in METHODS
    ]
    return report


def _all_of(tasks: Sequence[Task], make: Callable[[], Detector]) -> None:
    for task in tasks:
        scores_of_test(task, make(), TrainingOptions(), Costs())


def _folder() -> Path:
    if "HIZUMI_DATA" not in os.environ:
        raise SystemExit("set HIZUMI_DATA to the folder that holds smap_msl.npz")
    return Path(os.environ["HIZUMI_DATA"])


def _made_up() -> list[Task]:
    values = np.random.default_rng(0).normal(size=(2, 2 * FEWEST_STEPS, 1)).astype(np.float32)
    return [Task("made up", values[0], values[1], np.zeros(len(values[1]), dtype=bool))]
