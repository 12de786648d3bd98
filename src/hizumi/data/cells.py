"""Cells of text tables as the world writes them: any usual encoding, separator, heading and comment, plain or gzip."""

import csv
import gzip
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.data.signatures import kind_of_content
from hizumi.errors import DataError
from hizumi.storage.files import open_regular, printable
from hizumi.words import counted

TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
MISSING_WORDS = frozenset({"", "na", "n/a", "#n/a", "#nv", "nan", "null", "none", "?", "-"})
TRUTH = {"true": 1.0, "false": 0.0}
SEPARATORS = ",;\t|"
SAMPLE_LINES = 50  # by which separator and heading are recognised
MAX_TEXT_BYTES = 2**32  # of an unpacked file
COMMENT = re.compile(r"#(?!(N/A|NV|[A-Z0-9/]+[!?])\s*([,;\t|\"]|$))")  # but no error of a spreadsheet, as #DIV/0! is
PRIVATE_USE = re.compile("[\ue000-\uf8ff]")
LONE = re.compile(
    r"(?<=[A-Za-z])[\u4e00-\u9fff\uff61-\uff9f](?=[\0-\x7f]|$)|(?<![^\0-\x7f])[\u4e00-\u9fff\uff61-\uff9f](?=[A-Za-z])"
)  # one beside a letter
ASSUMED = {"cp932": "Shift-JIS", "cp1252": "Windows-1252"}
STATED_SEPARATOR = re.compile(r"sep=(.)\r?\n")  # a first line by which Excel is told
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")

Line = tuple[int, list[str]]
"""A line's number in the file, from 1 on, and its cells."""


@dataclass(frozen=True)
class Cells:
    """Text cells of a file; `names` are made up ("column 1") where the file has no heading."""

    where: str
    names: tuple[str, ...]
    has_heading: bool
    lines: Sequence[Line]
    decimal_comma: bool = False
    notes: tuple[str, ...] = ()


def is_table_file(path: Path) -> bool:
    """Whether the file's name is one of a text table."""
    return path.name.lower().endswith(TABLE_SUFFIXES)


def read_cells(path: Path) -> Cells:
    """Read a text table, separated by commas, semicolons, tabs, bars or spaces, plain or gzip.

    It is UTF-8, UTF-16, Shift-JIS or Windows-1252. A first line such as sep=; names the separator. Lines that begin
    with # are comments, but for errors of spreadsheets such as #DIV/0!; the last one before numbers without a heading
    is the heading, as NumPy writes it. Raises DataError naming the line that cannot be understood.
    """
    where = printable(path)
    text, notes = _text(path)
    stated = STATED_SEPARATOR.match(text)
    separator = stated[1] if stated else _separator(text)
    lines = [line for line in _split(text, separator, where) if not stated or line[0] > 1]
    comments = [line for line in lines if COMMENT.match(line[1][0])]
    rows = [line for line in lines if not COMMENT.match(line[1][0])]
    decimal_comma = separator != "," and _has_decimal_commas(rows)
    before = [line for line in comments if not rows or line[0] < rows[0][0]]
    heading, rows = _heading(rows, before, decimal_comma)
    names = tuple(cell.strip() for cell in heading)
    if "path" in (name.lower() for name in names):  # names of files may begin with #
        rows = sorted(
            rows + [line for line in comments if rows and line[0] > rows[0][0] and len(line[1]) == len(names)]
        )
        comments = []
    if not lines:
        raise DataError(f"{where}: the file is empty; it needs at least one line of values")
    if not rows:
        but = " but comments, which begin with #" if comments and comments[-1] is lines[-1] else ""
        raise DataError(f"{where}: has a heading and no line below it{but}")
    while len(names) > 1 and not names[-1] and all(len(cells) < len(names) for _, cells in rows):
        names = names[:-1]  # the heading alone ends in a separator
    names = names or tuple(f"column {position}" for position in range(1, len(rows[0][1]) + 1))
    rows, ended = _without_empty_ends(rows, len(names))
    _refuse_uneven(rows, len(names), where)
    if heading:
        _refuse_second_heading(rows, where)
    left_out = [number for number, _ in comments if number > rows[0][0]]
    if left_out:
        notes.append(f"lines left out as comments, since they begin with #: {len(left_out)}")
    if ended:
        notes.append(f"lines that end in a separator more than the heading, with nothing behind it: {ended}")
    if not heading:
        notes.append("the first line holds numbers, so it is a row and not a heading")
    elif _are_numbers(names, decimal_comma):
        notes.append("the first line is taken for the heading, since a word stands over numbers in it")
    if decimal_comma:
        notes.append("numbers are read with a decimal comma")
    return Cells(where, names, bool(heading), rows, decimal_comma, tuple(notes))


def number_of(cell: str, decimal_comma: bool = False) -> float | None:
    """The number that a cell holds, NaN where it is missing; None for a word."""
    cell = cell.strip()
    if cell.lower() in MISSING_WORDS:
        return float("nan")
    if decimal_comma and DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    if "_" in cell:  # Python's own way to group digits
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def truths_of(cells: Iterable[str]) -> list[float] | None:
    """1 and 0 for true and false, NaN where a cell is missing; None where any holds something else."""
    truths = []
    for cell in cells:
        word = cell.strip().lower()
        if word not in TRUTH and word not in MISSING_WORDS:
            return None
        truths.append(TRUTH.get(word, math.nan))
    return truths


def is_nothing(cell: Any) -> bool:
    """Whether an object is what Python, NumPy or pandas have for a missing value."""
    # What pandas and NumPy have for a missing value is not equal to itself, or has no truth; neither have lists.
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or bool(np.ndim(cell) == 0 and cell != cell)


def word_of(cell: Any) -> str:
    """What an object in a table says: nothing where a value is missing; of a period of pandas, when it begins."""
    return "" if is_nothing(cell) else str(getattr(cell, "start_time", cell))  # a year alone would pass for a number


def _without_empty_ends(rows: Sequence[Line], width: int) -> tuple[list[Line], int]:
    """The lines without the empty cells that stand beyond the heading's width, and how many had any."""
    ended = [len(cells) > width and not any(cell.strip() for cell in cells[width:]) for _, cells in rows]
    cut = [(number, cells[:width] if end else cells) for (number, cells), end in zip(rows, ended, strict=True)]
    return cut, sum(ended)


def _refuse_uneven(rows: Sequence[Line], width: int, where: str) -> None:
    """Raise DataError for a line with more or fewer cells than the heading, with what most often is the reason."""
    wrong = next(((number, cells) for number, cells in rows if len(cells) != width), None)
    if wrong is None:
        return
    number, cells = wrong
    widths = Counter(len(line) for _, line in rows)
    if any("\n" in cell for cell in cells):
        hint = "; a quotation mark is opened in it or before, and not closed"
    elif widths[len(cells)] > widths[width]:
        hint = ", as most lines have; begin what stands above the heading with #, delete it, or name all columns in it"
    else:
        hint = "; correct the line or delete it"
    raise DataError(f"{where}: line {number} has {counted(len(cells), 'cell')}, the heading {width}{hint}")


def _refuse_second_heading(rows: Sequence[Line], where: str) -> None:
    """Raise DataError where the first row holds words alone, such as units, and those below it mostly numbers there."""
    (number, first), below = rows[0], [cells for _, cells in rows[1:SAMPLE_LINES]]
    numbers = [number_of(cell, decimal_comma=True) for cell in first]
    words = [place for place, found in enumerate(numbers) if found is None]
    if not below or any(found == found for found in numbers if found is not None):
        return
    measured = [all(number_of(cells[place], decimal_comma=True) is not None for cells in below) for place in words]
    if 2 * sum(measured) > len(words):
        raise DataError(
            f"{where}: line {number} holds words where the lines below it hold numbers, as units or a second heading "
            "do; delete it, or begin it with #"
        )


def _has_decimal_commas(rows: Sequence[Line]) -> bool:
    """Whether numbers are written with decimal commas, and none with a point: else commas may group digits."""
    cells = [cell.strip() for _, line in rows for cell in line]
    return any(map(DECIMAL_COMMA.fullmatch, cells)) and not any("." in cell and number_of(cell) for cell in cells)


def _heading(rows: list[Line], comments_before: list[Line], decimal_comma: bool) -> tuple[list[str], list[Line]]:
    """The heading, empty where there is none, and the lines below it."""
    if not rows:
        return [], rows
    first, below = rows[0][1], rows[1:]
    if not _are_numbers(first, decimal_comma) or _has_word_over_numbers(first, below[:SAMPLE_LINES], decimal_comma):
        return first, below
    if comments_before:
        cells = [cell.strip() for cell in comments_before[-1][1]]
        cells = [cells[0].lstrip("# "), *cells[1:]] if cells[0].strip("# ") else cells[1:]
        if len(cells) == len(first):
            return cells, rows
    return [], rows


def _are_numbers(cells: Sequence[str], decimal_comma: bool) -> bool:
    """Whether half of the cells or more hold numbers, as those of a heading rarely do."""
    numbers = sum(number_of(cell, decimal_comma) is not None and cell.strip() != "" for cell in cells)
    return 2 * numbers >= len(cells) and any(cell.strip() for cell in cells)


def _has_word_over_numbers(first: Sequence[str], below: Sequence[Line], decimal_comma: bool) -> bool:
    """Whether any cell of a line is a word, and all in its column below are numbers, as where wavelengths are names."""
    words = [place for place, cell in enumerate(first) if number_of(cell, decimal_comma) is None]
    columns = ([cells[place] for _, cells in below if place < len(cells)] for place in words)
    numbers = ([number_of(cell, decimal_comma) for cell in column] for column in columns)
    return any(None not in column and any(number == number for number in column) for column in numbers)


def _text(path: Path) -> tuple[str, list[str]]:
    """What a file holds, and a note on an encoding that was assumed."""
    where = printable(path)
    try:
        with open_regular(path) as file:
            content = file.read()
        if content.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(content)) as packed:
                content = packed.read(MAX_TEXT_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where}: is damaged or cut short; copy it again") from error
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror})") from error
    if len(content) > MAX_TEXT_BYTES:
        raise DataError(f"{where}: holds more than 4 GiB of text; split it")
    if (kind := kind_of_content(content)) is not None:
        raise DataError(f"{where}: is {kind}, whatever its name says; save it as a text table (CSV)")
    text, encoding = _decoded(content)
    if text is None or "\0" in text:
        raise DataError(f"{where}: is neither UTF-8 nor Shift-JIS text, nor marked as UTF-16; save it as UTF-8")
    return text, [f"is not UTF-8, and is read as {ASSUMED[encoding]}"] if encoding in ASSUMED else []


def _decoded(content: bytes) -> tuple[str | None, str]:
    """The text in the encoding that it is marked with, or in the first of the usual ones that it can be in."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if marked else ["utf-8-sig", *ASSUMED]:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "cp932" or not _is_western(text):
            return text, encoding
    return None, ""


def _is_western(text: str) -> bool:
    """Whether Western text was read as Japanese: it has what no Japanese text has.

    A letter such as é takes the next one with it and becomes one rare kanji among Latin letters, a sign such as that of
    °C one kana of half width.
    """
    lone = (each.encode("cp932") for each in LONE.findall(text))
    return PRIVATE_USE.search(text) is not None or any(len(code) == 1 or code >= b"\xe0" for code in lone)


def _separator(text: str) -> str:
    """The separator by which the first lines fall into equally many cells, most of them numbers."""
    sample = [line for line in text[: 2**20].splitlines() if line.strip() and not COMMENT.match(line)][:SAMPLE_LINES]
    if not sample:
        return ","

    def judged(separator: str) -> tuple[bool, bool, float, int]:
        try:
            rows = list(cells_of(sample, separator))
        except csv.Error:  # said of its line once the whole is read
            return False, False, 0.0, 0
        counts = [len(row) for row in rows]
        body = [cell for row in rows[1:] or rows for cell in row]
        numbers = sum(number_of(cell, separator != ",") is not None for cell in body) / max(1, len(body))
        agree = len(set(counts)) == 1
        return counts[0] > 1, agree, numbers, counts[0]

    best = max(SEPARATORS, key=judged)
    if judged(best)[0]:
        return best
    several, agree, numbers, _ = judged(" ")
    return " " if several and agree and numbers > 0.5 else ","


def cells_of(lines: Iterable[str], separator: str) -> Iterable[list[str]]:
    """The cells of lines; raises csv.Error for what is none."""
    if separator == " ":
        return map(str.split, lines)
    return csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t")


def _split(text: str, separator: str, where: str) -> list[Line]:
    """Cells of every line that is not blank."""
    if separator == " ":
        return [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=separator != "\t")
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        look = "look in it and before for a quotation mark that is not closed"
        raise DataError(f"{where}: line {reader.line_num} is not CSV ({error}); {look}") from error
