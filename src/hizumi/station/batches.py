"""Batches of what is too much for one query."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")

BATCH = 500


def batches(values: Iterable[Item], count: int = BATCH) -> Iterator[list[Item]]:
    """Lists of `count` values, the last one perhaps of fewer."""
    iterator = iter(values)
    while batch := list(islice(iterator, count)):
        yield batch
