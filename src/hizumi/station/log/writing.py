"""Insertions that pass over what is there."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from hizumi.station.log import tables
from hizumi.station.log.records import Alarm, Taken


def dialect(connection: Connection) -> Any:
    """The module of SQLAlchemy for this kind of database."""
    return postgresql if connection.dialect.name == "postgresql" else sqlite


def insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Pass over what is there, and give the ids of the others."""
    if not rows:
        return set()
    return set(connection.execute(_insertion(dialect(connection), table), list(rows)).scalars())


@cache  # of a few tables: to build the statement takes a tenth as long as to run it
def _insertion(dialect: Any, table: Table) -> Any:
    return dialect.insert(table).on_conflict_do_nothing().returning(table.c.id)


def keep_alarms(connection: Connection, alarms: Sequence[Alarm]) -> None:
    """Those that are there get their details and end anew, and stay acknowledged."""
    if not alarms:
        return
    statement = dialect(connection).insert(tables.alarms)
    anew = {name: statement.excluded[name] for name in ("details", "ended_at")}
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=anew)
    connection.execute(statement, [asdict(alarm) for alarm in alarms])


def take(connection: Connection, file: Taken) -> bool:
    """Whether a file belongs to its inspection, now or since before."""
    rows, key = tables.taken.c, hashed(file.key)
    values = {"source": file.source, "key": key, "inspection_id": file.inspection_id}
    connection.execute(dialect(connection).insert(tables.taken).values(values).on_conflict_do_nothing())
    query = select(rows.inspection_id).where(rows.source == file.source, rows.key == key)
    return connection.execute(query).scalar_one() == file.inspection_id


def keep_state(connection: Connection, key: str, value: Any) -> None:
    """Keep a value of JSON under a key, in place of what was there."""
    statement = dialect(connection).insert(tables.states).values(key=key, value=value)
    replaced = {"value": statement.excluded.value}
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=replaced))


def hashed(key: str) -> str:
    """A key of any length as the table has it."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
