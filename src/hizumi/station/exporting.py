"""The log as a table, in CSV for spreadsheets and in Parquet for programs: one row for each inspection."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from hizumi.errors import MissingExtraError
from hizumi.station.batches import batches
from hizumi.station.entry import Entry
from hizumi.station.log import Filter, Log, Review
from hizumi.storage.files import atomic_file, encodable
from hizumi.storage.tables import csv_line

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {
    "id": "text",
    "inspected_at": "time",
    **dict.fromkeys(("station", "recipe", "source", "part", "view", "name", "verdict"), "text"),
    **dict.fromkeys(("score", "p_value", "threshold"), "number"),
    "rule": "text",
    "terms": "terms",
    "regions": "regions",
    **dict.fromkeys(("notes", "reason"), "text"),
    "sampled": "boolean",
    **dict.fromkeys(("label", "kind", "reviewed_by"), "text"),
    "reviewed_at": "time",
    "review_note": "text",
    "latency_ms": "number",
    **dict.fromkeys(("picture_sha256", "bundle_sha256"), "text"),
    "pictures_removed_at": "time",
}
"""Names of the columns, and what they hold."""
VERDICTS = {True: "anomalous", False: "good", None: "unjudged"}
BATCH = 1000


def export_csv(log: Log, path: Path, **filters: Unpack[Filter]) -> int:
    """Write a CSV file, and give its number of rows; raises SaveError, and LogError, and then leaves no file."""
    lines = -1  # the first names the columns
    with atomic_file(path) as file:
        for line in csv_lines(log, **filters):
            file.write(line.encode())
            lines += 1
    return lines


def csv_lines(log: Log, **filters: Unpack[Filter]) -> Iterator[str]:
    """Lines of a CSV file, newest inspections first, of which few lie in memory; terms and boxes are in JSON."""
    yield csv_line(COLUMNS)
    for row in _rows(log, filters):
        yield csv_line(value.isoformat() if isinstance(value, datetime) else value for value in row.values())


def export_parquet(log: Log, path: Path, **filters: Unpack[Filter]) -> int:
    """Write a Parquet file, and give its number of rows; raises MissingExtraError where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("Parquet takes one more package: pip install pyarrow") from error
    schema, count = _schema(), 0
    with atomic_file(path) as file, pq.ParquetWriter(file, schema) as writer:
        for rows in batches(_rows(log, filters), BATCH):
            table = [row | {"terms": list(row["terms"].items())} for row in rows]
            writer.write_table(pa.Table.from_pylist(table, schema))
            count += len(rows)
    return count


def _schema() -> "pa.Schema":
    import pyarrow as pa

    whole = [(name, pa.int64()) for name in ("left", "top", "width", "height", "area")]
    types = {
        "text": pa.string(),
        "time": pa.timestamp("us", tz="UTC"),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "terms": pa.map_(pa.string(), pa.float64()),
        "regions": pa.list_(pa.struct([*whole, ("peak", pa.float64())])),
    }
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def _rows(log: Log, filters: Filter) -> Iterator[dict[str, Any]]:
    for entries in batches(log.every(**filters), BATCH):
        reviews = log.newest_reviews([entry.id for entry in entries])
        yield from (_row(entry, reviews.get(entry.id)) for entry in entries)


def _row(entry: Entry, review: Review | None) -> dict[str, Any]:
    return {
        "id": entry.id,
        "inspected_at": entry.inspected_at,
        "station": entry.station,
        "recipe": entry.recipe,
        "source": entry.source,
        "part": entry.part,
        "view": entry.view,
        "name": entry.name,
        "verdict": VERDICTS[entry.anomalous],
        "score": entry.score,
        "p_value": entry.p_value,
        "threshold": entry.threshold,
        "rule": entry.rule,
        "terms": {encodable(name): value for name, value in entry.terms.items()},
        "regions": [asdict(box) for box in entry.boxes],
        "notes": "; ".join(map(encodable, entry.notes)),
        "reason": encodable(entry.reason),
        "sampled": entry.sampled,
        "label": None if review is None else review.label,
        "kind": None if review is None else review.kind,
        "reviewed_by": None if review is None else review.who,
        "reviewed_at": None if review is None else review.made_at,
        "review_note": None if review is None else review.note,
        "latency_ms": entry.latency_ms,
        "picture_sha256": entry.picture_sha256,
        "bundle_sha256": entry.bundle_sha256,
        "pictures_removed_at": entry.pruned_at,
    }
