"""What the columns of a table look like: labels, counters, numbers that stand for missing ones."""

import re
from dataclasses import replace

import numpy as np

from hizumi.data.columns import Column, named
from hizumi.data.labels import MOST_CLASSES, UNKNOWN_WORDS, is_anomalous, is_normal, words_of_name
from hizumi.shapes import Float
from hizumi.storage.files import few, printable
from hizumi.words import counted

LABEL_LIKE = frozenset({"y", "class", "target", "labels", "anomaly", "is_anomaly", "outlier", "is_outlier", "attack"})
ID_LIKE = frozenset({"", "index", "id", "no", "no.", "nr", "row", "unnamed: 0", "level_0"})
NAMES_OF_BAD = frozenset(
    {
        *("abnormal", "anomalous", "anomaly", "attack", "bad", "defect", "defective", "defects", "fail", "failed"),
        *(
            "failure",
            "fault",
            "faulty",
            "fraud",
            "intrusion",
            "malicious",
            "ng",
            "nok",
            "outlier",
            "reject",
            "rejected",
        ),
    }
)
NAMES_OF_TRUTH = frozenset({"gt", "truth"})
NAMES_OF_GOOD = frozenset({"accept", "accepted", "good", "healthy", "normal", "ok", "pass", "passed"})
NAMES_OF_LABELS = frozenset(
    {
        *("class", "diagnosis", "grade", "judgement", "judgment", "label", "outcome", "quality", "result", "status"),
        *("target", "verdict"),
    }
)
LEAST_COUNTED = 5  # rows by which a counter is told from a measurement
LEAST_RISING = 20  # rows that no measurement rises in throughout, unless they are sorted by it
LARGEST_EXACT = 2**53  # whole number, up to which double precision has them all
LEAST_OTHERS = 5  # rows from which a number that stands for a missing one is told
FAR = 3  # times the range of all other numbers
BEGINS_AS_NUMBER = re.compile(r"\s*[<>~+-]?[.,]?\d")
STAND_IN = re.compile(r"-?9{2,}(\.9+)?|-32768|65535|-2147483648|2147483647|-?\d(\.\d+)?e\+[23]\d")


def as_words(column: Column) -> tuple[str, ...]:
    """The cells of a column as words, equal numbers as equal ones; empty ones where numbers are missing."""
    return replace(column, cells=()).written


def may_label(column: Column) -> bool:
    """Whether a column labels rows by its name and its few whole values, or by words for good and bad."""
    values = as_words(column)
    distinct = {value.strip().lower() for value in values} - (UNKNOWN_WORDS - {"-1"})
    identifies = LEAST_COUNTED < len(values) == len(distinct)
    if not 0 < len(distinct) <= MOST_CLASSES or identifies or not are_whole(column):
        return False
    tokens = words_of_name(column.name)
    if column.words is not None:
        told = [is_normal(word) or is_anomalous(word) for word in distinct]
        says_good = any(map(is_normal, distinct))
        of_labels = tokens & (NAMES_OF_LABELS | NAMES_OF_BAD | NAMES_OF_GOOD)
        return column.name.lower() in LABEL_LIKE or (says_good and (all(told) or bool(of_labels)))
    if column.name.lower() in LABEL_LIKE:
        return True
    two_sided = "0" in distinct or distinct == {"-1", "1"}
    says_so = tokens & (NAMES_OF_BAD | NAMES_OF_TRUTH) and not tokens & NAMES_OF_GOOD
    return bool(says_so) and two_sided and distinct <= {"-1", "0", "1"}


def is_called_label(column: Column) -> bool:
    """Whether its name has a word of those that columns of labels have."""
    return bool(words_of_name(column.name) & (NAMES_OF_LABELS | NAMES_OF_BAD | NAMES_OF_GOOD))


def names_rows(column: Column) -> bool:
    """Whether each row has a word of its own, none of which begins as a measurement does."""
    words = column.words or ()
    return LEAST_COUNTED < len(words) == len(set(words)) and not any(map(BEGINS_AS_NUMBER.match, words))


def notes_on(column: Column) -> list[str]:
    """What may be wrong with a column that is learned from, with what to do."""
    if column.words is not None:
        return []
    values = np.asarray(column.values)
    values = values[np.isfinite(values)]
    shown, name, notes = named([column.name]), printable(column.name), []
    distinct = np.unique(values).tolist()
    if is_called_label(column) and 1 < len(distinct) <= MOST_CLASSES and are_whole(column):
        wanted = 1 if words_of_name(column.name) & NAMES_OF_GOOD else 0
        good = wanted if wanted in distinct else distinct[0]
        notes.append(
            f"column {shown} holds only {few([f'{value:g}' for value in distinct], 5)} and is learned from; if it "
            f"labels the rows, say --label-column {name} --good {good:g} (label_column, good)"
        )
    if len(values) and np.abs(values).max() > LARGEST_EXACT and bool((values == values.round()).all()):
        notes.append(
            f"column {shown} holds whole numbers beyond 2^53, whose last digits are lost; subtract what they share, or "
            f"leave it out (--ignore {name})"
        )
    for value, count in _stand_ins(values):
        notes.append(
            f"column {shown} is {value} in {counted(count, 'row')}, far from all else; if that stands for a missing "
            f"number, leave {'its cell' if count == 1 else 'these cells'} empty, for --impute (`impute`) to fill in"
        )
    return notes


def _stand_ins(values: Float[np.ndarray, "n"]) -> list[tuple[str, int]]:
    """The least and the largest number, and how many rows have it, where it seems to stand for a missing one."""
    found = []
    for end in (values.min(), values.max()):
        others = values[values != end]
        count, text = len(values) - len(others), f"{end:.10g}"
        if len(others) < LEAST_OTHERS or not STAND_IN.fullmatch(text):
            continue
        if np.abs(others - end).min() > FAR * np.ptp(others):
            found.append((text, count))
    return found


def is_missing_some(column: Column) -> bool:
    """Whether some numbers are missing."""
    return column.words is None and bool(np.isnan(np.asarray(column.values)).any())


def is_missing_all(column: Column) -> bool:
    """Whether all numbers are missing."""
    return column.words is None and bool(np.isnan(np.asarray(column.values)).all())


def are_whole(column: Column) -> bool:
    """Words, or whole numbers, as labels are."""
    if column.words is not None:
        return True
    values = np.asarray(column.values)
    values = values[np.isfinite(values)]
    return bool(len(values)) and bool((values == values.round()).all())


def counts(column: Column) -> bool:
    """Whether each number is the one before and 1."""
    values = np.asarray(column.values)
    return column.words is None and len(values) >= LEAST_COUNTED and bool((np.diff(values) == 1).all())


def rises(column: Column) -> bool:
    """Whether each number is above the one before, by as much each time or in many rows, as time and meters are."""
    values = np.asarray(column.values)
    if column.words is not None or len(values) < LEAST_COUNTED:
        return False
    steps = np.diff(values)
    is_even = len(values) >= LEAST_RISING or bool(np.isclose(steps, steps[0], rtol=1e-6, atol=0).all())
    return is_even and bool((steps > 0).all())


def are_distinct(column: Column) -> bool:
    """Whether no two rows have the same word or whole number."""
    return are_whole(column) and len(set(column.written)) == len(column.values)
