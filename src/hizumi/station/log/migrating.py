"""Tables of earlier versions brought to those of this one, and back."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from hizumi.errors import LogError
from hizumi.storage.files import printable

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x68697A756D69  # one number for all stations; only one of them may change tables at a time


def migrate(engine: Engine) -> None:
    """Bring a database to the newest tables; raises LogError where a newer version of hizumi wrote it."""
    with engine.connect() as connection:
        if _current(connection) == _script().get_current_head():
            return
    change(engine, "head")


def change(engine: Engine, revision: str) -> None:
    """Bring the tables to a revision, newer or older, whole or not at all."""
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        before = _current(connection)
        known = ["base", *revisions()]
        wanted = known[-1] if revision == "head" else revision
        is_older = known.index(wanted) < known.index(before or "base")
        (command.downgrade if is_older else command.upgrade)(_config(connection), revision)


def revisions() -> list[str]:
    """All versions of the tables, the oldest first."""
    return [each.revision for each in _script().walk_revisions()][::-1]


def _current(connection: Connection) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in revisions():
        raise LogError(
            f"the log was written by a newer version of hizumi (tables {printable(found)}); install that one, or "
            "name another log"
        )
    return found


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
