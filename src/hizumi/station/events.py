"""What happens at a station, told to all who listen."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, final

UNHEARD = 100  # events kept for a listener that is slow


class Event(NamedTuple):
    """Something that happened; `data` are values of JSON."""

    name: str
    data: dict[str, Any]


MISSED = Event("missed", {})


@final
class Events:
    """Passes events on to any number of listeners. Used from one event loop."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event | None]] = set()

    def __len__(self) -> int:
        return len(self._listeners)

    def tell(self, event: Event) -> None:
        """Tell all listeners, and wait for none; one that is too slow hears `missed` in place of the rest."""
        for queue in self._listeners:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(MISSED)
            queue.put_nowait(event)

    def end(self) -> None:
        """Let every listener come to its end."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    @contextmanager
    def heard(self) -> Iterator["asyncio.Queue[Event | None]"]:
        """A queue of what happens from now on; None is the end."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(UNHEARD)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
