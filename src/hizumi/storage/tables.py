"""Tables of results in JSON and CSV, written atomically."""

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.storage.files import encodable, save_error, write_atomically

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_json(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write one JSON object; "-" is standard output. Numbers that are not finite become null."""
    # Standard output may have any encoding, a file has UTF-8.
    text = json.dumps(_plain(content), indent=2, ensure_ascii=str(path) == "-", allow_nan=False) + "\n"
    _write_text(path, text)


def write_csv(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table with one column for each key, in order of first appearance; "-" is standard output."""
    rows = [_plain(row) for row in rows]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [csv_line(columns), *(csv_line(row.get(column) for column in columns) for row in rows)]
    _write_text(path, "".join(lines))


def csv_line(values: Iterable[Any]) -> str:
    """One line of such a table, for those too long for memory."""
    text = io.StringIO()
    # Only what stands in the line's end is put in quotes: a carriage return too, as in the name of macOS's "Icon\r".
    csv.writer(text, lineterminator="\r\n").writerow([_safe_cell(_plain(value)) for value in values])
    return text.getvalue().removesuffix("\r\n") + "\n"


def _write_text(path: Path | str, text: str) -> None:
    if str(path) != "-":
        write_atomically(Path(path), text.encode())
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise save_error("standard output", error) from error


def _plain(value: Any) -> Any:
    """Convert a value to types that JSON has."""
    match value:
        case Mapping():
            return {encodable(str(key)): _plain(item) for key, item in value.items()}
        case str():
            return encodable(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
    return _plain(value.to_dict() if hasattr(value, "to_dict") else str(value))


def _safe_cell(value: Any) -> Any:
    """A value as a cell of CSV: lists and objects as JSON, and no text that a spreadsheet would run."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    # A spreadsheet would take such a text for a formula and run it; after an apostrophe it shows the text.
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
