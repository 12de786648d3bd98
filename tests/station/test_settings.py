"""Tables of the station file: a wrong one gives one line that says which table and which key; secrets stay out."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import make_url

from hizumi.errors import MissingExtraError, UsageError
from hizumi.station.settings import Secret
from hizumi.station.sinks import KINDS as SINKS, sink_from, sinks_from
from hizumi.station.sources import KINDS as SOURCES, source_from, sources_from
from hizumi.station.sources.folder import FolderSource
from hizumi.station.station_file import read_station_file
from hizumi.storage.files import printable


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "[[sources]]: kind is None; it must be 'folder'"),
        ({"kind": "floppy"}, "[[sources]]: kind is 'floppy'; it must be 'folder'"),
        ({"kind": "folder"}, "[[sources]] folder: the key path is missing"),
        ({"kind": "folder", "path": 3}, "[[sources]] folder: path is 3; it must be a path, as text"),
        (
            {"kind": "folder", "path": "a", "name": "line 3", "pol": True},
            "[[sources]] line 3: there is no key 'pol'; did",
        ),
        ({"kind": "folder", "path": "a", "poll": 1}, "[[sources]] folder: poll is 1; it must be True or False"),
        ({"kind": "folder", "path": "a", "settle_seconds": 0.0}, "settle_seconds is 0.0; it must be a number above 0"),
        ({"kind": "folder", "path": "a", "complete": "maker"}, "did you mean 'marker'?"),
        (
            {"kind": "folder", "path": "a", "after": "move"},
            '[[sources]] folder: after = "move" and move_to go together',
        ),
        (
            {"kind": "folder", "path": "a", "after": "move", "move_to": "./a"},
            "move_to is the watched folder, or holds it",
        ),
        (
            {"kind": "folder", "path": "a/b", "after": "move", "move_to": "c/../a"},
            "move_to is the watched folder, or holds",
        ),
        ({"kind": "folder", "path": "a", "patterns": "*.png"}, "patterns is '*.png'; it must be a tuple of texts"),
        ({"kind": "folder", "path": "a", "name_pattern": "("}, "name_pattern is no regular expression"),
        ({"kind": "folder", "path": "a", "name_pattern": "(?P<lot>.)"}, "name_pattern must have a group (?P<part>...)"),
        ({"kind": "replay", "path": "a", "pictures_per_second": -1}, "pictures_per_second is -1; it must be a number"),
        ({"kind": "folder\x1b[2J", "path": "a"}, "kind is 'folder\\x1b[2J'"),
    ],
)
def test_a_wrong_source_gives_one_line(table: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        source_from(table)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"kind": "pager"}, "[[sinks]]: kind is 'pager'; it must be 'webhook'"),
        ({"kind": "webhook", "url": "https://x"}, "[[sinks]] webhook: set secret_file or secret_variable"),
        ({"kind": "webhook", "url": "https://x", "secret_file": "a", "secret_variable": "B"}, "are both set; set one"),
        ({"kind": "webhook", "url": "ftp://x", "secret_file": "a"}, "url must be an address that begins with http://"),
        ({"kind": "webhook", "url": "https://u:hidden@x", "secret_file": "a"}, "url holds a user or password"),
        ({"kind": "webhook", "url": "https://x:y", "secret_file": "a"}, "url is not an address"),
        (
            {"kind": "webhook", "url": "https://x/{password}", "secret_file": "a"},
            "{password} in url and password_file or",
        ),
        (
            {"kind": "webhook", "url": "https://x", "secret_file": "a", "password_variable": "P"},
            "go together; set both or neither",
        ),
        (
            {"kind": "webhook", "url": "http://x/{password}", "secret_file": "a", "password_variable": "P"},
            "would be sent to x in the clear: begin url with https",
        ),
        ({"kind": "webhook", "url": "https://x", "secret_file": "a", "when": ["seldom"]}, "[[sinks]] webhook: when is"),
        *(
            ({**table, "when": ["always", "drift"]}, f"of which a {table['kind']} sink does not tell; leave it out")
            for table in (
                {"kind": "csv", "path": "a"},
                {"kind": "modbus", "host": "x", "coil": 1},
                {"kind": "opcua", "url": "opc.tcp://x", "nodes": {"reject": "ns=2;s=R"}},
            )
        ),
        (
            {"kind": "webhook", "url": "https://x", "secret": "abc"},
            "there is no key 'secret'; did you mean secret_file",
        ),
    ],
)
def test_a_wrong_sink_gives_one_line_without_secrets(table: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        sink_from(table)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert "hidden" not in str(caught.value)


def test_names_are_those_of_one_table(tmp_path: Path) -> None:
    folder = {"kind": "csv", "path": str(tmp_path)}
    assert [sink.name for sink in sinks_from([folder, folder | {"name": "second"}])] == ["csv", "second"]
    with pytest.raises(UsageError, match=r"\[\[sinks\]\]: 2 are called 'csv'; give each a name of its own"):
        sinks_from([folder, folder])
    with pytest.raises(UsageError, match=r"\[\[sources\]\]: 2 are called 'folder'"):
        sources_from([{"kind": "folder", "path": "a"}, {"kind": "replay", "path": "b", "name": "folder"}])


@pytest.mark.parametrize(
    ("package", "extra", "table"),
    [
        ("httpx", "serve", {"kind": "webhook", "url": "http://x", "secret_variable": "KEY"}),
        ("aiomqtt", "mqtt", {"kind": "mqtt", "host": "x"}),
        ("pymodbus", "modbus", {"kind": "modbus", "host": "x", "coil": 0}),
        ("asyncua.ua", "opcua", {"kind": "opcua", "url": "opc.tcp://x", "nodes": {"reject": "i=1"}}),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, package: str, extra: str, table: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'hizumi\[{extra}\]'"):
        sink_from(table)


KEYS = (
    *("kind", "name", "recipe", "path", "patterns", "recursive", "poll", "poll_seconds", "complete", "settle_seconds"),
    *("marker", "after", "move_to", "name_pattern", "pictures_per_second", "order", "loop", "frames_per_second", "url"),
    *("device", "user", "password_file", "password_variable", "when", "give_up_seconds", "secret_file", "ca_file"),
    *("host", "port", "topic", "tls", "coil", "pulse_seconds", "counter_register", "nodes", "heartbeat_node"),
)
KINDS = [("sources", kind) for kind in SOURCES] + [("sinks", kind) for kind in SINKS]
texts = st.text(max_size=8) | st.sampled_from(
    (
        *("http://[::1", "https://a:99999/", "opc.tcp://x", "rtsp://\0", "a/{part}", "{", "{0}", "{part!x}", "i=1"),
        *("(?P<part>.)", "always", "drift", "settled", "move", "ns=x", ".", "..", "~nobody/x", "\ud800", "a" * 5000),
    )
)
values = (
    texts | st.integers() | st.floats() | st.booleans() | st.lists(texts, max_size=2) | st.dictionaries(texts, texts)
)


@settings(max_examples=20, deadline=None)
@given(table=st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), values, max_size=9))
@pytest.mark.parametrize(("tables", "kind"), KINDS)
def test_no_table_ends_otherwise_than_in_settings_or_one_line(tables: str, kind: str, table: dict[str, Any]) -> None:
    likely = {"path": "a", "url": "https://x", "host": "x", "coil": 1, "secret_variable": "K"}
    known = {"folder": ["path"], "replay": ["path"], "film": ["path"], "alarm_folder": ["path"], "csv": ["path"]}
    known |= {"camera": ["url"], "webhook": ["url", "secret_variable"], "mqtt": ["host"], "modbus": ["host", "coil"]}
    full = {key: likely[key] for key in known.get(kind, [])} | table | {"kind": kind}
    for tried in (full, {**table, "kind": kind}, table):
        error = error_of(source_from if tables == "sources" else sink_from, tried)
        assert error.startswith((f"[[{tables}]]", "none"))
        assert error == printable(error)


def error_of(make: Callable[[dict[str, Any]], object], table: dict[str, Any]) -> str:
    try:
        make(table)
    except UsageError as error:
        return str(error)
    return "none"


def test_paths_start_at_the_root(tmp_path: Path) -> None:
    source = source_from({"kind": "folder", "path": "in", "after": "move", "move_to": "/done"}, root=tmp_path)
    assert isinstance(source, FolderSource)
    assert (source.settings.path, source.settings.move_to) == (tmp_path / "in", Path("/done"))


def test_what_is_named_and_not_there_is_said_with_what_needs_it(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "line.toml").write_text(
        """
        [[recipes]]
        name = "parts"
        bundle = "parts.hizumi"
        [[sources]]
        kind = "folder"
        path = "there"
        [[sources]]
        kind = "replay"
        name = "shift"
        path = "gone"
        [[sinks]]
        kind = "csv"
        path = "made when needed"
        [[sinks]]
        kind = "webhook"
        url = "http://127.0.0.1:9/"
        secret_file = "no.key"
        """,
        encoding="utf-8",
    )
    missing = read_station_file(tmp_path / "line.toml").missing
    assert missing == ((tmp_path / "gone", "shift"), (tmp_path / "no.key", "webhook"))


def test_secrets_are_read_anew_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"first\r\n")
    secret = Secret.named("secret", file, None)
    assert secret is not None
    assert secret.read() == b"first"
    file.write_bytes(b"second")
    assert secret.read() == b"second"
    assert "second" not in repr(secret)
    monkeypatch.setenv("LINE_KEY", "third")
    assert Secret(None, "LINE_KEY").read() == b"third"
    monkeypatch.delenv("LINE_KEY")
    with pytest.raises(UsageError, match="the environment variable LINE_KEY: holds no secret"):
        Secret(None, "LINE_KEY").read()
    with pytest.raises(UsageError, match=r"^none: the secret cannot be read"):  # whoever asks from afar learns no path
        Secret(tmp_path / "none", None).read()


def station_file(tmp_path: Path, *keys: str) -> Path:
    path = tmp_path / "line.toml"
    lines = [*keys, "[[recipes]]", 'name = "a"', 'bundle = "a.hizumi"']
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_password_of_the_database_stands_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("p@ss/w:rd é\n", encoding="utf-8")
    url = 'database = "postgresql://line:{password}@db/log"'
    settings = read_station_file(station_file(tmp_path, url, 'database_password_file = "key"'))
    assert "p@ss" not in repr(settings)
    found = make_url(settings.log_url)
    assert (found.username, found.password, found.host, found.database) == ("line", "p@ss/w:rd é", "db", "log")
    assert read_station_file(station_file(tmp_path, 'database = "postgresql://line@db/log"')).log_url.endswith(
        "line@db/log"
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (['database = "postgresql://line:hidden@db/log"'], "database holds a password; write {password} for it"),
        (['database = "postgresql://line:{password}@db/log"'], "{password} in database and database_password_file or"),
        (
            ['database = "postgresql://line@db/log"', 'database_password_variable = "P"'],
            "go together; set both or neither",
        ),
        (['database_password_variable = "P"'], "go together; set both or neither"),
    ],
)
def test_a_database_with_its_password_gives_one_line_without_it(tmp_path: Path, keys: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_station_file(station_file(tmp_path, *keys))
    assert words in str(caught.value)
    assert "hidden" not in str(caught.value)
