"""Sources of batches, and the endless shuffled stream that training reads: a pure function of seed and step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from hizumi.data.guard import checked_items
from hizumi.data.seeds import seed_for
from hizumi.errors import DataError

BATCH_SIZE = 64  # items that are read in order at a time

_AT_ONCE: ContextVar[int] = ContextVar("items read at a time", default=BATCH_SIZE)


@runtime_checkable
class Batches(Protocol):
    """A source of batches by index."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one item: (c, h, w) or (d,); of the first tensor where a batch holds several."""

    @property
    def views(self) -> int:
        """Number of views of an item: 1, or the number of crops that cover an image."""

    @property
    def reach(self) -> int:
        """Places from an item to the next that surely has nothing of it: 1, or more for windows that overlap."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Any:
        """Items (n, *shape) as float32; a generator draws a random view of each where there are several.

        A tuple of tensors where items come with labels, or in pairs.
        """


class TensorSource:
    """Batches from a tensor in memory."""

    views = 1
    reach = 1

    def __init__(self, items: Shaped[Tensor, "n *shape"]) -> None:
        self.items = items
        self.shape = tuple(items.shape[1:])

    def __len__(self) -> int:
        return len(self.items)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Rows `indices`."""
        return self.items[indices]


class Wrapped(ABC):
    """Batches made from those of another source, whose length and views they keep; `shape` is its own if not given."""

    def __init__(self, source: Batches, shape: tuple[int, ...] | None = None) -> None:
        self.source = source
        self.shape = source.shape if shape is None else shape

    @property
    def views(self) -> int:
        """Views of the source."""
        return self.source.views

    @property
    def reach(self) -> int:
        """Reach of the source."""
        return self.source.reach

    def __len__(self) -> int:
        return len(self.source)

    @abstractmethod
    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Any:
        """As for `Batches`."""


class Together(Wrapped):
    """Batches of tuples: corresponding items of several sources, such as images and their labels, or pairs.

    All sources draw their views with equal generators, so that a random crop is the same in each.
    """

    def __init__(self, *sources: Batches) -> None:
        lengths = {len(source) for source in sources}
        if len(lengths) > 1:
            raise DataError(f"{' and '.join(map(str, sorted(lengths)))} items cannot be matched one to one")
        super().__init__(sources[0])
        self.sources = sources

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
        """One batch of each source."""
        if generator is None:
            return tuple(source.batch(indices) for source in self.sources)
        state = generator.get_state()
        return tuple(source.batch(indices, generator.set_state(state)) for source in self.sources)


class View(Wrapped):
    """Selected items of a source, in the given order; each batch passes through a function that keeps the shape."""

    def __init__(
        self, source: Batches, *, indices: Tensor | None = None, function: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__(source)
        self.indices = indices
        self.function = function

    def __len__(self) -> int:
        return len(self.source) if self.indices is None else len(self.indices)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Any:
        """Batch of the selected items after the function."""
        batch = self.source.batch(indices if self.indices is None else self.indices[indices], generator)
        return batch if self.function is None else self.function(batch)


class FewerViews(Wrapped):
    """Items of a source with several views, of which only so many pass that all items together have `most`.

    At least two do, for the first by itself need not be drawn at random.
    """

    def __init__(self, source: Batches, most: int) -> None:
        super().__init__(source)
        self.most = most

    @property
    def views(self) -> int:
        """Views that are drawn of each item."""
        return min(self.source.views, max(2, -(-self.most // max(1, len(self.source)))))

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Any:
        """Of the source."""
        return self.source.batch(indices, generator)


def dealt(source: Batches, held_out: int, seed: int) -> tuple[View, View]:
    """All items but so many that are held out, and these, at random.

    Of windows that overlap, runs are held out, one in each equal part of the source, or at its end where there is room
    for one alone, and windows that overlap with them are in neither. Where none would be left, they are dealt like
    other items.
    """
    generator = torch.Generator().manual_seed(seed)
    gap = source.reach - 1
    if gap and len(source) > held_out + gap:
        chosen, beside = _runs(len(source), held_out, gap, generator)
        return View(source, indices=(~beside).nonzero()[:, 0]), View(source, indices=chosen.nonzero()[:, 0])
    order = torch.randperm(len(source), generator=generator)
    return View(source, indices=order[held_out:]), View(source, indices=order[:held_out])


def _runs(
    length: int, held_out: int, gap: int, generator: torch.Generator
) -> tuple[Bool[Tensor, " n"], Bool[Tensor, " n"]]:
    """Which items are held out, in runs twice as long as both gaps beside them, and which are these or in a gap."""
    count = max(1, held_out // (4 * gap))
    chosen, beside = torch.zeros(2, length, dtype=torch.bool)
    edges = torch.linspace(0, length, count + 1).long().tolist()
    shares = torch.linspace(0, held_out, count + 1).long().tolist()
    for part in range(count):
        size = shares[part + 1] - shares[part]
        room = edges[part + 1] - edges[part] - size
        start = edges[part] + (room if count == 1 else int(torch.randint(room + 1, (), generator=generator)))
        chosen[start : start + size] = True
        beside[max(0, start - gap) : start + size + gap] = True
    return chosen, beside


def as_source(data: Any, called: str = "fitting") -> Batches:
    """A source of batches from a tensor or array (n, c, h, w) or (n, d); a source is returned as it is.

    A tuple gives batches of tuples: (images, labels), labels being integers (n,), or (inputs, targets). Errors begin
    with what the receiver is `called`.
    """
    if isinstance(data, tuple):
        return Together(*(_labels(part) or as_source(part, called) for part in data))
    if callable(getattr(data, "batch", None)):
        source: Batches = data
        return source
    return TensorSource(checked_items(data, called).float())


def moved(batch: Any, device: torch.device) -> Any:
    """Move a batch, or each tensor of it, to a device."""
    return tuple(part.to(device) for part in batch) if isinstance(batch, tuple) else batch.to(device)


@contextmanager
def at_once(items: int) -> Iterator[None]:
    """Inside, `in_order` gives so many items at a time."""
    token = _AT_ONCE.set(items)
    try:
        yield
    finally:
        _AT_ONCE.reset(token)


def in_order(source: Batches) -> Iterator[Any]:
    """Every item of a source once per view, in order and repeatably, 64 at a time but `at_once`.

    Several views are read at a time where items are few. Each view has a generator of its own, so that a source which
    draws for each item by itself gives a part of its items the views that all of them have.
    """
    most = _AT_ONCE.get()
    together = most // max(1, len(source))
    if source.views == 1 or together < 2:
        for view in range(source.views):
            yield from _in_view(source, view, most)
        return
    for first in range(0, source.views, together):
        views = range(first, min(first + together, source.views))
        yield _joined([batch for view in views for batch in _in_view(source, view, most)])


def _in_view(source: Batches, view: int, most: int) -> Iterator[Any]:
    generator = None if source.views == 1 else torch.Generator().manual_seed(seed_for("views", view))
    for indices in torch.split(torch.arange(len(source)), most):
        yield source.batch(indices, generator)


def _joined(batches: list[Any]) -> Any:
    if isinstance(batches[0], tuple):
        return tuple(torch.cat(parts) for parts in zip(*batches, strict=True))
    return torch.cat(batches)


class Stream:
    """Endless shuffled batches. Batch `step` depends on seed and step alone, so that training resumes at any step.

    Each process of a group takes its share of every batch; the last incomplete batch of an epoch is dropped.
    """

    def __init__(self, source: Batches, batch_size: int, seed: int, world_size: int = 1, rank: int = 0) -> None:
        if len(source) < world_size:
            raise DataError(f"{len(source)} items cannot feed {world_size} processes; use fewer processes")
        self.source = source
        self.seed = seed
        self.world_size = world_size
        self.rank = rank
        self.batch_size = min(batch_size, len(source) // world_size)
        self.steps_per_epoch = len(source) // (self.batch_size * world_size)
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def batch(self, step: int) -> Any:
        """This process's part of batch number `step`."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(seed_for("batch order", self.seed, epoch))
            self._epoch, self._order = epoch, torch.randperm(len(self.source), generator=generator)
        start = (position * self.world_size + self.rank) * self.batch_size
        views = torch.Generator().manual_seed(seed_for("views", self.seed, step, self.rank))
        return self.source.batch(self._order[start : start + self.batch_size], views)


def _labels(data: Any) -> Batches | None:
    labels = torch.as_tensor(data) if isinstance(data, np.ndarray | Tensor) else None
    if labels is None or labels.ndim != 1 or labels.is_floating_point():
        return None
    return TensorSource(labels.long())
