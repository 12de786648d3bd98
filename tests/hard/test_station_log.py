"""A station's log under many writers at once, and under kills."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.station.conftest import postgresql as postgresql, url as url
from tests.station.trials import harm_by_kills, lost_by_writers

WRITERS, ROWS, KILLS = 6, 1000, 20


def test_writers_at_once(url: str, catalogue: Callable[..., None], request: pytest.FixtureRequest) -> None:
    lost = lost_by_writers(url, WRITERS, ROWS)
    database = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[request.node.callspec.params["url"]]
    what = f"{WRITERS} processes write {ROWS:,} inspections each into one log in {database}"
    catalogue(what, f"{lost} lost", mark="0 lost", holds=lost == 0)


def test_killed_while_writing(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    harm = harm_by_kills(tmp_path / "station.db", KILLS)
    what = f"kill -9 of a station's log while it writes, {KILLS} times"
    mark = "the log whole, no answered verdict lost"
    catalogue(what, "; ".join(harm) or "whole each time, no answered verdict lost", mark=mark, holds=not harm)
