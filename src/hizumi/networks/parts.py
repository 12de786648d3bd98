"""Large batches in parts that memory holds."""

import torch
from torch import Tensor


def in_parts(items: Tensor, size: int) -> tuple[Tensor, ...]:
    """Items in parts of at most `size` rows; in one part while a graph is traced, whose number of rows is a symbol."""
    return torch.split(items, size) if isinstance(items.shape[0], int) else (items,)
