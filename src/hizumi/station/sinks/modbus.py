"""Modbus TCP: a coil that rejects parts, for a controller that can read one bit."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from hizumi.arguments import PositiveFloat
from hizumi.errors import MissingExtraError
from hizumi.station.settings import Port
from hizumi.station.sinks.sink import (
    Beating,
    Connection,
    DeliveryError,
    DriftHolds,
    Payload,
    Sink,
    SinkSettings,
    no_drift,
)

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.pdu import ModbusPDU

logging.getLogger("pymodbus").addHandler(logging.NullHandler())  # what fails is told by the station itself

Address = Annotated[int, Interval(ge=0, le=65535)]
"""As the protocol counts, from 0: what manuals call coil 00001 or register 40001 is 0."""
Device = Annotated[int, Interval(ge=0, le=255)]


@dataclass(frozen=True, kw_only=True)
class ModbusSettings(SinkSettings):
    """Keys of a sink of the kind "modbus".

    Attributes:
        device_id: Of the controller behind a gateway.
        coil: On for a part that is not known to be good: anomalous, or one that could not be judged.
        unjudged_coil: On for a part that could not be judged, beside `coil`.
        pulse_seconds: Turn coils on for so long and off again, for a controller that counts rising edges; choose it
            longer than the controller's cycle and shorter than the time between parts, which wait for its end. Without
            it, coils keep showing the newest verdict.
        counter_register: A holding register that grows by one with each verdict, 65535 being followed by 0, after the
            coils are set: by its change the controller tells two equal verdicts from one.
        drift_coil: On while a drift alarm holds, acknowledged or not; written every `heartbeat_seconds`, so that it is
            right again after the controller was away.
        heartbeat_register: A holding register that grows by one every `heartbeat_seconds` while the station is alive.
        total_seconds: Time limit for connecting and for each request.
        give_up_seconds: A verdict that is older is abandoned: its part has passed.
    """

    host: str
    port: Port = 502
    device_id: Device = 1
    coil: Address
    unjudged_coil: Address | None = None
    pulse_seconds: PositiveFloat | None = None
    counter_register: Address | None = None
    drift_coil: Address | None = None
    heartbeat_register: Address | None = None
    heartbeat_seconds: PositiveFloat = 1.0
    total_seconds: PositiveFloat = 2.0
    give_up_seconds: PositiveFloat = 10.0

    @property
    def beats(self) -> bool:
        """Whether there is anything to write between verdicts."""
        return (self.drift_coil, self.heartbeat_register) != (None, None)

    def __post_init__(self) -> None:
        if self.pulse_seconds is None and "always" not in self.when:
            raise ValueError('without pulse_seconds coils show the newest verdict; leave when at ["always"], or set it')


class ModbusSink(Sink, Beating):
    """See `ModbusSettings`."""

    takes_drift = False

    def __init__(self, settings: ModbusSettings, drift_holds: DriftHolds = no_drift) -> None:
        super().__init__(settings)
        self.settings = settings
        self.heartbeat_seconds = settings.heartbeat_seconds if settings.beats else None
        self._drift_holds = drift_holds
        self._connection = Connection(self._connect)

    async def deliver(self, payload: Payload) -> None:
        """Set the coils, then count; of a pulse, wait for the end."""
        coils = {self.settings.coil: payload["anomalous"] is not False}
        if self.settings.unjudged_coil is not None:
            coils[self.settings.unjudged_coil] = payload["anomalous"] is None
        async with self._client() as client:
            try:
                await self._set(client, coils)
                if self.settings.counter_register is not None:
                    await self._grow(client, self.settings.counter_register)
                if self.settings.pulse_seconds is not None and any(coils.values()):
                    await asyncio.sleep(self.settings.pulse_seconds)
            finally:
                if self.settings.pulse_seconds is not None:
                    await self._set(client, dict.fromkeys(coils, False))

    async def beat(self) -> None:
        """Show whether a drift alarm holds, and count in the register of the heartbeat."""
        async with self._client() as client:
            if self.settings.drift_coil is not None:
                await self._set(client, {self.settings.drift_coil: self._drift_holds()})
            if self.settings.heartbeat_register is not None:
                await self._grow(client, self.settings.heartbeat_register)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    @asynccontextmanager
    async def _client(self) -> "AsyncIterator[AsyncModbusTcpClient]":
        from pymodbus.exceptions import ModbusException

        try:
            async with self._connection.use() as client:
                yield client
        except (ModbusException, OSError) as error:
            raise DeliveryError(f"the controller does not answer ({error})", retry=True) from error

    async def _set(self, client: "AsyncModbusTcpClient", coils: dict[int, bool]) -> None:
        for address, value in coils.items():
            _check(await client.write_coil(address, value, device_id=self.settings.device_id), f"coil {address}")

    async def _grow(self, client: "AsyncModbusTcpClient", register: int) -> None:
        # Read each time: after a restart the count goes on, and never shows the controller an old value as a new one.
        device, called = self.settings.device_id, f"register {register}"
        found = _check(await client.read_holding_registers(register, count=1, device_id=device), called)
        grown = (found.registers[0] + 1) % 65536
        _check(await client.write_register(register, grown, device_id=device), called)

    @asynccontextmanager
    async def _connect(self) -> "AsyncIterator[AsyncModbusTcpClient]":
        from pymodbus.client import AsyncModbusTcpClient

        settings = self.settings
        client = AsyncModbusTcpClient(
            settings.host, port=settings.port, timeout=settings.total_seconds, retries=0, reconnect_delay=0
        )
        try:
            if not await client.connect():
                raise DeliveryError("the controller cannot be reached", retry=True)
            yield client
        finally:
            client.close()


def modbus(settings: ModbusSettings, drift_holds: DriftHolds = no_drift) -> ModbusSink:
    """The sink; raises MissingExtraError where its package is not installed."""
    try:
        import pymodbus  # noqa: F401 - to fail early
    except ImportError as error:
        raise MissingExtraError("Modbus needs a package: pip install 'hizumi[modbus]'") from error
    return ModbusSink(settings, drift_holds)


def _check(answer: "ModbusPDU", called: str) -> "ModbusPDU":
    """An answer that is no exception of the controller's, such as of an address that it does not have."""
    if answer.isError():
        raise DeliveryError(f"the controller refuses {called} (Modbus exception {answer.exception_code})", retry=True)
    return answer
