"""Splitting large batches, so that their intermediate maps fit in memory."""

import torch
from torch import Tensor


def in_parts(items: Tensor, size: int) -> tuple[Tensor, ...]:
    """Items in parts of at most `size` rows, or in one part while a graph is traced, whose row count is symbolic."""
    return (items,) if is_traced(items) else torch.split(items, size)


def is_traced(items: Tensor) -> bool:
    """Whether a graph is being traced, so that the number of items is symbolic."""
    return not isinstance(items.shape[0], int)
