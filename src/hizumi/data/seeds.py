"""Seeds of independent random streams."""

import hashlib
from typing import Literal

Purpose = Literal[
    "batch order",
    "views",
    "pairs",
    "networks",
    "step",
    "statistics",
    "validation",
    "reference",
    "held out",
    "drawn scratches",
    "drawn defects",
    "tuning",
]
"""What random numbers are drawn for."""


def seed_for(purpose: Purpose, *numbers: int) -> int:
    """A 63-bit seed; it differs with the purpose, with each number, and with how many numbers there are."""
    text = ":".join([purpose, *(str(int(number)) for number in numbers)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
