"""Who is told of verdicts: webhook, MQTT, Modbus TCP, OPC UA, a folder of alarms, CSV. All comes through the outbox."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hizumi.errors import UsageError
from hizumi.station.settings import refuse_equal_names, settings_from
from hizumi.station.sinks.alarm_folder import PictureOf as PictureOf, no_picture as no_picture
from hizumi.station.sinks.sink import (
    DeliveryError as DeliveryError,
    DriftHolds as DriftHolds,
    Payload as Payload,
    Sink as Sink,
    no_drift as no_drift,
)
from hizumi.storage.files import printable

KINDS = ("webhook", "mqtt", "modbus", "opcua", "alarm_folder", "csv")


def sink_from(
    table: Mapping[str, Any],
    *,
    picture_of: PictureOf = no_picture,
    drift_holds: DriftHolds = no_drift,
    root: Path = Path(),
) -> Sink:
    """The sink that a [[sinks]] table of the station file describes; nothing is connected to yet.

    `picture_of` gives what the station keeps of pictures, `drift_holds` says whether a drift alarm holds; relative
    paths start at `root`. Raises UsageError in one line that says which table and key is wrong, and MissingExtraError
    where a package is not installed.
    """
    kind = table.get("kind")
    where = f"[[sinks]] {printable(table.get('name') or kind)}"
    sink = _sink(table, where, picture_of, drift_holds, root)
    if "drift" in sink.when and not sink.takes_drift:
        raise UsageError(
            f"{where}: when names drift, of which a {kind} sink does not tell; leave it out (for the controller there "
            "are drift_coil and drift_node)"
        )
    return sink


def _sink(table: Mapping[str, Any], where: str, picture_of: PictureOf, drift_holds: DriftHolds, root: Path) -> Sink:
    match table.get("kind"):
        case "webhook":
            from hizumi.station.sinks.webhook import WebhookSettings, webhook

            return webhook(settings_from(WebhookSettings, table, where, root))
        case "mqtt":
            from hizumi.station.sinks.mqtt import MqttSettings, mqtt

            return mqtt(settings_from(MqttSettings, table, where, root))
        case "modbus":
            from hizumi.station.sinks.modbus import ModbusSettings, modbus

            return modbus(settings_from(ModbusSettings, table, where, root), drift_holds)
        case "opcua":
            from hizumi.station.sinks.opcua import OpcuaSettings, opcua

            return opcua(settings_from(OpcuaSettings, table, where, root), drift_holds)
        case "alarm_folder":
            from hizumi.station.sinks.alarm_folder import AlarmFolderSettings, AlarmFolderSink

            return AlarmFolderSink(settings_from(AlarmFolderSettings, table, where, root), picture_of)
        case "csv":
            from hizumi.station.sinks.csv_file import CsvSettings, CsvSink

            return CsvSink(settings_from(CsvSettings, table, where, root))
    raise UsageError(f"[[sinks]]: kind is {table.get('kind')!r}; it must be {' or '.join(map(repr, KINDS))}")


def sinks_from(
    tables: Sequence[Mapping[str, Any]],
    *,
    picture_of: PictureOf = no_picture,
    drift_holds: DriftHolds = no_drift,
    root: Path = Path(),
) -> tuple[Sink, ...]:
    """All sinks of a station file, as by `sink_from`; raises UsageError too where two have one name."""
    found = tuple(sink_from(table, picture_of=picture_of, drift_holds=drift_holds, root=root) for table in tables)
    refuse_equal_names("sinks", [sink.name for sink in found])
    return found
