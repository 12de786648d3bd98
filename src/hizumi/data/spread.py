"""Some of many, evenly spread."""

import numpy as np


def evenly_spread(total: int, most: int) -> list[int]:
    """Up to so many of `total` places in their order, each once: the first, the last, and others evenly between."""
    places: list[int] = np.linspace(0, total - 1, min(total, most)).round().astype(int).tolist()
    return places
