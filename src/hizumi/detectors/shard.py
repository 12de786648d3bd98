"""The part of the data that one of several processes estimates statistics from, and what all found together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from hizumi.data.stream import BATCH_SIZE, Batches, in_order

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_FABRIC: ContextVar["Fabric | None"] = ContextVar("processes that fit together", default=None)


@contextmanager
def sharded_over(fabric: "Fabric") -> Iterator[None]:
    """Inside, the processes of a Fabric share out the data that statistics are estimated from."""
    token = _FABRIC.set(fabric)
    try:
        yield
    finally:
        _FABRIC.reset(token)


@dataclass(frozen=True, eq=False)
class Shard:
    """Every so many-th batch of a source, one for each process in turn.

    Batches are those of one process, so that what is computed from each is the same to the last bit. All processes call
    the same methods in the same order; where nobody shares, these change nothing.
    """

    source: Batches
    fabric: "Fabric | None" = None

    @classmethod
    def of(cls, source: Batches) -> Self:
        """This process's shard: all where there is nobody to share with, or less than one batch for each.

        All, too, of items with several views, which are drawn one after another.
        """
        fabric = _FABRIC.get()
        if fabric is None or source.views > 1 or len(source) <= BATCH_SIZE * (fabric.world_size - 1):
            return cls(source)
        return cls(source, fabric if fabric.world_size > 1 else None)

    def batches(self) -> Iterator[tuple[int, Tensor]]:
        """This process's batches, each with the position of its first item among those of all."""
        if self.fabric is None:
            first = 0
            for batch in in_order(self.source):
                yield first, batch
                first += len(batch)
            return
        count = len(self.source)
        for first in range(self.fabric.global_rank * BATCH_SIZE, count, self.fabric.world_size * BATCH_SIZE):
            yield first, self.source.batch(torch.arange(first, min(first + BATCH_SIZE, count)))

    def summed(self, values: Tensor) -> Tensor:
        """Sum over the processes."""
        if self.fabric is None:
            return values
        total = self.fabric.all_reduce(values, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total

    def from_first(self, values: Tensor) -> Tensor:
        """What the first process has; of the same shape everywhere."""
        if self.fabric is None:
            return values
        return self.summed(values if self.fabric.is_global_zero else torch.zeros_like(values))

    def from_all(self, rows: Tensor) -> list[Tensor]:
        """Rows (n, ...) of each process, of which there may be more or fewer."""
        if self.fabric is None:
            return [rows]
        counts = self._gathered(torch.tensor(len(rows), device=rows.device)).tolist()
        padded = pad(rows, (0, 0) * (rows.ndim - 1) + (0, max(counts) - len(rows)))
        return [part[:count] for part, count in zip(self._gathered(padded), counts, strict=True)]

    def in_turn(self, of_batches: Sequence[Tensor]) -> Tensor:
        """Rows (n, ...) that were made of each batch, in the order in which one process would have made them."""
        own = torch.cat(list(of_batches))
        if self.fabric is None:
            return own
        lengths = self.from_all(torch.tensor([len(rows) for rows in of_batches], device=own.device))
        turns = [torch.split(part, each.tolist()) for part, each in zip(self.from_all(own), lengths, strict=True)]
        most = max(map(len, turns))
        return torch.cat([part[turn] for turn in range(most) for part in turns if turn < len(part)])

    def of_all(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Rows (n, ...) that a function makes of all batches."""
        return self.in_turn([function(batch) for _, batch in self.batches()])

    def _gathered(self, values: Tensor) -> Tensor:
        assert self.fabric is not None, "there are others"
        gathered = self.fabric.all_gather(values.contiguous())
        assert isinstance(gathered, Tensor)
        return gathered
