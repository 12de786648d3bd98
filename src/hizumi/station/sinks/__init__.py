"""Who is told of verdicts: a webhook. Each delivery comes through the outbox."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hizumi.errors import UsageError
from hizumi.station.settings import settings_from
from hizumi.station.sinks.sink import DeliveryError as DeliveryError, Payload as Payload, Sink as Sink
from hizumi.storage.files import printable

KINDS = ("webhook",)


def sink_from(table: Mapping[str, Any], *, root: Path = Path()) -> Sink:
    """The sink that a [[sinks]] table of the station file describes; nothing is connected to yet.

    Relative paths start at `root`. Raises UsageError in one line that says which table and key is wrong, and
    MissingExtraError where a package is not installed.
    """
    kind = table.get("kind")
    where = f"[[sinks]] {printable(table.get('name') or kind)}"
    match kind:
        case "webhook":
            from hizumi.station.sinks.webhook import WebhookSettings, webhook

            return webhook(settings_from(WebhookSettings, table, where, root))
    raise UsageError(f"[[sinks]]: kind is {kind!r}; it must be {' or '.join(map(repr, KINDS))}")
