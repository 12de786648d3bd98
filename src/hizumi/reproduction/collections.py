"""Published collections of time series: what of each series is learned from, and what is tested."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from hizumi.errors import DataError
from hizumi.shapes import Bool, Float
from hizumi.storage.files import printable

LENGTH = 64  # steps of a window
FEWEST_STEPS = 2 * LENGTH  # to learn from
FIRST_STEPS = 400  # of a SKAB experiment


@dataclass(frozen=True, eq=False)
class Task:
    """One series: what is learned from, and what is tested, with its labels."""

    name: str
    train: Float[np.ndarray, "t c"]
    test: Float[np.ndarray, "s c"]
    anomalous: Bool[np.ndarray, "s"]


@dataclass(frozen=True, eq=False)
class Collection:
    """The series of a data set, by the cases of its protocol."""

    tasks: Mapping[str, tuple[Task, ...]]


def read_nab(folder: Path) -> Collection:
    """Numenta Anomaly Benchmark: series of one value with an event, and with enough before the first one."""
    arrays = _arrays(folder, "nab.npz", "the Numenta Anomaly Benchmark")
    tasks = []
    for index, values in enumerate(_pieces(arrays["value"][:, np.newaxis], arrays["offset"])):
        marks = _marked(len(values), arrays["window"][arrays["window"][:, 0] == index, 1:])
        learned = int(marks.argmax()) - 2 * LENGTH
        if marks.any() and learned >= FEWEST_STEPS:
            tasks.append(Task(str(arrays["name"][index]), values[:learned], values[learned:], marks[learned:]))
    return Collection({"all": tuple(tasks)})


def read_skab(folder: Path) -> Collection:
    """SKAB: a water loop with 8 sensors; a long recording without an anomaly, and 34 experiments with one."""
    arrays = _arrays(folder, "skab.npz", "SKAB")
    pieces = list(_pieces(arrays["value"], arrays["offset"]))
    labels = list(_pieces(arrays["anomaly"] == 1, arrays["offset"]))
    names = [f"{group}/{name}" for group, name in zip(arrays["group"], arrays["name"], strict=True)]
    free = pieces[int(arrays["anomaly_free"].argmax())]
    experiments = np.flatnonzero(~arrays["anomaly_free"]).tolist()
    return Collection(
        {
            "anomaly-free file": tuple(Task(names[i], free, pieces[i], labels[i]) for i in experiments),
            "first 400 steps": tuple(
                Task(names[i], pieces[i][:FIRST_STEPS], pieces[i][FIRST_STEPS:], labels[i][FIRST_STEPS:])
                for i in experiments
                if not labels[i][:FIRST_STEPS].any()
            ),
        }
    )


def read_smap_msl(folder: Path) -> Collection:
    """NASA's SMAP and MSL: 81 channels of telemetry, each with a part to learn from; commands are left out."""
    arrays = _arrays(folder, "smap_msl.npz", "SMAP and MSL")
    train = list(_pieces(arrays["value_train"][:, np.newaxis], arrays["offset_train"]))
    test = list(_pieces(arrays["value_test"][:, np.newaxis], arrays["offset_test"]))
    tasks = [
        Task(str(name), train[i], test[i], _marked(len(test[i]), arrays["window"][arrays["window"][:, 0] == i, 1:]))
        for i, name in enumerate(arrays["name"])
    ]
    return Collection({"all": tuple(tasks)})


def _arrays(folder: Path, file: str, what: str) -> dict[str, np.ndarray]:
    path = folder / file
    if not path.exists():
        raise DataError(f"{printable(folder)}: holds no {what}; looked for {file}")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _pieces(values: np.ndarray, offset: np.ndarray) -> Iterator[np.ndarray]:
    for start, stop in pairwise(offset.tolist()):
        yield values[start:stop]


def _marked(length: int, windows: np.ndarray) -> Bool[np.ndarray, "t"]:
    marks = np.zeros(length, dtype=bool)
    for start, stop in windows.tolist():
        marks[start:stop] = True
    return marks
