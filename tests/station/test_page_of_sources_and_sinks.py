"""The page on sources and sinks says what the code does: its examples are read, its keys and defaults are compared."""

import re
import time
import tomllib
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest

from hizumi.station.settings import Settings
from hizumi.station.sinks import KINDS as SINKS, sink_from
from hizumi.station.sinks.alarm_folder import AlarmFolderSettings
from hizumi.station.sinks.csv_file import CsvSettings
from hizumi.station.sinks.modbus import ModbusSettings
from hizumi.station.sinks.mqtt import MqttSettings
from hizumi.station.sinks.opcua import OpcuaSettings
from hizumi.station.sinks.sink import SinkSettings
from hizumi.station.sinks.webhook import WebhookSettings, signature_of
from hizumi.station.sources import KINDS as SOURCES, source_from
from hizumi.station.sources.camera import CameraSettings
from hizumi.station.sources.film import FilmSettings
from hizumi.station.sources.folder import FolderSettings
from hizumi.station.sources.replay import ReplaySettings
from hizumi.station.sources.source import SourceSettings

PAGE = Path(__file__).parents[2] / "docs" / "station-sources-and-sinks.md"
SECTIONS: dict[str, tuple[type[Settings], type[Settings] | None]] = {
    "Every source": (SourceSettings, None),
    "`folder`": (FolderSettings, SourceSettings),
    "`replay`": (ReplaySettings, SourceSettings),
    "`film`": (FilmSettings, SourceSettings),
    "`camera`": (CameraSettings, SourceSettings),
    "Every sink": (SinkSettings, None),
    "`webhook`": (WebhookSettings, SinkSettings),
    "`mqtt`": (MqttSettings, SinkSettings),
    "`modbus`": (ModbusSettings, SinkSettings),
    "`opcua`": (OpcuaSettings, SinkSettings),
    "`alarm_folder`": (AlarmFolderSettings, SinkSettings),
    "`csv`": (CsvSettings, SinkSettings),
}


def section(title: str) -> str:
    found = [part for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M) if title in part[:60]]
    assert len(found) == 1
    return found[0]


def default_of(field: Field[Any]) -> str:
    match field.default:
        case _ if field.default is MISSING:
            return "required"
        case None:
            return "none"
        case bool():
            return f"`{str(field.default).lower()}`"
        case str():
            return f'`"{field.default}"`'
        case tuple():
            return "`[" + ", ".join(f'"{each}"' for each in field.default) + "]`"
    return f"`{field.default}`"


@pytest.mark.parametrize("title", SECTIONS)
def test_keys_and_defaults_are_those_of_the_code(title: str) -> None:
    own, common = SECTIONS[title]
    known = {} if common is None else {field.name: default_of(field) for field in fields(common)}
    expected = {field.name: default_of(field) for field in fields(own)}
    expected = {name: default for name, default in expected.items() if known.get(name) != default}
    said = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section(title), flags=re.M))
    assert said == expected | ({"patterns": "all images"} if own is FolderSettings else {})


@pytest.mark.parametrize("kind", [*SOURCES, *SINKS])
def test_examples_can_be_read(kind: str) -> None:
    lines = re.findall(r"^    (.*)$", section(f"`{kind}`").partition("```")[0], flags=re.M)
    tables = tomllib.loads("\n".join(lines))
    assert sum(map(len, tables.values())) == 1
    for table in tables.get("sources", ()):
        assert table["kind"] == kind
        source_from(table)
    for table in tables.get("sinks", ()):
        assert table["kind"] == kind
        sink_from(table)


def test_the_verification_of_the_page_takes_what_is_genuine_alone() -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    is_genuine, body, now = namespace["is_genuine"], b'{"event":"inspection"}', int(time.time())
    assert is_genuine(signature_of(body, b"key", now), body, b"key")
    assert not is_genuine(signature_of(body, b"key", now), body + b" ", b"key")
    assert not is_genuine(signature_of(body, b"key", now), body, b"other")
    assert not is_genuine(signature_of(body, b"key", now - 301), body, b"key")
