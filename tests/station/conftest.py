"""Logs in SQLite and in a PostgreSQL that is started for the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hizumi.station.log import Log
from tests.station.postgresql import emptied, postgresql

__all__ = ["postgresql"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'station.db'}"
    return emptied(request.getfixturevalue("postgresql"))


@pytest.fixture
def log(url: str) -> Iterator[Log]:
    """An empty log of either kind."""
    opened = Log.open(url, patience_seconds=5)
    yield opened
    opened.close()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Log]:
    """An empty log in SQLite, for what databases have no part in."""
    opened = Log.open(f"sqlite:///{tmp_path / 'lite.db'}", patience_seconds=5)
    yield opened
    opened.close()
