"""A PostgreSQL that is started for the tests, from Debian's packages."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

OWNER = "nobody"  # PostgreSQL refuses to run as root


def programs() -> Path | None:
    """Where PostgreSQL's programs lie; Debian keeps them out of the path."""
    found = [Path(path).parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a database; its server listens on a socket in a temporary folder and on no port."""
    pytest.importorskip("psycopg", reason="PostgreSQL is not tested: pip install 'hizumi[postgresql]'")
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not tested: apt-get install postgresql")
    place = Path(tempfile.mkdtemp(prefix="hizumi-pg-"))
    owner = pwd.getpwnam(OWNER) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    os.chown(place, owner.pw_uid, owner.pw_gid)

    def call(*command: str | Path) -> None:
        who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run(command, check=True, cwd=place, stdout=subprocess.DEVNULL, **who)

    try:
        call(folder / "initdb", "-D", place / "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        options = f"-k {place} -c listen_addresses= -c fsync=off"
        call(folder / "pg_ctl", "-D", place / "data", "-l", place / "server.log", "-o", options, "-w", "start")
        try:
            yield f"postgresql://tester@/postgres?host={place}"
        finally:
            call(folder / "pg_ctl", "-D", place / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(place)


def emptied(server: str) -> str:
    """The URL again, once its database holds nothing; a new database for each test would take seconds."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return server
