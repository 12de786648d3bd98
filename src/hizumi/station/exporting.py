"""The log as tables, in CSV for spreadsheets and in Parquet for programs: a row for each inspection or drift alarm."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from hizumi.errors import MissingExtraError
from hizumi.station.batches import batches
from hizumi.station.entry import Entry
from hizumi.station.log import Alarm, Filter, Log, Review
from hizumi.storage.files import atomic_file, encodable
from hizumi.storage.tables import csv_line

if TYPE_CHECKING:
    import pyarrow as pa

INSPECTIONS = {
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
ALARMS = {
    **dict.fromkeys(("id", "recipe"), "text"),
    **dict.fromkeys(("since", "raised_at", "ended_at"), "time"),
    **dict.fromkeys(("code", "words"), "text"),
    "moved": "moved",
    "charts": "text",
    **dict.fromkeys(("pictures", "reminders"), "count"),
    **dict.fromkeys(("reminded_at", "acknowledged_at"), "time"),
    **dict.fromkeys(("acknowledged_by", "note"), "text"),
}
VERDICTS = {True: "anomalous", False: "good", None: "unjudged"}
BATCH = 1000


@dataclass(frozen=True)
class Table:
    """Rows of the log, of which few lie in memory, under columns that say what they hold."""

    columns: Mapping[str, str]
    rows: Iterator[dict[str, Any]]


def inspections_of(log: Log, **filters: Unpack[Filter]) -> Table:
    """Inspections with their newest reviews, newest first."""
    return Table(INSPECTIONS, _inspections(log, filters))


def alarms_of(
    log: Log, *, recipe: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> Table:
    """Drift alarms that held at some time from `since` until before `until`, newest first."""
    return Table(ALARMS, map(_alarm, log.alarms(recipe=recipe, since=since, until=until)))


def export_csv(table: Table, path: Path) -> int:
    """Write a CSV file, and give its number of rows; raises SaveError, and LogError, and then leaves no file."""
    lines = -1  # the first names the columns
    with atomic_file(path) as file:
        for line in csv_lines(table):
            file.write(line.encode())
            lines += 1
    return lines


def csv_lines(table: Table) -> Iterator[str]:
    """Lines of a CSV file; terms, boxes and measures are in JSON."""
    yield csv_line(table.columns)
    for row in table.rows:
        yield csv_line(value.isoformat() if isinstance(value, datetime) else value for value in row.values())


def export_parquet(table: Table, path: Path) -> int:
    """Write a Parquet file, and give its number of rows; raises MissingExtraError where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("Parquet takes one more package: pip install pyarrow") from error
    schema, count = _schema(table.columns), 0
    with atomic_file(path) as file, pq.ParquetWriter(file, schema) as writer:
        for rows in batches(table.rows, BATCH):
            writer.write_table(pa.Table.from_pylist([{**row, **_pairs(row)} for row in rows], schema))
            count += len(rows)
    return count


def _pairs(row: Mapping[str, Any]) -> dict[str, Any]:
    """Its objects as Parquet takes them."""
    return {name: list(value.items()) for name, value in row.items() if isinstance(value, dict)}


def _schema(columns: Mapping[str, str]) -> "pa.Schema":
    import pyarrow as pa

    whole = [(name, pa.int64()) for name in ("left", "top", "width", "height", "area")]
    change = [
        ("measure", pa.string()),
        ("way", pa.int64()),
        *((name, pa.float64()) for name in ("before", "now", "sure")),
    ]
    types = {
        "text": pa.string(),
        "time": pa.timestamp("us", tz="UTC"),
        "number": pa.float64(),
        "count": pa.int64(),
        "boolean": pa.bool_(),
        "terms": pa.map_(pa.string(), pa.float64()),
        "regions": pa.list_(pa.struct([*whole, ("peak", pa.float64())])),
        "moved": pa.list_(pa.struct(change)),
    }
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])


def _inspections(log: Log, filters: Filter) -> Iterator[dict[str, Any]]:
    for entries in batches(log.every(**filters), BATCH):
        reviews = log.newest_reviews([entry.id for entry in entries])
        yield from (_inspection(entry, reviews.get(entry.id)) for entry in entries)


def _inspection(entry: Entry, review: Review | None) -> dict[str, Any]:
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


def _alarm(alarm: Alarm) -> dict[str, Any]:
    details = alarm.details
    since, reminded_at = (details.get(name) for name in ("since", "reminded_at"))
    return {
        "id": alarm.id,
        "recipe": alarm.recipe,
        "since": since and datetime.fromisoformat(since),
        "raised_at": alarm.raised_at,
        "ended_at": alarm.ended_at,
        "code": details.get("code"),
        "words": alarm.words,
        "moved": details.get("moved", []),
        "charts": "; ".join(details.get("charts", [])),
        "pictures": details.get("pictures"),
        "reminders": details.get("reminders"),
        "reminded_at": reminded_at and datetime.fromisoformat(reminded_at),
        "acknowledged_at": alarm.acknowledged_at,
        "acknowledged_by": alarm.acknowledged_by,
        "note": alarm.note,
    }
