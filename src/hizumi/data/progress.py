"""How a long task reports its progress."""

from collections.abc import Callable, Mapping
from typing import Any

Observer = Callable[[Mapping[str, Any]], None]
"""Called with a record at each step of a task: {"phase", "step", "share", "losses"}; training adds its own keys.

Training reads losses from the device once in a journal interval; between two readings, records hold the earlier ones.
"""


def reporting(observe: Observer | None, phase: str) -> Callable[[int, int], None] | None:
    """A callback that passes on how many of how many records are done; None where nobody observes."""
    if observe is None:
        return None
    return lambda done, total: observe({"phase": phase, "step": done, "share": done / total, "losses": {}})
