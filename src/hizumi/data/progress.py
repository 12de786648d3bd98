"""How a long task reports its progress."""

from collections.abc import Callable, Mapping
from typing import Any

Observer = Callable[[Mapping[str, Any]], None]
"""Called with a record at each step of a task: {"phase", "step", "share", "losses"}; training adds its own keys.

Training reads losses from the device once per journal interval; until the next reading, records repeat the last values.
"""


def reporting(observe: Observer | None, phase: str) -> Callable[[int, int], None] | None:
    """A callback that passes on how many of how many records are done; None where nobody observes."""
    if observe is None:
        return None
    return lambda done, total: observe({"phase": phase, "step": done, "share": done / total, "losses": {}})
