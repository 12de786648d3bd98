"""Machine-readable results beside the report: JSON and CSV, written whole or not at all."""

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.files import encodable, save_error, write_atomically

MEASURES = {
    "image_auroc": "Image AUROC",
    "average_precision": "Average precision",
    "pixel_auroc": "Pixel AUROC",
    "aupro": "AUPRO",
    "realised_false_alarm_rate": "False alarms",
    "fit_seconds": "Fit (s)",
}


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


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each detector, best image AUROC first: its runs, and {"mean", "deviation", "interval"} of measures.

    `rows` holds one run each, "detector" and the keys of `MEASURES`. The deviation is None for a single run, which
    has the interval of its own test set instead.
    """
    table = []
    for detector in dict.fromkeys(row["detector"] for row in rows):
        runs = [row for row in rows if row["detector"] == detector]
        line: dict[str, Any] = {"detector": detector, "runs": len(runs)}
        for key in MEASURES:
            values = [float(run[key]) for run in runs if run.get(key) is not None and math.isfinite(run[key])]
            if values:
                line[key] = {
                    "mean": float(np.mean(values)),
                    "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                    "interval": runs[0].get(f"{key}_interval") if len(runs) == 1 else None,
                }
        table.append(line)
    return sorted(table, key=lambda line: -line.get("image_auroc", {"mean": -math.inf})["mean"])


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
    """Only what JSON knows."""
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


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
