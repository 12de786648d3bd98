"""Connections to SQLite and PostgreSQL, and what goes wrong with them in one line."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Pool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError, StatementError

from hizumi.errors import LogError, UsageError
from hizumi.storage.files import printable

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
KEEPALIVE = "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
"""A station that a power cut has ended is known to be gone within a minute, and not after two hours."""
REASONS = (
    (("locked", "lock timeout"), "another program keeps it locked; end that one, or wait"),
    (("disk is full", "no space left", "disk full"), "the disk is full; free some space"),
    (("readonly", "read-only"), "it may only be read; give the station the right to write it"),
    (("malformed", "not a database"), "it is damaged, or no database; restore a copy"),
    (("unable to open",), "it cannot be opened; the folder must exist and be writable"),
    (("disk i/o error",), "the disk could not be read or written; look after the disk"),
    (("password", "pg_hba"), "the database refuses this user or password; mend its URL, or what it lets in"),
    (("fatal:  role", "fatal:  database"), "the server has no such user or database; make it, or mend the URL"),
    (("resolve host", "translate host"), "the name of the database's host is not known; mend its URL"),
    (("too many clients", "connection slots"), "the database has too many connections; end some, or allow more"),
)
"""What databases say, in any case, and how to say it with what to do."""


def parsed(url: str) -> URL:
    """The URL of a log; raises UsageError for one that is not of SQLite or PostgreSQL, without showing a password."""
    try:
        found = make_url(url)
    except (ArgumentError, ValueError) as error:  # the latter, of a port that is no number
        raise UsageError("the log's URL is none; sqlite:///station.db and postgresql://host/name are") from error
    if found.get_backend_name() not in DRIVERS:
        raise UsageError(f"the log cannot lie in {printable(found.get_backend_name())}; SQLite and PostgreSQL can")
    return found.set(drivername=DRIVERS[found.get_backend_name()])


def connected(url: URL, patience_seconds: float) -> Engine:
    """An engine that waits so long for locks."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": patience_seconds, "check_same_thread": False})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine
    options = f"-c lock_timeout={int(patience_seconds * 1000)} {KEEPALIVE}"
    arguments = {"connect_timeout": max(2, int(patience_seconds)), "options": options}
    try:
        return create_engine(url, connect_args=arguments, pool_pre_ping=True)
    except ImportError as error:
        raise UsageError("a log in PostgreSQL needs one more package: pip install 'hizumi[postgresql]'") from error


def use_write_ahead_log(engine: Engine, patience_seconds: float) -> None:
    """Let SQLite's readers and its one writer not wait for each other; the file remembers it."""
    give_up_at = time.monotonic() + patience_seconds
    while True:  # while others do the same, SQLite answers at once that it is locked, without waiting
        try:
            with engine.connect() as connection:
                connection.connection.execute("PRAGMA journal_mode=WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)


def close_given_back(pool: Pool) -> None:
    """Let a pool keep no connection from now on, nor forget one that is still open, as `Engine.dispose` does."""
    event.listen(pool, "checkin", lambda connection, record: record.close())


def file_of(engine: Engine) -> tuple[int, int] | None:
    """Which file lies at the place of an SQLite database; None: there is none, or the database is of another kind."""
    place = engine.url.database
    if engine.dialect.name != "sqlite" or place is None:
        return None
    try:
        found = Path(place).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Raise LogError in one line, without a path, for whatever a database raises inside."""
    try:
        yield
    except SQLAlchemyError as error:
        raise LogError(f"the log could not be {doing}: {_reason(error)}") from error


def _prepare(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says, not where sqlite3 thinks best
    connection.execute("PRAGMA foreign_keys=ON")
    # NORMAL would lose the last verdicts when the power goes, although they have been given.
    connection.execute("PRAGMA synchronous=FULL")


def _begin(connection: Connection) -> None:
    # A reader that became a writer later would fail at once where another one has written in between.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _reason(error: SQLAlchemyError) -> str:
    original = error.orig if isinstance(error, StatementError) else None
    said = str(original or error).strip()
    lines = said.splitlines() or [type(error).__name__]
    for marks, words in REASONS:
        if any(mark in said.lower() for mark in marks):
            return words
    if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, OperationalError)):
        return "the database does not answer; look whether it runs"
    return printable(lines[0])[:200]
