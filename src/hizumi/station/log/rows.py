"""Entries as rows of the table of inspections, and back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from hizumi.calibration import Box
from hizumi.station.entry import Entry
from hizumi.station.log.tables import inspections

COLUMNS = [name for name in inspections.c.keys() if name != "details"]  # noqa: SIM118 - these are names, not columns
FIELDS = {field.name for field in fields(Entry)}


def row_of(entry: Entry) -> dict[str, Any]:
    """What is searched or counted has a column of its own; the rest lies together in `details`."""
    values = asdict(entry)
    return {name: values.pop(name) for name in COLUMNS} | {"details": values}


def entry_of_row(row: Mapping[str, Any]) -> Entry:
    """The inverse of `row_of`; what a newer version of hizumi has added to the details is passed over."""
    details = {name: value for name, value in row["details"].items() if name in FIELDS}
    details["boxes"] = tuple(Box(**box) for box in details["boxes"])
    details["notes"] = tuple(details["notes"])
    return Entry(**{name: row[name] for name in COLUMNS}, **details)
