"""Tables of the station file: a wrong one gives one line that says which table and which key; secrets stay out."""

from pathlib import Path
from typing import Any

import pytest

from hizumi.errors import UsageError
from hizumi.station.settings import Secret
from hizumi.station.sinks import sink_from, sinks_from
from hizumi.station.sources import source_from, sources_from
from hizumi.station.sources.folder import FolderSource


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
        ({"kind": "folder", "path": "a", "after": "move", "move_to": "./a"}, "move_to is the watched folder itself"),
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
        ({"kind": "webhook", "url": "https://x", "secret_file": "a", "when": ["seldom"]}, "[[sinks]] webhook: when is"),
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


def test_paths_start_at_the_root(tmp_path: Path) -> None:
    source = source_from({"kind": "folder", "path": "in", "after": "move", "move_to": "/done"}, root=tmp_path)
    assert isinstance(source, FolderSource)
    assert (source.settings.path, source.settings.move_to) == (tmp_path / "in", Path("/done"))


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
    with pytest.raises(UsageError, match="the secret cannot be read"):
        Secret(tmp_path / "none", None).read()
