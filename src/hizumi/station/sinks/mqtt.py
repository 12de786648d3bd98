"""MQTT: each event as JSON to a broker, with quality of service 1: the broker has acknowledged what is delivered."""

import asyncio
import re
import ssl
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

from hizumi.arguments import PositiveFloat
from hizumi.errors import MissingExtraError, UsageError
from hizumi.station.settings import Port, Secret, refuse_clear_password
from hizumi.station.sinks.sink import Connection, DeliveryError, Payload, Sink, SinkSettings, as_json, verdict_of

if TYPE_CHECKING:
    import aiomqtt

FIELDS = ("event", "station", "recipe", "source", "part", "view", "verdict")
_SEPARATORS = re.compile(r"[/+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")  # no name may add a level


@dataclass(frozen=True, kw_only=True)
class MqttSettings(SinkSettings):
    """Keys of a sink of the kind "mqtt".

    Attributes:
        topic: Where events go. {event}, {station}, {recipe}, {source}, {part}, {view} and {verdict} (good, anomalous,
            unjudged, drift) are replaced, "-" standing for what is not known and "_" for characters that topics
            reserve.
        user: With password_file or password_variable, which say where the password is found.
        password_in_the_clear: Send it unencrypted to another machine, where whoever shares the network can read it.
        tls: Encrypt, and verify the broker's certificate by the system's or those of `ca_file`.
        total_seconds: Time limit for connecting and for each event.
    """

    host: str
    port: Port = 1883
    topic: str = "hizumi/{station}/{recipe}/{verdict}"
    user: str | None = None
    password_file: Path | None = None
    password_variable: str | None = None
    password_in_the_clear: bool = False
    tls: bool = False
    ca_file: Path | None = None
    total_seconds: PositiveFloat = 15.0

    def __post_init__(self) -> None:
        try:
            fields = [name for _, name, form, turn in Formatter().parse(self.topic) if name is not None or form or turn]
            plain = self.topic.format(**dict.fromkeys(FIELDS, ""))
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ValueError(
                f"topic may hold {', '.join(f'{{{name}}}' for name in FIELDS)} and no other field"
            ) from error
        if set(fields) - set(FIELDS) or _SEPARATORS.sub("", plain) != plain.replace("/", "") or not self.topic:
            raise ValueError("topic is a name with / between its levels, without + and #")
        secret = Secret.named("password", self.password_file, self.password_variable)
        if (secret is None) != (self.user is None):
            raise ValueError("user and password_file or password_variable go together; set both or neither")
        if secret is not None and not self.tls:
            refuse_clear_password(self.host, "set tls = true", allowed=self.password_in_the_clear)
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file means nothing without tls = true")


class MqttSink(Sink):
    """See `MqttSettings`."""

    def __init__(self, settings: MqttSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        self._password = Secret.named("password", settings.password_file, settings.password_variable)
        self._connection = Connection(self._connect)

    async def deliver(self, payload: Payload) -> None:
        """Publish the payload and wait for the broker's word."""
        import aiomqtt

        body, topic = as_json(payload), topic_of(self.settings.topic, payload)
        try:
            async with asyncio.timeout(self.settings.total_seconds), self._connection.use() as client:
                await client.publish(topic, body, qos=1)
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {self.settings.total_seconds:g} s", retry=True) from error
        except UsageError as error:  # of the secret
            raise DeliveryError(str(error), retry=True) from error
        except (aiomqtt.MqttError, OSError) as error:
            raise DeliveryError(f"the broker cannot be reached ({error})", retry=True) from error

    async def close(self) -> None:
        """Say goodbye to the broker."""
        await self._connection.close()

    def _connect(self) -> "AbstractAsyncContextManager[aiomqtt.Client]":
        import aiomqtt

        settings = self.settings
        return aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.user,
            password=None if self._password is None else self._password.read().decode(),
            tls_context=ssl.create_default_context(cafile=settings.ca_file) if settings.tls else None,
            timeout=settings.total_seconds,
        )


def mqtt(settings: MqttSettings) -> MqttSink:
    """The sink; raises MissingExtraError where its package is not installed."""
    try:
        import aiomqtt  # noqa: F401 - to fail early
    except ImportError as error:
        raise MissingExtraError("MQTT needs a package: pip install 'hizumi[mqtt]'") from error
    return MqttSink(settings)


def topic_of(template: str, payload: Payload) -> str:
    """The topic of one event."""
    verdict = "drift" if payload["event"] == "drift" else verdict_of(payload)
    known = {name: str(payload.get(name) or "-") for name in FIELDS} | {"verdict": verdict}
    return template.format(**{name: _SEPARATORS.sub("_", value) for name, value in known.items()})
