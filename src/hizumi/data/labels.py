"""The words and numbers by which sources say what is normal, what is not, and which split a record belongs to."""

import numpy as np

from hizumi.data.manifest import GOOD, UNLABELLED
from hizumi.errors import DataError, UsageError

NORMAL_WORDS = frozenset({"good", "normal", "ok"})
ANOMALOUS_WORDS = frozenset({"abnormal", "anomalous", "anomaly", "bad", "defect", "defective", "ng"})
ANOMALOUS = "anomalous"
SPLITS = {
    "train": "train",
    "training": "train",
    "calibration": "calibration",
    "validation": "calibration",
    "val": "calibration",
    "test": "test",
}


def label_of_word(word: str) -> tuple[int | None, str]:
    """Label and kind for a word: 0 and "good", 1 and the defect's name, or None where nothing is said."""
    word = word.strip()
    if word in ("", "-1", "nan", "None"):
        return None, UNLABELLED
    if word.lower() in NORMAL_WORDS or _is_number(word, 0):
        return 0, GOOD
    return 1, ANOMALOUS if _is_number(word, 1) else word


def split_of_word(word: str, where: str) -> str | None:
    """The split a word names, None for an empty one; DataError for a word that names none."""
    word = word.strip().lower()
    if word and word not in SPLITS:
        raise DataError(f"{where}: split {word!r} is not known; write train, calibration or test, or leave it empty")
    return SPLITS.get(word)


def labels_of(values: np.ndarray, normal_class: int | None, where: str) -> list[tuple[int | None, str]]:
    """Label and kind for an array (n,) of labels: 0, 1, -1 (unknown) or words; or any classes, one of which is normal.

    Raises DataError when the values are classes and nobody has said which one is normal.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise DataError(
            f"{where}: has shape {values.shape} and type {values.dtype}; labels are one number or word a row"
        )
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if normal_class is not None:
        return _of_classes(values, normal_class, where)
    if values.dtype.kind == "U":
        return [label_of_word(str(value)) for value in values]
    found = {float(value) for value in np.unique(values[~np.isnan(values)] if values.dtype.kind == "f" else values)}
    if found == {-1.0, 1.0}:
        raise DataError(f"{where}: holds -1 and 1; here 0 is normal, 1 anomalous and -1 unknown: write 0 for normal")
    if not found <= {-1.0, 0.0, 1.0}:
        raise DataError(f"{where}: holds {len(found)} classes, not 0 and 1; say which of them is normal (normal_class)")
    known: dict[float, tuple[int | None, str]] = {0.0: (0, GOOD), 1.0: (1, ANOMALOUS)}
    return [known.get(float(value), (None, UNLABELLED)) for value in values]


def _of_classes(values: np.ndarray, normal_class: int, where: str) -> list[tuple[int | None, str]]:
    names = [str(value) if values.dtype.kind == "U" else f"{value:g}" for value in values]
    if str(normal_class) not in names:
        raise UsageError(f"{where}: has no class {normal_class}; it holds {', '.join(sorted(set(names))[:20])}")
    return [(0, GOOD) if name == str(normal_class) else (1, name) for name in names]


def _is_number(word: str, number: int) -> bool:
    try:
        return float(word) == number
    except ValueError:
        return word.lower() == str(bool(number)).lower()
