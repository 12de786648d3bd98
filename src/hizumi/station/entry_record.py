"""An inspection as JSON has it, for sinks, the service and files."""

import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from hizumi.calibration import Box
from hizumi.errors import DataError
from hizumi.station.entry import Entry
from hizumi.storage.files import encodable

TIMES = ("inspected_at", "pruned_at")
FIELDS = tuple(field.name for field in fields(Entry))


def entry_record(entry: Entry) -> dict[str, Any]:
    """All fields of an entry: times as ISO 8601, boxes as objects; numbers that are not finite become null."""
    return {name: _plain(getattr(entry, name)) for name in FIELDS}


def entry_of(record: Mapping[str, Any]) -> Entry:
    """The inverse of `entry_record`; raises DataError where a field is missing, unknown or wrong."""
    if unknown := record.keys() - set(FIELDS):
        raise DataError(f"an inspection has no field {min(unknown)!r}; it was written by another version, or is none")
    try:
        times = {name: datetime.fromisoformat(record[name]) for name in TIMES if record.get(name) is not None}
        boxes = tuple(Box(**box) for box in record.get("boxes", ()))
        return Entry(**{**record, **times, "boxes": boxes, "notes": tuple(record.get("notes", ()))})
    except (TypeError, ValueError) as error:
        raise DataError(f"the record of an inspection cannot be read: {error}") from error


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {encodable(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case str():
            return encodable(value)
        case float():
            return value if math.isfinite(value) else None
        case Box():
            return {name: _plain(each) for name, each in vars(value).items()}
        case datetime():
            return value.isoformat()
    return value
