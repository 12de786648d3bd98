"""One station at a time works with a database: two would deliver each other's messages, and share states of watches."""

from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import final

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from hizumi.errors import UsageError
from hizumi.station.log.connecting import explained

NUMBER = 0x68697A756D69 + 1  # of the lock, in each database of PostgreSQL; that of migrations is the one before


class Claim(ABC):
    """A database, held until it is let go of, or the process ends."""

    @abstractmethod
    def hold(self) -> None:
        """Hold it, again where it was lost; raises UsageError where another station does, LogError out of reach."""

    @abstractmethod
    def let_go(self) -> None:
        """Leave it to others."""


def claim_of(engine: Engine) -> Claim:
    """For a database of either kind; nothing is held yet."""
    return _OfPostgresql(engine) if engine.dialect.name == "postgresql" else _OfSqlite(engine)


@final
class _OfPostgresql(Claim):
    """By a lock of the server's, which lasts as long as one connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def hold(self) -> None:
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.execute(text("SELECT 1"))
                return
            self.let_go()
        with explained("opened"):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()  # from the pool, so that closing it ends the lock
            if not connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": NUMBER}).scalar():
                connection.close()
                raise _in_use()
        self._connection = connection

    def let_go(self) -> None:
        if self._connection is not None:
            with suppress(SQLAlchemyError):  # at once: a server takes a moment to notice a closed connection
                self._connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": NUMBER})
            with suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None


@final
class _OfSqlite(Claim):
    """By a lock on a file beside the database."""

    def __init__(self, engine: Engine) -> None:
        self._lock = FileLock(f"{engine.url.database}.lock", blocking=False, thread_local=False)

    def hold(self) -> None:
        try:
            if not self._lock.is_locked:
                self._lock.acquire()
        except Timeout:
            raise _in_use() from None

    def let_go(self) -> None:
        if self._lock.is_locked:
            with suppress(OSError):
                Path(self._lock.lock_file).unlink()  # an unlinked lock is never taken for a held one
            self._lock.release()


def _in_use() -> UsageError:
    return UsageError(
        "another station works with this database: end that one, or give each a database of its own; after a power "
        "cut, start again in a minute"
    )
