"""Types of columns that give back from SQLite and from PostgreSQL exactly what was put in."""

import json
import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Double, String, Text
from sqlalchemy.types import TypeDecorator

from hizumi.storage.files import encodable


def storable(text: str) -> str:
    r"""Text that any database takes: a NUL becomes \x00, a byte of a file's name that is not UTF-8 such as \xff."""
    return encodable(text).replace("\0", "\\x00")


class Words(TypeDecorator[str]):
    """Any text, made storable."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else storable(value)


class Key(TypeDecorator[str]):
    """A short name that rows are found by, made storable, so that whatever is asked for can be looked up."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else storable(value)


class Moment(TypeDecorator[datetime]):
    """A moment to the microsecond; kept and given back in UTC. Raises ValueError where it has no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database; SQLite has no zones."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value} has no zone; give it one, such as UTC")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Number(TypeDecorator[float]):
    """A number in double precision; raises ValueError for NaN, which SQLite would keep as NULL."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """To the database."""
        if value is not None and math.isnan(value):
            raise ValueError("a number is NaN, which the log does not take")
        return value if value is None else float(value)


class Json(TypeDecorator[Any]):
    """Values of JSON and numbers that are not finite, as a text of ASCII characters."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the database."""
        return None if value is None else json.loads(value)
