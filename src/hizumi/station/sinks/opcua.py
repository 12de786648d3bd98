"""OPC UA: the newest verdict written into nodes of a server, such as that of a controller."""

import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from hizumi.arguments import PositiveFloat
from hizumi.errors import MissingExtraError, UsageError
from hizumi.station.settings import Secret, check_address, refuse_clear_password
from hizumi.station.sinks.sink import (
    Beating,
    Connection,
    DeliveryError,
    DriftHolds,
    Payload,
    Sink,
    SinkSettings,
    no_drift,
    verdict_of,
)

if TYPE_CHECKING:
    from asyncua.client.client import Client
    from asyncua.common.node import Node
    from asyncua.ua import VariantType

Field = Literal["name", "id", "recipe", "part", "view", "verdict", "score", "judged", "reject", "counter"]
COUNTERS = ("counter", "heartbeat")
READERS: Mapping[str, Callable[[Payload], Any]] = {
    "drift": lambda known: known["drift"],
    "reject": lambda payload: payload["anomalous"] is not False,
    "judged": lambda payload: payload["anomalous"] is not None,
    "score": lambda payload: math.nan if payload.get("score") is None else float(payload["score"]),
    "verdict": verdict_of,
}
WHOLE_BITS = {"SByte": 7, "Byte": 8, "Int16": 15, "UInt16": 16, "Int32": 31, "UInt32": 32, "Int64": 63, "UInt64": 64}


@dataclass(frozen=True, kw_only=True)
class OpcuaSettings(SinkSettings):
    """Keys of a sink of the kind "opcua".

    Attributes:
        url: Of the server: opc.tcp://host:port/path.
        nodes: Which node each of these is written to, such as reject = "ns=2;s=Line.Reject"; all in one request, in
            this order. reject (of a part that is not known to be good) and judged go to Boolean or whole-number nodes,
            score (NaN where there is none) to Float or Double, counter (which grows by one with each verdict and
            begins again at 0) to whole numbers, name, id, recipe, part, view and verdict to String.
        drift_node: A Boolean or whole number: whether a drift alarm holds, acknowledged or not; written every
            `heartbeat_seconds`, so that it is right again after the server was away.
        heartbeat_node: A whole number that grows by one every `heartbeat_seconds` while the station is alive.
        user: With password_file or password_variable, which say where the password is found.
        password_in_the_clear: Send it unencrypted to another machine, where whoever shares the network can read it.
        certificate_file, key_file: Of the station, to sign and encrypt by Basic256Sha256.
        server_certificate_file: The one certificate that the server must have then; all three or none.
        total_seconds: Time limit for connecting and for each request.
        give_up_seconds: A verdict that is older is abandoned: its part has passed.
    """

    url: str
    nodes: dict[Field, str]
    drift_node: str | None = None
    heartbeat_node: str | None = None
    heartbeat_seconds: PositiveFloat = 1.0
    user: str | None = None
    password_file: Path | None = None
    password_variable: str | None = None
    password_in_the_clear: bool = False
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_certificate_file: Path | None = None
    total_seconds: PositiveFloat = 4.0
    give_up_seconds: PositiveFloat = 10.0

    def __post_init__(self) -> None:
        check_address("url", self.url, ("opc.tcp",))
        if not self.nodes:
            raise ValueError('nodes names none; write such as nodes = { reject = "ns=2;s=Line.Reject" }')
        secret = Secret.named("password", self.password_file, self.password_variable)
        if (secret is None) != (self.user is None):
            raise ValueError("user and password_file or password_variable go together; set both or neither")
        if len({each is None for each in (self.certificate_file, self.key_file, self.server_certificate_file)}) > 1:
            raise ValueError("certificate_file, key_file and server_certificate_file go together; set all or none")
        if secret is not None and self.certificate_file is None:
            host = urlsplit(self.url).hostname or ""
            refuse_clear_password(host, "set certificate_file and those with it", allowed=self.password_in_the_clear)

    @property
    def beating_nodes(self) -> dict[str, str]:
        """What is written between verdicts."""
        known = {"drift": self.drift_node, "heartbeat": self.heartbeat_node}
        return {field: name for field, name in known.items() if name is not None}

    @property
    def encryption(self) -> tuple[Path, Path, Path]:
        """The station's certificate and key, and the server's certificate."""
        assert self.certificate_file is not None
        assert self.key_file is not None
        assert self.server_certificate_file is not None
        return self.certificate_file, self.key_file, self.server_certificate_file


class OpcuaSink(Sink, Beating):
    """See `OpcuaSettings`."""

    takes_drift = False

    def __init__(self, settings: OpcuaSettings, drift_holds: DriftHolds = no_drift) -> None:
        super().__init__(settings)
        self.settings = settings
        self.heartbeat_seconds = settings.heartbeat_seconds if settings.beating_nodes else None
        self._drift_holds = drift_holds
        self._password = Secret.named("password", settings.password_file, settings.password_variable)
        self._connection = Connection(self._connect)

    async def deliver(self, payload: Payload) -> None:
        """Write all nodes of verdicts in one request."""
        await self._write(self.settings.nodes.items(), payload)

    async def beat(self) -> None:
        """Show whether a drift alarm holds, and count in the node of the heartbeat."""
        await self._write(self.settings.beating_nodes.items(), {"drift": self._drift_holds()})

    async def close(self) -> None:
        """End the session."""
        await self._connection.close()

    async def _write(self, named: Iterable[tuple[str, str]], known: Payload) -> None:
        async with self._client() as client:
            nodes = {field: client.get_node(name) for field, name in named}
            values = [await _value(node, field, known) for field, node in nodes.items()]
            await client.write_values(nodes.values(), values)

    @asynccontextmanager
    async def _client(self) -> "AsyncIterator[Client]":
        from asyncua.ua.uaerrors import UaError

        try:
            async with self._connection.use() as client:
                yield client
        except UsageError as error:  # of the secret
            raise DeliveryError(str(error), retry=True) from error
        except (
            UaError,
            OSError,
            TimeoutError,
            ValueError,
            LookupError,
        ) as error:  # the last two, of a wrong certificate
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"the server does not take it ({reason})", retry=True) from error

    @asynccontextmanager
    async def _connect(self) -> "AsyncIterator[Client]":
        from asyncua.client.client import Client

        settings = self.settings
        client = Client(settings.url, timeout=settings.total_seconds)
        if settings.user is not None and self._password is not None:
            client.set_user(settings.user)
            client.set_password(self._password.read().decode())
        if settings.certificate_file is not None:
            await self._encrypt(client)
        async with client:
            yield client

    async def _encrypt(self, client: "Client") -> None:
        from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
        from asyncua.crypto.uacrypto import load_certificate
        from cryptography import x509

        own, key, server = self.settings.encryption
        names = (await load_certificate(own)).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        # Servers refuse a station that calls itself otherwise than its certificate does.
        client.application_uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
        await client.set_security(SecurityPolicyBasic256Sha256, own, key, server_certificate=str(server))


def opcua(settings: OpcuaSettings, drift_holds: DriftHolds = no_drift) -> OpcuaSink:
    """The sink; raises MissingExtraError where its package is not installed, UsageError for wrong names of nodes."""
    try:
        from asyncua.ua import NodeId
        from asyncua.ua.uaerrors import UaError
    except ImportError as error:
        raise MissingExtraError("OPC UA needs a package: pip install 'hizumi[opcua]'") from error
    for name in [*settings.nodes.values(), *settings.beating_nodes.values()]:
        try:
            NodeId.from_string(name)
        except (UaError, ValueError) as error:
            raise UsageError(
                f"[[sinks]] {settings.called}: {name!r} is no node; write such as ns=2;s=Line.Reject"
            ) from error
    return OpcuaSink(settings, drift_holds)


async def _value(node: "Node", field: str, payload: Payload) -> Any:
    """What to write into a node, in the node's own type."""
    from asyncua.ua import Variant

    kind = await node.read_data_type_as_variant_type()
    if field in COUNTERS:
        return Variant(_grown(await node.read_value(), kind, field), kind)
    value = READERS[field](payload) if field in READERS else str(payload.get(field) or "")
    fits = {bool: ("Boolean", *WHOLE_BITS), float: ("Float", "Double"), str: ("String",)}[type(value)]
    if kind.name not in fits:
        raise _wrong(field, kind, fits)
    return Variant(int(value) if kind.name in WHOLE_BITS else value, kind)


def _grown(before: int, kind: "VariantType", field: str) -> int:
    if kind.name not in WHOLE_BITS:
        raise _wrong(field, kind, tuple(WHOLE_BITS))
    return (before + 1) % (1 << WHOLE_BITS[kind.name])


def _wrong(field: str, kind: "VariantType", fits: tuple[str, ...]) -> DeliveryError:
    return DeliveryError(f"the node for {field} has the type {kind.name}; it must be {' or '.join(fits)}", retry=True)
