"""Ids that sort in the order in which they were made, whatever the clock does."""

import secrets
import time
from threading import Lock
from typing import final

TICKS = 4096  # of a millisecond, in the 12 bits after it


@final
class Ids:
    """UUIDs of version 7 (RFC 9562, with its method 3): each one sorts after the one before.

    Where the clock stands still or is set back, they count on from where they were.
    """

    def __init__(self) -> None:
        self._newest = 0
        self._lock = Lock()

    def new(self) -> str:
        """32 hexadecimal digits."""
        with self._lock:
            ticks = self._newest = max(time.time_ns() * TICKS // 1_000_000, self._newest + 1)
        variant = 0b10 << 62
        return f"{ticks // TICKS:012x}7{ticks % TICKS:03x}{variant | secrets.randbits(62):016x}"

    def follow(self, other: str) -> None:
        """Have all new ids sort after this one, which was made before the start."""
        with self._lock:
            self._newest = max(int(other[:12] + other[13:16], 16), self._newest)


_ids = Ids()
new_id, follow = _ids.new, _ids.follow
