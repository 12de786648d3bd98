"""Time stamps as tables hold them: ISO 8601, or numbers since 1970."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from hizumi.data.cells import number_of
from hizumi.data.series.form import DateOrder
from hizumi.data.series.readings import SeriesTable
from hizumi.errors import DataError
from hizumi.shapes import Integer
from hizumi.storage.files import printable

SECOND = 10**9  # in nanoseconds
UNITS = {"s": SECOND, "sec": SECOND, "seconds": SECOND, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}
TIME_NAME = re.compile(
    r"(?:unix|epoch|utc|local)?[ _-]?(?:time|date|datetime|date[ _-]?time|time[ _-]?stamp|ts|epoch)"
    r"(?:[ _-]?[\[(]?(?:utc|gmt|jst|local|index)[\])]?)?[ _-]?[\[(]?(?P<unit>s|sec|seconds|ms|us|µs|ns)?[\])]?",
    re.IGNORECASE,
)
STAMP = re.compile(
    r"(?:(?P<year>\d{4})(?P<between>[-/.]?)(?P<month>\d\d?)(?:(?P=between)(?P<day>\d\d?))?)?(?:(?:^|[T ] *)"
    r"(?P<hour>\d\d?):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9})\d*)?)?"
    r" *(?P<half>[AP]M)? *(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?",
    re.IGNORECASE,
)
USUAL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?", re.ASCII)
DAY_FIRST = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})(?!\d)")
YEAR_LAST = re.compile(r"(\d\d?)(?P<between>[/-])(\d\d?)(?P=between)(\d{4})(?!\d)")
REORDERED = {"day": r"\4-\3-\1", "month": r"\4-\1-\3"}
MONTHS, NOON = 12, 12
WHOLE_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
LARGEST_SECONDS, LARGEST_MILLISECONDS, LARGEST_MICROSECONDS = 10**11, 10**14, 10**17  # each about the year 5138
DAYS = ((20_000, 80_000), (700_000, 800_000))  # spreadsheets since 1900, and MATLAB since 0: the years about now
FIRST_YEAR, LAST_YEAR = 1678, 2261  # of nanoseconds in 64 bits
ADVICE = (
    "write ISO 8601 (2026-01-31 09:30:00) or seconds since 1970, or leave the column out (--ignore {}): steps count"
)


def is_time_name(name: str) -> bool:
    """Whether a column of this name holds time stamps."""
    return TIME_NAME.fullmatch(name.strip()) is not None


def looks_like_times(column: np.ndarray) -> bool:
    """Whether all of a column's cells are times or dates, by their type or as written, and none a plain number."""
    if column.dtype.kind in "mM":
        return True
    if column.dtype.kind != "O" or not len(column):
        return False
    if _usual(column.tolist()) is not None:
        return True
    order = date_order_of(column) or "day"
    return all(number_of(word) is None and _is_moment(_matched(word, order)) for word in column)


def date_order_of(words: Iterable[str]) -> DateOrder | None:
    """What comes first in dates such as 31/01/2026, where any of them shows it."""
    dates = [match for word in words if (match := YEAR_LAST.match(word.strip()))]
    if any(int(match[1]) > MONTHS for match in dates):
        return "day"
    return "month" if any(int(match[3]) > MONTHS for match in dates) else None


def stamps_of(
    table: SeriesTable, name: str, order: DateOrder | None = None
) -> tuple[Integer[np.ndarray, "t"], list[str]]:
    """Nanoseconds since 1970 for each row of a column, and a note on what was assumed of them.

    Text is ISO 8601, with a zone in all rows or in none, a date in another `order`, a time of day, or a number; numbers
    are seconds, or what the column's name or their size says. Raises DataError naming the row that is not understood.
    """
    column = table.columns[name]
    if column.dtype.kind in "mM":
        _refuse_missing(np.isnat(column), table, name)
        return column.astype(f"{column.dtype.kind}8[ns]").astype(np.int64), []
    if column.dtype.kind == "O":
        words = [word.strip() for word in column]
        usual = _usual(words)
        if usual is not None:
            return usual, []
        _refuse_missing(np.array([word == "" for word in words]), table, name)
        if not all(number_of(word, table.decimal_comma) is not None for word in words) or _are_dates(words, name):
            return _of_words(words, table, name, order), []
        numbers = np.array([number_of(word, table.decimal_comma) for word in words], dtype=float)
    else:
        words, numbers = [], column.astype(float)
    _refuse_missing(~np.isfinite(numbers), table, name)
    unit, note = _unit(numbers, name)
    _refuse_beyond(numbers * unit, table, name, is_said=not note)
    if column.dtype.kind in "iu":
        return column.astype(np.int64) * unit, note
    if words:
        return np.array([_exact(word.replace(",", "."), unit) for word in words], dtype=np.int64), note
    return np.round(numbers * unit).astype(np.int64), note


def joined(dates: Iterable[str], times: Iterable[str]) -> np.ndarray:
    """Dates and times of day, which a table holds in two columns, as one."""
    return np.array([f"{date.strip()} {time.strip()}" for date, time in zip(dates, times, strict=True)], dtype=object)


def _refuse_missing(missing: np.ndarray, table: SeriesTable, name: str) -> None:
    rows = np.flatnonzero(missing)
    if len(rows):
        raise DataError(
            f"{table.place(int(rows[0]))}, column {printable(name)!r}: has no time stamp ({len(rows)} in all); fill it "
            f"in or delete the {table.row_is}, or leave the column out (--ignore {printable(name)}): steps count"
        )


def _refuse_beyond(nanoseconds: np.ndarray, table: SeriesTable, name: str, *, is_said: bool) -> None:
    rows = np.flatnonzero(np.abs(nanoseconds) >= 2.0**63)
    if len(rows):
        unit = "in the unit that the column's name says, " if is_said else ""
        raise DataError(
            f"{table.place(int(rows[0]))}, column {printable(name)!r}: {unit}is no time stamp between the years "
            f"{FIRST_YEAR} and {LAST_YEAR}; {ADVICE.format(printable(name))}"
        )


def _unit(numbers: np.ndarray, name: str) -> tuple[int, list[str]]:
    """Nanoseconds of the unit of such numbers, and a note where it was not said."""
    match = TIME_NAME.fullmatch(name.strip())
    if match is not None and match["unit"]:
        return UNITS[match["unit"].lower()], []
    size = float(np.median(np.abs(numbers).clip(max=1e30)))
    limits = {"s": LARGEST_SECONDS, "ms": LARGEST_MILLISECONDS, "us": LARGEST_MICROSECONDS}
    unit = next((unit for unit, limit in limits.items() if size < limit), "ns")
    note = f"numbers in column {printable(name)!r} are taken for times in {unit}"
    if any(low < size < high for low, high in DAYS) and np.median(np.abs(np.diff(numbers))) <= 1:
        note += ", and if they count days, as spreadsheets do, write them as dates"
    return UNITS[unit], [note]


def _exact(word: str, unit: int) -> int:
    """A number of units as whole nanoseconds, without the rounding of a double."""
    whole, _, fraction = word.partition(".")
    digits = len(str(unit)) - 1
    if not re.fullmatch(r"\d+", whole) or not re.fullmatch(r"\d*", fraction):
        return round(float(word) * unit)
    return int(whole) * unit + int(fraction[:digits].ljust(digits, "0") or 0)


def _are_dates(words: Iterable[str], name: str) -> bool:
    return "date" in name.lower() and all(WHOLE_DATE.fullmatch(word) for word in words)


def _usual(words: Sequence[str]) -> Integer[np.ndarray, "t"] | None:
    """Nanoseconds of stamps that are all written as most are, without a zone or in UTC; None for others.

    NumPy reads these a dozen times as fast as `_of_words` does.
    """
    if all(word.endswith("Z") for word in words):
        words = [word[:-1] for word in words]
    if not all(map(USUAL.fullmatch, words)) or not (_is_in_range(min(words)[:4]) and _is_in_range(max(words)[:4])):
        return None
    try:
        return np.array(words, dtype="datetime64[ns]").astype(np.int64)
    except ValueError:
        return None


def _matched(word: str, order: DateOrder) -> re.Match[str] | None:
    """The parts of a stamp; with points between them, the day comes first."""
    word = DAY_FIRST.sub(r"\3-\2-\1", word.strip(), count=1)
    return STAMP.fullmatch(YEAR_LAST.sub(REORDERED[order], word, count=1))


def _refuse_ambiguous(words: Sequence[str], table: SeriesTable, name: str) -> None:
    """Raise DataError for a date in which day and month cannot be told apart."""
    for row, word in enumerate(words):
        match = YEAR_LAST.match(word)
        if match is not None and int(match[1]) != int(match[3]):
            raise DataError(
                f"{table.place(row)}, column {printable(name)!r}: in {printable(word)!r} the day or the month may come "
                "first, and no date there tells; say which (--date-order day or month), or write ISO 8601 "
                "(2026-01-31 09:30:00)"
            )


def _of_words(words: Sequence[str], table: SeriesTable, name: str, order: DateOrder | None) -> Integer[np.ndarray, "t"]:
    order = order or date_order_of(words)
    if order is None:
        _refuse_ambiguous(words, table, name)
    matches = [_matched(word, order or "day") for word in words]
    zones = [match["zone"] if match else None for match in matches]
    dated = [match is not None and match["year"] is not None for match in matches]
    try:
        times = np.array([_plain(match) for match in matches], dtype="datetime64[ns]").astype(np.int64)
    except ValueError:
        row = next(row for row, match in enumerate(matches) if not _is_moment(match))
        raise DataError(
            f"{table.place(row)}, column {printable(name)!r}: {printable(words[row])!r} is no time stamp; "
            f"{ADVICE.format(printable(name))}"
        ) from None
    for part, has_it in (("zone", [zone is not None for zone in zones]), ("date", dated)):
        if any(has_it) and not all(has_it):
            row = has_it.index(not has_it[0])
            raise DataError(
                f"{table.place(row)}, column {printable(name)!r}: some time stamps have a {part} and others have none, "
                f"such as {printable(words[0])!r} and {printable(words[row])!r}; write them alike"
            )
    return times - np.array([_offset(zone) for zone in zones], dtype=np.int64)


def _plain(match: re.Match[str] | None) -> str:
    """A stamp without its zone as NumPy reads it; a time of day is that of the first of January 1970.

    Raises ValueError for what is none.
    """
    if match is None or not (match["year"] or match["hour"]) or not _is_in_range(match["year"]):
        raise ValueError
    year, month, day = int(match["year"] or 1970), int(match["month"] or 1), int(match["day"] or 1)
    hour, minute, second = int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0)
    if match["half"]:
        if not 1 <= hour <= NOON:
            raise ValueError
        hour = hour % NOON + (NOON if match["half"].upper() == "PM" else 0)
    fraction = (match["fraction"] or "").ljust(9, "0")
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}"


def _is_in_range(year: str | None) -> bool:
    return year is None or FIRST_YEAR <= int(year) <= LAST_YEAR


def _is_moment(match: re.Match[str] | None) -> bool:
    try:
        np.datetime64(_plain(match), "ns")
    except ValueError:
        return False
    return True


def _offset(zone: str | None) -> int:
    """Nanoseconds by which a zone's clock is ahead of UTC."""
    if zone is None or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 60 + int(digits[2:])) * 60 * SECOND
