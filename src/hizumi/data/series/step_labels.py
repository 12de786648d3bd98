"""Labels of the steps of a series: which column holds them, and which steps they call anomalous."""

from collections.abc import Sequence, Set

import numpy as np

from hizumi.data.cells import number_of
from hizumi.data.columns import named
from hizumi.data.labels import (
    MOST_CLASSES,
    UNKNOWN_WORDS,
    is_anomalous,
    is_normal,
    label_of_word,
    refuse_other_labels,
    words_in,
    words_of_name,
)
from hizumi.data.series.numbers import words_of
from hizumi.data.series.options import SeriesOptions
from hizumi.data.series.readings import SeriesTable
from hizumi.errors import DataError, UsageError
from hizumi.shapes import Bool
from hizumi.storage.files import printable

LABEL_NAMES = ("anomaly", "is_anomaly", "anomalous", "label", "labels", "outlier", "is_outlier", "target", "attack")
LABEL_WORDS = frozenset(
    {
        *("anomalies", "anomalous", "anomaly", "attack", "class", "defect", "failure", "fault", "faulty", "gt"),
        *("label", "labels", "outlier", "outliers", "truth"),
    }
)
"""In the names of columns that are labels where they hold what labels do."""
CHANGE_NAMES = ("changepoint", "change_point", "is_changepoint")


def refuse_unknown_good(tables: Sequence[SeriesTable], options: SeriesOptions, where: str) -> None:
    """Raise UsageError for a word that is to mean good and that labels no row."""

    def labels(name: str) -> bool:
        return name == options.label_column if options.label_column else name.lower() in LABEL_NAMES

    columns = [(table, name) for table in tables for name in table.columns if options.good and labels(name)]
    words = [word.strip() for table, name in columns for word in dict.fromkeys(words_of(table, name))]
    for good in options.good:
        if good.strip().lower() not in map(str.lower, words):
            found = f"labels are {words_in(words)}" if words else "there are no labels"
            raise UsageError(f"{where}: no folder or label is called {good!r}; {found}")


def label_column(
    table: SeriesTable, free: Sequence[str], options: SeriesOptions, notes: list[str]
) -> tuple[str | None, set[str]]:
    """The column of labels, and others that tell of anomalies and are not measured either."""
    called_so = sorted(
        (name for name in free if name.lower() in LABEL_NAMES), key=lambda name: LABEL_NAMES.index(name.lower())
    )
    labels = [name for name in called_so if options.layout == "unlabelled" or _are_labels(table, name, options)]
    label = table.present(options.label_column) or next(iter(labels), None)
    if label is None and options.label_column is None:
        label = next((name for name in free if name not in called_so and _may_be_labels(table, name)), None)
        if label is not None:
            notes.append(
                f"column {printable(label)!r} is taken for labels ({words_in(words_of(table, label), 5)}); to learn "
                "from it, name it among --columns"
            )
    if options.label_column is None:
        notes += [
            f"column {printable(name)!r} holds more than 0 and 1, and is taken for a measurement; "
            "--label-column says otherwise"
            for name in called_so
            if name not in labels
        ]
    others = {name for name in (*labels, *(n for n in free if n.lower() in CHANGE_NAMES)) if name != label}
    if others:
        notes.append(f"{named(sorted(others))} tell of anomalies too, and are left out; --columns says otherwise")
    return label, others


def labels_of(
    table: SeriesTable, column: str | None, options: SeriesOptions, notes: list[str]
) -> Bool[np.ndarray, "t"] | None:
    """True where rows are labelled anomalous; None without labels, which is noted of a column that is to hold them.

    Raises DataError for labels that are not clear, but in data whose labels are not asked for: there it is noted, too.
    """
    try:
        anomalous = _labels(table, column, options)
    except DataError:
        if options.layout != "unlabelled":
            raise
        notes.append(
            f"column {printable(column or '')!r} does not say of each step whether it is normal: it is left out"
        )
        return None
    if column is not None and anomalous is None:
        notes.append(f"column {printable(column)!r} holds no label")
    return anomalous


def _labels(table: SeriesTable, column: str | None, options: SeriesOptions) -> Bool[np.ndarray, "t"] | None:
    """As for `labels_of`."""
    if column is None:
        return None if table.label is None else np.full(len(table.rows), table.label == 1)
    words = words_of(table, column)
    good = {word.strip().lower() for word in options.good}
    if not good:
        refuse_other_labels(words, table.where, column)
    known = {word: _label(word, good) for word in set(words)}
    labels = [known[word] for word in words]
    unknown = [row for row, label in enumerate(labels) if label is None]
    if len(unknown) == len(labels):
        return None
    if unknown:
        raise DataError(
            f"{table.place(unknown[0])}, column {printable(column)!r}: has no label ({len(unknown)} in all); write 0 "
            f"or 1, or leave the column out (--ignore {printable(column)})"
        )
    return np.array(labels) == 1


def _label(word: str, good: Set[str]) -> int | None:
    if not good or word.strip().lower() in UNKNOWN_WORDS - {"-1"}:
        return label_of_word(word)[0]
    return int(word.strip().lower() not in good)


def _are_labels(table: SeriesTable, name: str, options: SeriesOptions) -> bool:
    """Whether a column called like labels holds them: 0 and 1, or words of which one is known to mean normal."""
    words = words_of(table, name)
    found = {word.strip().lower() for word in words}
    if found - UNKNOWN_WORDS <= {"0", "1", "true", "false"} or options.good:
        return True
    if any(is_normal(word) or is_anomalous(word) for word in found):
        return True
    if len(found) > MOST_CLASSES:
        return False
    numbers = [number_of(word, table.decimal_comma) for word in found]
    if None not in numbers and (name.lower() == "target" or not _are_whole(numbers)):
        return False
    refuse_other_labels(words, table.where, name)
    return True


def _may_be_labels(table: SeriesTable, name: str) -> bool:
    """Whether a column is y, or its name has a word for labels, and its cells are 0 and 1, or words such as normal."""
    if name.lower() != "y" and LABEL_WORDS.isdisjoint(words_of_name(name)):
        return False
    found = {word.strip().lower() for word in words_of(table, name)} - UNKNOWN_WORDS
    if any(is_normal(word) or is_anomalous(word) for word in found):
        return True
    return bool(found) and all(number_of(word) in (0, 1) or word in ("true", "false") for word in found)


def _are_whole(numbers: Sequence[float | None]) -> bool:
    return all(number is not None and number % 1 == 0 for number in numbers)
