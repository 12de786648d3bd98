"""Large batches in parts that memory holds."""

import torch
from torch import Tensor


def in_parts(items: Tensor, size: int) -> tuple[Tensor, ...]:
    """Items in parts of at most `size` rows; in one part while a graph is traced, whose number of rows is a symbol."""
    return (items,) if is_traced(items) else torch.split(items, size)


def is_traced(items: Tensor) -> bool:
    """Whether these stand for items of which a graph is traced, so that their number is a symbol."""
    return not isinstance(items.shape[0], int)
