"""Estimates abridged for plans: repeats whose cost one of them tells are left out, and their time is noted.

How many rounds an estimate by iteration takes, a few items do not tell: more items may need fewer. One of its repeats
on many items does, where it runs to its end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LEFT_OUT: ContextVar[list[float] | None] = ContextVar("_LEFT_OUT", default=None)


@contextmanager
def abridged() -> Iterator[list[float]]:
    """Estimates inside are for a plan alone; the list gathers the seconds that what they leave out would take."""
    seconds: list[float] = []
    token = _LEFT_OUT.set(seconds)
    try:
        yield seconds
    finally:
        _LEFT_OUT.reset(token)


def is_abridged() -> bool:
    """Whether this is inside of `abridged`."""
    return _LEFT_OUT.get() is not None


def leave_out(seconds: float) -> None:
    """Note what was left out inside of `abridged`."""
    gathered = _LEFT_OUT.get()
    if gathered is not None:
        gathered.append(seconds)
