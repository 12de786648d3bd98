"""How much memory a graph takes, measured when it is exported, so that no changed graph takes more."""

from collections.abc import Mapping

import numpy as np

from hizumi.errors import BundleError, ShortageError
from hizumi.runtime.engines import EngineName, start
from hizumi.runtime.inspector import BATCH_SIZE
from hizumi.shapes import Float
from hizumi.storage.statements import LARGEST_MEMORY

LEAST_BYTES = 2**25


def memory_taken(engine: EngineName, members: Mapping[str, bytes], example: Float[np.ndarray, "n ..."]) -> int:
    """Bytes within which an engine computes a batch as inspections take it: a power of two.

    Where even the largest is too little for a batch, smaller ones have to do, as where memory is short.
    """
    batch = np.resize(example, (BATCH_SIZE, *example.shape[1:]))
    limit = LEAST_BYTES
    while limit < LARGEST_MEMORY:
        try:
            start(engine, members, memory_bytes=limit)(batch)
            break
        except (BundleError, ShortageError):  # while loading, or while running
            limit *= 2
    return limit
