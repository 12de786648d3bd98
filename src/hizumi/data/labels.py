"""Words and numbers by which sources label records as normal or anomalous, and name their splits."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from hizumi.data.manifest import GOOD, UNLABELLED, Record
from hizumi.errors import DataError, UsageError
from hizumi.storage.files import few, printable

NORMAL_WORDS = frozenset(
    {
        *("accept", "accepted", "fine", "flawless", "good", "healthy", "intact", "normal", "ok", "okay", "pass"),
        *("passed", "undamaged", "bon", "conforme", "gut", "i o", "io"),
        *("ok品", "良", "良品", "合格", "合格品", "正常", "正常品", "異常なし", "無欠陥", "无缺陷", "양품", "정상"),
    }
)
ANOMALOUS_WORDS = frozenset(
    {
        *("abnormal", "anomalies", "anomalous", "anomaly", "bad", "damaged", "defect", "defective", "defects"),
        *("fail", "failed", "failure", "fault", "faults", "faulty", "flaw", "flaws", "flawed", "ng", "nok"),
        *("reject", "rejected", "rejects", "ausschuss", "defekt", "n i o", "nio", "schlecht"),
        *("ng品", "不良", "不良品", "不合格", "異常", "异常", "欠陥", "缺陷", "불량", "비정상"),
    }
)
MOST_CLASSES = 20  # distinct values of a column that may be labels
WORDS_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
DENIALS = ("no", "non", "not", "without", "free of", "nicht", "kein", "keine")
ANOMALOUS = "anomalous"
UNKNOWN_WORDS = frozenset(
    {
        *("", "-1", "nan", "none", "null", "na", "n/a", "?"),
        *("unclassified", "unknown", "unlabeled", "unlabelled", "unsorted", "不明", "未分類", "未分类"),
    }
)
SPLITS = {
    "train": "train",
    "training": "train",
    "learn": "train",
    "calibration": "calibration",
    "calib": "calibration",
    "validation": "calibration",
    "validate": "calibration",
    "valid": "calibration",
    "val": "calibration",
    "dev": "calibration",
    "test": "test",
    "testing": "test",
    "tests": "test",
    "eval": "test",
    "evaluation": "test",
    "holdout": "test",
    "inference": "test",
    "学習": "train",
    "学習用": "train",
    "訓練": "train",
    "训练": "train",
    "検証": "calibration",
    "验证": "calibration",
    "テスト": "test",
    "検査": "test",
    "評価": "test",
    "测试": "test",
}
NOTHING_WORDS = frozenset(
    {
        *(
            "data",
            "dataset",
            "files",
            "frames",
            "jpg",
            "jpeg",
            "png",
            "rgb",
            "tiff",
            "xyz",
            "image",
            "images",
            "img",
            "imgs",
            "jpegimages",
            "only",
            "part",
            "parts",
        ),
        *("photo", "photos", "picture", "pictures", "sample", "samples", "set", "videos"),
    }
)

NormalClass = int | Literal["all"] | None
"""Which of several classes is the normal one; "all": every class is normal, and a record's kind names its class."""


def plain_words(name: str) -> str:
    """A folder's name or a label in lower case, without numbering or words such as "images": "good" for 0.Good_images.

    Empty where nothing else is in it.
    """
    words = re.findall(r"[^\W_]+", re.sub(r"^\d+[\W_]+(?=\D)", "", name.strip().lower()))
    return " ".join(word for word in words if word not in NOTHING_WORDS)


def words_of_name(name: str) -> set[str]:
    """The words of a column's name, such as is_defect, isFraud or Normal/Attack, in lower case."""
    return {word.lower() for word in WORDS_OF_NAME.findall(name)}


def is_normal(name: str) -> bool:
    """Whether a folder's name or a label says good: by a word for it, or by denying one for bad."""
    words = plain_words(name)
    return words in NORMAL_WORDS or _denied(words) in ANOMALOUS_WORDS


def is_anomalous(name: str) -> bool:
    """Whether a folder's name or a label says bad, without saying how: by a word for it, or by denying one for good."""
    words = plain_words(name).removeprefix("with ")
    return words in ANOMALOUS_WORDS or _denied(words) in NORMAL_WORDS


def is_unknown(name: str) -> bool:
    """Whether a folder's name says that nothing is known of what is in it."""
    return bool(plain_words(name)) and plain_words(name) in UNKNOWN_WORDS


def _denied(words: str) -> str | None:
    """What "no defects", "not ok", "defect free" and "nondefective" deny; None for what denies nothing."""
    for denial in DENIALS:
        if words.startswith(f"{denial} "):
            return words.removeprefix(f"{denial} ")
    if words.endswith(" free"):
        return words.removesuffix(" free")
    return words[3:] if words.startswith("non") else None


def split_named(name: str) -> str | None:
    """The split that a folder's name tells of, alone or before what tells several apart: test_public, test-A, train2.

    None for other names.
    """
    words = plain_words(name)
    if words in SPLITS:
        return SPLITS[words]
    first = words.split(" ", 1)[0].rstrip("0123456789")
    return SPLITS.get(first)


def split_and_rest(name: str) -> tuple[str, str] | None:
    """The parts of a name that tells of a split and of good or bad at once, such as test_good or good-train."""
    words = plain_words(name).split(" ")
    for split, rest in ((words[0], words[1:]), (words[-1], words[:-1])):
        if split in SPLITS and rest and (is_normal(" ".join(rest)) or is_anomalous(" ".join(rest))):
            return split, " ".join(rest)
    return None


def are_classes(words: Iterable[str]) -> bool:
    """Whether these labels or folder names are classes, not 0 and 1 or words such as good and bad."""
    found = {word.strip().lower() for word in words} - UNKNOWN_WORDS
    return not (any(is_normal(word) or is_anomalous(word) for word in found) or found <= {"0", "1", "true", "false"})


def with_classes(records: Sequence[Record], words: Sequence[str]) -> list[Record]:
    """Relabel records as normal, each of the class that its word names."""
    classes = (_class_of_word(word) for word in words)
    return [
        replace(record, label=label, kind=kind, mask=None)
        for record, (label, kind) in zip(records, classes, strict=True)
    ]


def label_of_word(word: str) -> tuple[int | None, str]:
    """Label and kind for a word: 0 and "good", 1 and the defect's name, or None for a missing label."""
    word = word.strip()
    if word.lower() in UNKNOWN_WORDS or _is_number(word, -1):
        return None, UNLABELLED
    if is_normal(word) or _is_number(word, 0):
        return 0, GOOD
    return 1, ANOMALOUS if _is_number(word, 1) else word


def labelled_record(name: str, fields: Mapping[str, str], where: str) -> Record:
    """Record of a line with its kind, label, split and group; normal without a column for labels."""
    label, kind = label_of_word(fields["label"]) if "label" in fields else (0, GOOD)
    if fields.get("kind"):
        kind = printable(fields["kind"])
        label = label_of_word(kind)[0] if "label" not in fields else label
    return Record(name, kind, label, split_of_word(fields.get("split", ""), where), fields.get("group") or None)


def good_again(words: Iterable[str], good_before: Sequence[str]) -> tuple[str, ...]:
    """Those words that meant good before and that are here, too."""
    there = list(dict.fromkeys(words))
    return tuple(wanted for wanted in good_before if any(_same(word, wanted) for word in there))


def note_on_good_again(good: Sequence[str]) -> str:
    """That they were taken for good without being told so."""
    return f"taken as good, as when it was learned: {words_in(good)}; say --good (`good`) where others are"


def refuse_absent_good(words: Sequence[str], good: Sequence[str], where: str) -> None:
    """Raise UsageError for a word that is to mean good and that no record has."""
    for wanted in good:
        if not any(_same(word, wanted) for word in words):
            raise UsageError(f"{where}: no label is {wanted!r}; there are {words_in(words)}")


def with_good(records: Sequence[Record], words: Sequence[str], good: Sequence[str]) -> list[Record]:
    """Relabel records as normal where their word is one of those that mean good, as anomalous of that kind elsewhere.

    An empty word or one such as "unknown" labels nothing, unless it is to mean good.
    """
    return [_with_good(record, word, good) for record, word in zip(records, words, strict=True)]


def are_clear(words: Sequence[str]) -> bool:
    """Whether these labels say by themselves which of them means normal."""
    found = {word.strip().lower() for word in words} - (UNKNOWN_WORDS - {"-1"})
    numbers = {value for value in map(_number, found) if value is not None}
    if len(numbers) == len(found):
        return numbers <= {-1.0, 0.0, 1.0} and numbers != {-1.0, 1.0}
    told = {word for word in found if is_normal(word) or is_anomalous(word) or word in {"0", "false", "true"}}
    return len(found) < 2 or bool(told)


def refuse_other_labels(words: Sequence[str], where: str, column: str) -> None:
    """Raise DataError where these labels do not say by themselves which of them means normal."""
    if not are_clear(words):
        raise DataError(
            f"{where}: column {column!r} labels rows as {words_in(words)}, and none is known to mean normal: say "
            f"which, as in --good {_likely_good(words)}, or leave the column out (--ignore {column}), or learn from it "
            "(name it among --columns)"
        )


def refuse_numbered(words: Sequence[str], where: str, column: str, noun: str) -> None:
    """Raise DataError for labels such as 0, 1, 2, or 1 and -1: one may be good and the others defects, or all alike."""
    if all(_number(word) is not None for word in words if word.strip()) and not are_clear(words):
        raise DataError(
            f"{where}: column {column!r} labels {noun}s as {words_in(words)}; say which is normal, as in --good "
            f"{_likely_good(words)} (`good`)"
        )


def words_in(words: Sequence[str], most: int = 10) -> str:
    """The words there are, for a message: the first few of many, each once."""
    return few([word.strip() or "(empty)" for word in dict.fromkeys(words)], most)


def split_of_word(word: str, where: str) -> str | None:
    """The split a word names, None for an empty one; DataError for a word that names none."""
    word = word.strip().lower()
    if word and split_named(word) is None:
        raise DataError(f"{where}: split {word!r} is not known; write train, calibration or test, or leave it empty")
    return split_named(word)


def labels_of(values: np.ndarray, normal_class: NormalClass, where: str) -> list[tuple[int | None, str]]:
    """Label and kind for an array (n,) of labels: 0, 1, -1 (unknown) or words; or any classes, one or all normal.

    Raises DataError when the values are classes and `normal_class` is None, UsageError for an unknown class.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise DataError(
            f"{where}: has shape {values.shape} and type {values.dtype}; labels are one number or word per row"
        )
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if normal_class == "all":
        names = _names(values)
        if are_classes(names) or set(names) == {"-1", "1"}:
            return [_class_of_word(name) for name in names]
    elif normal_class is not None:
        return _of_classes(values, normal_class, where)
    if values.dtype.kind == "U":
        return [label_of_word(str(value)) for value in values]
    found = {float(value) for value in np.unique(values[~np.isnan(values)] if values.dtype.kind == "f" else values)}
    if found == {-1.0, 1.0}:
        raise DataError(f"{where}: holds -1 and 1; here 0 is normal, 1 anomalous and -1 unknown: write 0 for normal")
    if not found <= {-1.0, 0.0, 1.0}:
        classes = few([f"{value:g}" for value in sorted(found)], 10)
        raise DataError(f"{where}: labels are {classes}, not 0 and 1; say which is normal (`normal_class`)")
    known: dict[float, tuple[int | None, str]] = {0.0: (0, GOOD), 1.0: (1, ANOMALOUS)}
    return [known.get(float(value), (None, UNLABELLED)) for value in values]


def _of_classes(values: np.ndarray, normal_class: int, where: str) -> list[tuple[int | None, str]]:
    names = _names(values)
    if str(normal_class) not in names:
        raise UsageError(f"{where}: has no class {normal_class}; it holds {', '.join(sorted(set(names))[:20])}")
    return [(0, GOOD) if name == str(normal_class) else (1, name) for name in names]


def _names(values: np.ndarray) -> list[str]:
    return [str(value) if values.dtype.kind == "U" else f"{value:g}" for value in values]


def _with_good(record: Record, word: str, good: Sequence[str]) -> Record:
    if any(_same(word, wanted) for wanted in good):
        return replace(record, label=0, kind=GOOD, mask=None)
    if word.strip().lower() in UNKNOWN_WORDS - {"-1"}:
        return replace(record, label=None, kind=UNLABELLED)
    return replace(record, label=1, kind=record.kind if record.label == 1 else printable(word.strip()))


def _same(word: str, wanted: str) -> bool:
    number = _number(word)
    return word.strip().lower() == wanted.strip().lower() or (number is not None and number == _number(wanted))


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _likely_good(words: Sequence[str]) -> str:
    """The most frequent word, as it is typed: good parts are most often the most."""
    return printable(Counter(word.strip() for word in words).most_common(1)[0][0]) or '""'


def _class_of_word(word: str) -> tuple[int | None, str]:
    word = word.strip()
    return (None, UNLABELLED) if word.lower() in UNKNOWN_WORDS else (0, printable(word))


def _is_number(word: str, number: int) -> bool:
    try:
        return float(word) == number
    except ValueError:
        return word.lower() == {0: "false", 1: "true"}.get(int(number))
