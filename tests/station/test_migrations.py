"""Tables of every version become today's, and go back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from hizumi.errors import LogError, UsageError
from hizumi.station.log import Alarm, Log, tables
from hizumi.station.log.connecting import connected, parsed
from hizumi.station.log.migrating import change, revisions
from tests.station.entries import START, entry


def test_the_migrations_make_the_tables_that_the_code_has(url: str) -> None:
    log = Log.open(url)
    with log.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    log.close()


@pytest.mark.parametrize("version", revisions())
def test_tables_of_every_version_go_up_and_down(url: str, version: str) -> None:
    engine = connected(parsed(url), 5)
    change(engine, version)
    before = set(inspect(engine).get_table_names())
    engine.dispose()
    log = Log.open(url)
    log.add([entry(1)])
    assert log.count() == 1
    change(log.engine, version)
    assert set(inspect(log.engine).get_table_names()) == before
    if version == revisions()[-1]:
        assert log.count() == 1
    change(log.engine, "base")
    assert set(inspect(log.engine).get_table_names()) <= {"alembic_version"}
    log.close()


def test_alarms_of_before_their_end_was_kept_stay_as_they_were(url: str) -> None:
    log = Log.open(url)
    log.alarm(alarm := Alarm("bracket", "the lamp", {"code": "x"}, START, id="1", ended_at=START + timedelta(hours=1)))
    assert log.acknowledge("1", "ann", "lamp changed")
    (seen,) = log.alarms()
    change(log.engine, "0001")
    assert "ended_at" not in {column["name"] for column in inspect(log.engine).get_columns("alarms")}
    change(log.engine, "0002")
    assert log.alarms() == (replace(seen, ended_at=None),)
    assert seen.ended_at == alarm.ended_at
    log.close()


def test_a_log_of_a_newer_version_is_refused(url: str) -> None:
    log = Log.open(url)
    log.add([entry(1)])
    with log.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    log.close()
    with pytest.raises(LogError, match=r"newer version of hizumi \(tables 9999\); install that one"):
        Log.open(url)


def test_what_is_no_log_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photo.db"
    path.write_bytes(b"GIF89a" * 100)
    with pytest.raises(LogError, match=r"^the log could not be opened: it is damaged, or no database") as caught:
        Log.open(f"sqlite:///{path}")
    assert "photo" not in str(caught.value)
    assert path.read_bytes() == b"GIF89a" * 100
    with pytest.raises(LogError, match="the folder must exist"):
        Log.open(f"sqlite:///{tmp_path / 'none' / 'station.db'}")


def test_postgresql_that_is_away_is_an_error_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="pip install 'hizumi[postgresql]'")
    with pytest.raises(LogError, match=r"^the log could not be opened: the database does not answer") as caught:
        Log.open(f"postgresql://ann:secret@/none?host={tmp_path}", patience_seconds=2)
    assert "secret" not in str(caught.value)


def test_postgresql_without_such_a_user_or_database_says_so(postgresql: str) -> None:
    for other in (postgresql.replace("tester@", "ann@"), postgresql.replace("/postgres?", "/none?")):
        with pytest.raises(LogError, match=r"^the log could not be opened: the server has no such user or database"):
            Log.open(other)


@pytest.mark.parametrize("url", ["postgresql://ann:secret@[::1", "postgresql://ann:secret@host:port/x", "station.db"])
def test_what_is_no_url_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(UsageError, match=r"^the log's URL is none; sqlite:///station\.db and .* are$"):
        Log.open(url)
