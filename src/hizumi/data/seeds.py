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


def seed_for(purpose: Purpose, *keys: int | str) -> int:
    """A 63-bit seed; it differs with the purpose, with each number or name, and with how many of them there are."""
    text = ":".join([purpose, *(key if isinstance(key, str) else str(int(key)) for key in keys)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
