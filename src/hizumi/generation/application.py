"""A model's function on all records of a manifest: read, batched, and given back one by one in order."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hizumi.data import Manifest, Window
from hizumi.errors import DataError
from hizumi.inspection.scoring import Failure
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.preprocessing.reading import Piece, Reader

BATCH_SIZE = 64


def applied(
    function: Callable[[Tensor], Tensor],
    manifest: Manifest,
    reader: Reader,
    preprocessing: Preprocessing,
    *,
    strict: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[Piece, Tensor] | Failure]:
    """Each record with what the function makes of its crops; a record that cannot be read is a Failure."""
    waiting: list[Piece | Failure] = []
    count = 0
    for index in range(len(manifest)):
        try:
            waiting.append(piece := reader.piece(manifest, index, pictures=False))
            count += len(piece.crops)
        except DataError as error:
            if strict:
                raise
            name = manifest.records[index].name
            waiting.append(Failure(index, name, str(error).removeprefix(f"{name}: ")))
        if count >= BATCH_SIZE or index == len(manifest) - 1:
            yield from _together(function, waiting, reader.window, preprocessing)
            waiting, count = [], 0
            if on_progress is not None:
                on_progress(index + 1, len(manifest))


@torch.no_grad()
def _together(
    function: Callable[[Tensor], Tensor],
    waiting: Sequence[Piece | Failure],
    window: Window | None,
    preprocessing: Preprocessing,
) -> list[tuple[Piece, Tensor] | Failure]:
    pieces = [piece for piece in waiting if isinstance(piece, Piece)]
    if not pieces:
        return [failure for failure in waiting if isinstance(failure, Failure)]
    crops = np.concatenate([piece.crops for piece in pieces])
    items = torch.from_numpy(crops if window is None else window.to_unit(crops))
    made = function(preprocessing.standardised(items))
    parts = iter(torch.split(made, [len(piece.crops) for piece in pieces]))
    return [item if isinstance(item, Failure) else (item, next(parts)) for item in waiting]
