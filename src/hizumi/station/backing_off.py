"""Exponential back-off with full jitter, so that many who wait for one do not all come back at once."""

import random

FIRST_PAUSE_SECONDS = 1.0


def back_off(failures: int, longest_seconds: float) -> float:
    """Seconds to wait after so many failures in a row: drawn evenly from 0 to a limit that doubles each time."""
    limit = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 30), longest_seconds)
    return random.uniform(0, limit)  # noqa: S311 - spreads load, hides nothing
