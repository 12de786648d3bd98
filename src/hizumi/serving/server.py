"""The service on a socket: it starts, and ends without losing what it was sent."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import Any, final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from hizumi.errors import UsageError
from hizumi.serving.access import Access
from hizumi.serving.app import make_app
from hizumi.serving.guard import Limits
from hizumi.station.station import Station
from hizumi.storage.files import printable

HEAD_BYTES = 16 * 2**10  # of a request line and its headers
HEAD_SECONDS = 10.0  # for them to come
LAST_CALL_SECONDS = 0.5  # after SIGTERM, in which connections are still taken
UNDER_WAY_SECONDS = 5.0  # more, for requests to come on those that are open, and to be answered
MOMENT_SECONDS = 0.02
FINISHING_SECONDS = 30.0
BACKLOG = 2048  # connections that wait to be taken


class _Protocol(H11Protocol):
    """Closes connections on which the head of a request is not complete in time, the first or a later one."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = self._with_patience()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE or not self.conn.trailing_data[0]:
            self._patience.cancel()
        elif self._patience.cancelled():  # a later request has begun
            self._patience = self._with_patience()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _with_patience(self) -> asyncio.TimerHandle:
        return self.loop.call_later(HEAD_SECONDS, self.transport.close)


@final
class Server(uvicorn.Server):
    """Ends in steps: who has connected is heard, then nobody else, then what waits is finished."""

    def __init__(self, config: uvicorn.Config, station: Station, say_open: Callable[[], None]) -> None:
        super().__init__(config)
        self._station = station
        self._say_open = say_open
        self._loop = asyncio.get_running_loop()
        self._ending: Future[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take pictures, now that signals are heard: nobody could send any before."""
        self._station.start()
        await super().startup(sockets)
        self._say_open()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal ends at once."""
        if self._ending is not None:
            super().handle_exit(sig, frame)
            self.force_exit = True
            return
        # The handler runs between two instructions, in the thread of the loop, which may be asleep.
        self._ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)

    async def _end(self) -> None:
        # Clients that connected before the signal have their requests read and answered. Stock servers close such
        # connections unread.
        await asyncio.sleep(LAST_CALL_SECONDS)
        for server in self.servers:
            server.close()
        await asyncio.sleep(MOMENT_SECONDS)  # for those just accepted to be known
        await self._wait_for_what_is_under_way()
        await self._station.close()
        self.should_exit = True

    async def _wait_for_what_is_under_way(self) -> None:
        """For requests begun by now, and the first ones on connections that have had none yet."""
        deadline = self._loop.time() + UNDER_WAY_SECONDS
        begun = [(each, each.cycle) for each in self.server_state.connections if isinstance(each, _Protocol)]
        while self._loop.time() < deadline and any(
            each in self.server_state.connections and _may_bring_a_picture(cycle or each.cycle) for each, cycle in begun
        ):
            await asyncio.sleep(MOMENT_SECONDS)


def _may_bring_a_picture(cycle: RequestResponseCycle | None) -> bool:
    return cycle is None or (cycle.scope["method"] == "POST" and not cycle.response_complete)


async def serve(
    station: Station, *, host: str, port: int, access: Access, limits: Limits, say: Callable[[str], None]
) -> None:
    """Answer requests until SIGTERM or Ctrl-C; `say` is told the address. Raises UsageError where it is taken."""
    listener = _bound(host, port)
    address = f"http://{host if ':' not in host else f'[{host}]'}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        make_app(station, access, limits),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_graceful_shutdown=int(FINISHING_SECONDS),
    )
    await Server(config, station, partial(say, address)).serve([listener])
    station.log.close()  # answers under way when the station closed have opened it again


def _bound(host: str, port: int) -> socket.socket:
    """A socket that does not listen yet; raises UsageError where its address is taken."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return _socket_at(family, place)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"cannot listen on {printable(host)}, port {port}: {reason}; choose another (--port)"
        ) from error


def _socket_at(family: int, place: Any) -> socket.socket:
    with ExitStack() as unless_bound:
        found = unless_bound.enter_context(socket.socket(family, socket.SOCK_STREAM))
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Without it an answer waits for 40 ms, as asyncio sets it on sockets alone that name
        # their protocol.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind(place)
        unless_bound.pop_all()
        return found
