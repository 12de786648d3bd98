"""What every receiver of verdicts has in common."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from hizumi.arguments import PositiveFloat
from hizumi.errors import HizumiError
from hizumi.station.settings import Settings
from hizumi.storage.files import printable

Moment = Literal["always", "anomalous", "unjudged", "drift"]
Payload = Mapping[str, Any]
"""What is delivered: the record of an entry with "event": "inspection", of a part with "event": "part", of a drift
alarm with "event": "drift", whose "ended_at" is null while it holds. The outbox adds "delivery_id", the same whenever
the delivery is repeated."""


class DeliveryError(HizumiError):
    """A receiver did not take a delivery.

    Attributes:
        retry: Whether it may take it later.
        retry_after_seconds: How long it asked to be left in peace; None where it did not say.
    """

    def __init__(self, reason: str, *, retry: bool, retry_after_seconds: float | None = None) -> None:
        super().__init__(printable(" ".join(reason.split())))  # receivers may say anything
        self.retry = retry
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, kw_only=True)
class SinkSettings(Settings):
    """Keys of every [[sinks]] table.

    Attributes:
        when: Which events are delivered: all; anomalous pictures or parts; those that could not be judged; drift
            alarms. Several may be named.
        give_up_seconds: A delivery older than this is abandoned, which the audit trail records.
    """

    when: tuple[Moment, ...] = ("always",)
    give_up_seconds: PositiveFloat = 3 * 24 * 3600.0


class Sink(ABC):
    """Who is told of verdicts, through the outbox, at least once.

    Attributes:
        name: What the station calls it.
        when: See `SinkSettings`.
        give_up_seconds: See `SinkSettings`.
        takes_drift: Whether it can tell of drift alarms, and not only of pictures and parts.
        writes_pictures_to: A folder; None where it does not write any.
    """

    takes_drift = True
    writes_pictures_to: Path | None = None

    def __init__(self, settings: SinkSettings) -> None:
        self.name = settings.called
        self.when = settings.when
        self.give_up_seconds = settings.give_up_seconds

    def wants(self, payload: Payload) -> bool:
        """Whether such an event is to be delivered here."""
        if payload["event"] == "drift":
            return self.takes_drift and bool({"always", "drift"} & set(self.when))
        return "always" in self.when or verdict_of(payload) in self.when

    @abstractmethod
    async def deliver(self, payload: Payload) -> None:
        """Deliver one payload; raises DeliveryError, whose text holds no secret."""

    @abstractmethod
    async def close(self) -> None:
        """Give up any connection; the next delivery makes a new one."""


class Beating(ABC):
    """A sink whose receiver can tell by a heartbeat that the station is alive.

    Attributes:
        heartbeat_seconds: How often `beat` is to be called; None where no heartbeat is wanted.
    """

    heartbeat_seconds: float | None

    @abstractmethod
    async def beat(self) -> None:
        """Change what the receiver watches; raises DeliveryError."""


def as_json(payload: Payload) -> bytes:
    """A payload as it is sent: one line of ASCII, so that no receiver can take it amiss."""
    try:
        return json.dumps(payload, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise DeliveryError(f"the payload cannot be written as JSON ({error})", retry=False) from error


def verdict_of(payload: Payload) -> Literal["good", "anomalous", "unjudged"]:
    """In one word."""
    match payload["anomalous"]:
        case True:
            return "anomalous"
        case False:
            return "good"
    return "unjudged"


DriftHolds = Callable[[], bool]
"""Whether a drift alarm holds now, acknowledged or not."""


def no_drift() -> bool:
    """Of a station that watches nothing."""
    return False


AnyClient = TypeVar("AnyClient")


class Connection(Generic[AnyClient]):
    """A client that is kept between deliveries, made when first needed and again after any error."""

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[AnyClient]]) -> None:
        self._connect = connect
        self._open: AbstractAsyncContextManager[AnyClient] | None = None
        self._client: AnyClient | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[AnyClient]:
        """The client, for one task at a time; whatever error leaves the block, or a cancellation, closes it."""
        async with self._lock:
            try:
                if self._client is None:
                    self._open = self._connect()
                    self._client = await self._open.__aenter__()
                yield self._client
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Close the client if there is one; errors of an already broken connection are of no interest."""
        opened, client = self._open, self._client
        self._open = self._client = None
        if opened is not None and client is not None:
            with suppress(Exception):
                await opened.__aexit__(None, None, None)
