"""From records to batches and back to records: the one loop of everything that runs a fitted detector or model."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from hizumi.data.guard import trusted
from hizumi.data.manifest import Failure
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

    The next batch is read in a thread of its own while the function works on this one. `on_progress` is called with
    the number of records done and the `total`.
    """
    done = 0
    for batch in _ahead(_filled(pieces, batch_size)):
        outputs = _by_piece(function, [item for item in batch if isinstance(item, Piece)], batch_size)
        for item in batch:
            yield item if isinstance(item, Failure) else (item, next(outputs))
        done += len(batch)
        if on_progress is not None and batch:
            on_progress(done, total)


def _filled(pieces: Iterable[Piece | Failure], batch_size: int) -> Iterator[list[Piece | Failure]]:
    """Records until their crops fill a batch; the last batch may be smaller."""
    waiting: list[Piece | Failure] = []
    crops = 0
    for item in pieces:
        waiting.append(item)
        crops += len(item.crops) if isinstance(item, Piece) else 0
        if crops >= batch_size:
            yield waiting
            waiting, crops = [], 0
    yield waiting


def _by_piece(
    function: Callable[[Shaped[np.ndarray, "n ..."]], Outputs], pieces: list[Piece], batch_size: int
) -> Iterator[Outputs]:
    if not pieces:
        return
    crops = np.concatenate([piece.crops for piece in pieces])
    with trusted():  # pieces have been read and scaled, and refused one by one
        parts = [function(crops[start : start + batch_size]) for start in range(0, len(crops), batch_size)]
    outputs = parts[0] if len(parts) == 1 else {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}
    start = 0
    for piece in pieces:
        rows = slice(start, start + len(piece.crops))
        yield {name: values[rows] for name, values in outputs.items()}
        start = rows.stop


def _ahead(items: Iterator[AnyItem]) -> Iterator[AnyItem]:
    """The items, each made in another thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
