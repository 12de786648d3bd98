"""From records to batches and back to records: the one loop of everything that runs a fitted detector or model."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from hizumi.data.guard import trusted
from hizumi.data.manifest import Failure
from hizumi.errors import ShortageError, is_shortage
from hizumi.preprocessing.reading import Piece
from hizumi.shapes import Shaped

BATCH_SIZE = 64  # crops

Outputs = dict[str, Shaped[np.ndarray, "n ..."]]
"""Named arrays, all with one row for each crop."""

AnyItem = TypeVar("AnyItem")


def in_batches(
    function: Callable[[Shaped[np.ndarray, "n ..."]], Outputs],
    pieces: Iterable[Piece | Failure],
    *,
    batch_size: int = BATCH_SIZE,
    total: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[Piece, Outputs] | Failure]:
    """Each record, in order, with the function's outputs for its crops; failures are passed on in their place.

    The next batch is read in a thread of its own while the function works on this one. Where memory runs out, batches
    become smaller, down to one crop: then ShortageError is raised. `on_progress` is called with the number of records
    done and the `total`.
    """
    function = _Shrinking(function, batch_size)
    done = 0
    for batch in _ahead(_filled(pieces, batch_size), lambda batch: _crops(batch) < batch_size):
        outputs = _by_piece(function, [item for item in batch if isinstance(item, Piece)])
        for item in batch:
            yield item if isinstance(item, Failure) else (item, next(outputs))
        done += len(batch)
        if on_progress is not None and batch:
            on_progress(done, total)


def _filled(pieces: Iterable[Piece | Failure], batch_size: int) -> Iterator[list[Piece | Failure]]:
    """Records until their crops fill a batch; the last batch, and it alone, is smaller."""
    waiting: list[Piece | Failure] = []
    crops = 0
    for item in pieces:
        waiting.append(item)
        crops += _crops([item])
        if crops >= batch_size:
            yield waiting
            waiting, crops = [], 0
    yield waiting


def _crops(batch: Iterable[Piece | Failure]) -> int:
    return sum(len(item.crops) for item in batch if isinstance(item, Piece))


@dataclass
class _Shrinking:
    """A function of batches that is called with fewer crops at a time once memory has run out."""

    function: Callable[[Shaped[np.ndarray, "n ..."]], Outputs]
    batch_size: int

    def __call__(self, crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        parts: list[Outputs] = []
        start = 0
        while start < len(crops):
            batch = crops[start : start + self.batch_size]
            try:
                parts.append(self.function(batch))
            except Exception as error:  # libraries raise their own types where memory runs out
                if not is_shortage(error):
                    raise
                if len(batch) == 1:
                    what = f"one item of shape {'x'.join(map(str, batch.shape[1:]))}"
                    raise ShortageError.of(error, what, "free some, or fit at a smaller image size") from error
                self.batch_size = len(batch) // 2
                continue
            start += len(batch)
        return parts[0] if len(parts) == 1 else {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}


def _by_piece(function: Callable[[Shaped[np.ndarray, "n ..."]], Outputs], pieces: list[Piece]) -> Iterator[Outputs]:
    if not pieces:
        return
    # A large image has hundreds of tiles, which are not copied.
    crops = pieces[0].crops if len(pieces) == 1 else np.concatenate([piece.crops for piece in pieces])
    with trusted():  # pieces have been read and scaled, and refused one by one
        outputs = function(crops)
    start = 0
    for piece in pieces:
        rows = slice(start, start + len(piece.crops))
        yield {name: values[rows] for name, values in outputs.items()}
        start = rows.stop


def _ahead(items: Iterator[AnyItem], is_last: Callable[[AnyItem], bool]) -> Iterator[AnyItem]:
    """The items, at least one, each made in another thread while the one before it is in use."""
    item = next(items)
    if is_last(item):  # a station's pictures come one by one, and a thread for each would have memory of its own
        yield item
        return
    with ThreadPoolExecutor(1) as thread:
        while True:
            coming = None if is_last(item) else thread.submit(next, items)
            yield item
            if coming is None:
                return
            item = coming.result()
