"""Records as rows of tables, and back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from hizumi.calibration import Box
from hizumi.station.entry import Entry
from hizumi.station.log.records import Alarm, AuditEvent, Delivery, Review
from hizumi.station.log.tables import inspections

COLUMNS = [name for name in inspections.c.keys() if name != "details"]  # noqa: SIM118 - these are names, not columns
Record = TypeVar("Record", AuditEvent, Delivery, Alarm)
FIELDS = {field.name for field in fields(Entry)}


def row_of(entry: Entry) -> dict[str, Any]:
    """What is searched or counted has a column of its own; the rest lies together in `details`."""
    values = {name: getattr(entry, name) for name in FIELDS}  # `asdict` copies all that is within, and takes far longer
    values["boxes"] = [asdict(box) for box in entry.boxes]
    return {name: values.pop(name) for name in COLUMNS} | {"details": values}


def entry_of_row(row: Mapping[str, Any]) -> Entry:
    """The inverse of `row_of`; what a newer version of hizumi has added to the details is passed over."""
    details = {name: value for name, value in row["details"].items() if name in FIELDS}
    details["boxes"] = tuple(Box(**box) for box in details["boxes"])
    details["notes"] = tuple(details["notes"])
    return Entry(**{name: row[name] for name in COLUMNS}, **details)


def record(kind: type[Record], row: Mapping[str, Any]) -> Record:
    """An event, a message or an alarm of a row."""
    return kind(**{field.name: row[field.name] for field in fields(kind)})


def review_of(row: Mapping[str, Any]) -> Review:
    """A review of a row."""
    values = {field.name: row[field.name] for field in fields(Review)}
    if row["regions"] is not None:
        values["regions"] = tuple(tuple(tuple(corner) for corner in region) for region in row["regions"])
    return Review(**values)
