"""Machine-readable results beside the report: JSON and CSV, written whole or not at all."""

import csv
import io
import json
import math
import os
import re
import sys
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.errors import SaveError

_SURROGATES = re.compile("[\ud800-\udfff]")
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text that any screen can show: bytes of a name that are not UTF-8 become \xff, control characters \x0a."""
    return _INVISIBLE.sub(_escape, text)


def write_json(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write one JSON object; "-" is standard output. Numbers that are not finite become null."""
    # Standard output may have any encoding, a file has UTF-8.
    text = json.dumps(_plain(content), indent=2, ensure_ascii=str(path) == "-", allow_nan=False) + "\n"
    _write_text(path, text)


def write_csv(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table with one column for each key, in the order of first sight; "-" is standard output."""
    rows = [_plain(row) for row in rows]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    _write_text(path, text.getvalue())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk and rename it: what was there stays until then."""
    path = path.resolve()  # a link keeps pointing to the file that is replaced
    temporary = path.with_name(f".hizumi-{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # a pipe or a device is written to, never replaced
            path.write_bytes(content)
            return
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _save_error(printable(str(path)), error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write_text(path: Path | str, text: str) -> None:
    if str(path) != "-":
        write_atomically(Path(path), text.encode())
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise _save_error("standard output", error) from error


def _save_error(where: str, error: OSError) -> SaveError:
    reason = (error.strerror or str(error)).lower()
    return SaveError(f"could not write {where}: {reason}; free space there, or give another place")


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries the byte of a file name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _plain(value: Any) -> Any:
    """Only what JSON knows."""
    match value:
        case Mapping():
            return {_SURROGATES.sub(_escape, str(key)): _plain(item) for key, item in value.items()}
        case str():
            return _SURROGATES.sub(_escape, value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
    return _plain(value.to_dict() if hasattr(value, "to_dict") else str(value))


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
