"""The outbox: what the log has for the sinks is delivered at least once, in order as far as possible, or given up.

A message is kept in the log from before its verdict is given until its receiver has taken it, so neither a crash nor an
outage loses it. One that was delivered just before a crash is delivered again, with the same `delivery_id`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

from hizumi.errors import HizumiError
from hizumi.station.backing_off import FIRST_PAUSE_SECONDS, back_off
from hizumi.station.log import LONGEST_REST, AuditEvent, Delivery, Log
from hizumi.station.sinks.sink import Beating, DeliveryError, Sink

LONGEST_PAUSE_SECONDS = 60.0  # of a receiver that does not answer
LONGEST_DELIVERY_SECONDS = 60.0
IDLE_SECONDS = 0.5  # between two looks into the log, unless woken
ROUND = 100  # messages that are fetched at once

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Outbox:
    """Delivers to each sink on its own, so that none waits for another. Used from one event loop.

    No heart beats while `log_refuses`: what the log does not take is not told to any sink, and a receiver must not take
    that silence for good parts.
    """

    def __init__(self, log: Log, sinks: Sequence[Sink], log_refuses: Callable[[], bool] = lambda: False) -> None:
        self._lanes = [_Lane(log, sink) for sink in sinks]
        self._log_refuses = log_refuses

    def wake(self) -> None:
        """Have new messages delivered at once."""
        for lane in self._lanes:
            lane.woken.set()

    @property
    def sinks(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(lane.sink.name for lane in self._lanes)

    def troubles(self) -> dict[str, str]:
        """For each sink whose last delivery or heartbeat failed: why."""
        found = {lane.sink.name: lane.trouble or lane.silence for lane in self._lanes}
        return {name: trouble for name, trouble in found.items() if trouble}

    async def run(self, stop: asyncio.Event, grace_seconds: float = 5.0) -> None:
        """Deliver until `stop` is set; deliveries under way then have `grace_seconds` to end, or are repeated later."""
        tasks = [asyncio.create_task(lane.run(stop)) for lane in self._lanes]
        tasks += [asyncio.create_task(lane.beat(stop, self._log_refuses)) for lane in self._lanes]
        try:
            await stop.wait()
            self.wake()
            if tasks:
                await asyncio.wait(tasks, timeout=grace_seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await asyncio.gather(*(lane.sink.close() for lane in self._lanes), return_exceptions=True)


@dataclass(frozen=True)
class _Pause:
    """How long to wait, unless an event ends it."""

    seconds: float
    until: asyncio.Event


class _Lane:
    """What is on its way to one sink."""

    def __init__(self, log: Log, sink: Sink) -> None:
        self.sink = sink
        self.trouble = ""  # of the last delivery
        self.silence = ""  # of the last heartbeat
        self.woken = asyncio.Event()
        self._log = log
        self._pauses = 0  # in a row
        # Of this round: what failed, before it is known whether the message or the receiver is at fault.
        self._suspect: tuple[Delivery, str] | None = None
        self._unmarked: set[str] = set()  # delivered, but the log could not be told

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set."""
        while not stop.is_set():
            try:
                pause = await self._round(stop)
            except Exception as error:  # mostly of the log; nothing may end the lane
                self.trouble = str(error) if isinstance(error, HizumiError) else type(error).__name__
                pause = _Pause(FIRST_PAUSE_SECONDS, until=stop)
            await _wait(pause.until, pause.seconds)
            self.woken.clear()

    async def beat(self, stop: asyncio.Event, log_refuses: Callable[[], bool]) -> None:
        """Keep the sink's heartbeat going, if it has one, unless the log refuses what the sink should hear of."""
        sink = self.sink
        if not isinstance(sink, Beating) or sink.heartbeat_seconds is None:
            return
        while not stop.is_set():
            try:
                if log_refuses():
                    raise DeliveryError("its heartbeat is held back: the log cannot be written", retry=True)
                async with asyncio.timeout(LONGEST_DELIVERY_SECONDS):
                    await sink.beat()
                self.silence = ""
            except Exception as error:  # whatever a library raises, the next beat may succeed
                self.silence = str(error) if isinstance(error, DeliveryError) else f"heartbeat: {type(error).__name__}"
            await _wait(stop, sink.heartbeat_seconds)

    async def _round(self, stop: asyncio.Event) -> "_Pause":
        """Deliver what is due; says what to wait for then."""
        await self._mark()
        due = await _in_thread(self._log.due, self.sink.name, datetime.now(UTC), ROUND)
        waiting = list(due)
        self._suspect = None
        if not due:
            self.trouble = ""
        while waiting and not stop.is_set():
            # After a failure, the message that was tried least tells whether the receiver is at fault.
            message = waiting[0] if self._suspect is None else min(waiting, key=lambda each: each.attempts)
            waiting.remove(message)
            if await self._is_too_old(message):
                continue
            error = await self._tried(message)
            if error is None:
                await self._answered()
            elif self._suspect or error.retry_after_seconds is not None:
                least = error.retry_after_seconds or 0
                return _Pause(await self._silent((message, str(error)), least_seconds=least), until=stop)
            else:
                self._suspect = (message, str(error))
        if self._suspect is not None:  # nothing else was there to be tried, but a new message may come
            return _Pause(await self._silent(), until=self.woken)
        return _Pause(IDLE_SECONDS if len(due) < ROUND else 0, until=self.woken)

    async def _tried(self, message: Delivery) -> DeliveryError | None:
        """Try one message: None where that is the end of it, an error where it is to be tried again."""
        error = await self._delivered(message)
        self.trouble = "" if error is None else str(error)
        if error is None:
            self._unmarked.add(message.id)
            await self._mark()
        elif not error.retry:
            await self._abandon(message, str(error))
            return None
        return error

    async def _delivered(self, message: Delivery) -> DeliveryError | None:
        try:
            async with asyncio.timeout(LONGEST_DELIVERY_SECONDS):
                await self.sink.deliver({**message.payload, "delivery_id": message.id})
        except DeliveryError as error:
            return error
        except TimeoutError:
            return DeliveryError(f"no answer within {LONGEST_DELIVERY_SECONDS:g} s", retry=True)
        except Exception as error:  # nothing that a library raises may end the lane
            return DeliveryError(f"{type(error).__name__} while delivering", retry=True)
        return None

    async def _mark(self) -> None:
        """Tell the log what has been delivered; until it knows, nothing else is."""
        if self._unmarked:
            await _in_thread(self._log.delivered, list(self._unmarked))
            self._unmarked.clear()

    async def _is_too_old(self, message: Delivery) -> bool:
        """Whether it is, and was therefore abandoned."""
        if datetime.now(UTC) - message.made_at <= timedelta(seconds=self.sink.give_up_seconds):
            return False
        last = f"; last: {message.error}" if message.error else ""
        await self._abandon(message, f"not delivered within {self.sink.give_up_seconds:g} s{last}")
        return True

    async def _abandon(self, message: Delivery, reason: str) -> None:
        details = {"sink": self.sink.name, "delivery_id": message.id, "inspection_id": message.inspection_id}
        event = AuditEvent("station", "delivery abandoned", reason, details)
        # In this order a crash in between notes it twice, and not never.
        await _in_thread(self._log.note, event)
        await _in_thread(self._log.abandoned, message.id, reason)

    async def _answered(self) -> None:
        """The receiver takes messages, so one that failed before has itself to blame, and waits while others go on."""
        self._pauses = 0
        if self._suspect is not None:
            (message, reason), self._suspect = self._suspect, None
            await self._put_off(message, reason, back_off(message.attempts + 1, LONGEST_REST.total_seconds()))

    async def _silent(self, *failed: tuple[Delivery, str], least_seconds: float = 0) -> float:
        """The receiver takes nothing: seconds of a pause, after which all messages are due in their order."""
        self._pauses += 1
        for message, reason in (*failed, *([self._suspect] if self._suspect else [])):
            await self._put_off(message, reason, 0)
        self._suspect = None
        return max(back_off(self._pauses, LONGEST_PAUSE_SECONDS), least_seconds)

    async def _put_off(self, message: Delivery, reason: str, seconds: float) -> None:
        await _in_thread(self._log.failed, message.id, reason, datetime.now(UTC) + timedelta(seconds=seconds))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


async def _in_thread(
    function: Callable[Arguments, Result], *arguments: Arguments.args, **keywords: Arguments.kwargs
) -> Result:
    return await asyncio.to_thread(function, *arguments, **keywords)
