"""One command at a time works on a study: in SQLite by a lock beside the file, in PostgreSQL by one of its own."""

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hizumi.errors import UsageError
from hizumi.scale.studies import explained, url_with_driver
from hizumi.storage.files import printable
from hizumi.storage.locks import locked

HOLDER_OF = """
SELECT application_name, date_trunc('second', backend_start) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND datname = current_database()
AND (classid::bigint << 32) | objid::bigint = :key
"""


@contextmanager
def held_study(url: str, name: str) -> Iterator[None]:
    """Hold a study for this block; raises UsageError, naming the holder, while another block or command does."""
    held = _held_on_server if url.startswith("postgresql") else _held_beside_file
    with explained(url), held(url_with_driver(url), name):
        yield


@contextmanager
def _held_beside_file(url: str, name: str) -> Iterator[None]:
    from sqlalchemy import make_url

    database = make_url(url).database
    if not database:
        raise UsageError("--storage sqlite:// names no file; give one, such as sqlite:///study.db")
    path = Path(database)
    if not path.parent.is_dir():
        raise UsageError(f"--storage: there is no folder {printable(path.parent)}; make it, or name another file")
    folder = path.with_name(f"{path.name}.at-work") / quote(name, safe="")
    try:
        with locked(folder):
            yield
    finally:
        with suppress(OSError):  # another study of this file is worked on, or this one by another command
            folder.rmdir()
            folder.parent.rmdir()


@contextmanager
def _held_on_server(url: str, name: str) -> Iterator[None]:
    """By a lock that PostgreSQL frees when the connection ends, however it does."""
    from sqlalchemy import NullPool, create_engine, text

    key = int.from_bytes(hashlib.blake2b(f"hizumi tune {name}".encode(), digest_size=8).digest(), signed=True)
    us = {"application_name": f"process {os.getpid()} on {socket.gethostname()}"[:63]}  # PostgreSQL cuts it there
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=us)
    with engine.connect() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
            holder = connection.execute(text(HOLDER_OF), {"key": key}).first()
            raise UsageError(
                f"the study {printable(name)!r} is in use by {_named(holder)}; wait until it has ended, or give "
                "another --study"
            )
        yield


def _named(holder: Any) -> str:
    return "another command" if holder is None else printable(f"{holder[0]} since {holder[1]}")
