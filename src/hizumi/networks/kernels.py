"""Which library computes convolutions where memory is short."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hizumi.memory import free_addresses

NEAR_LIMIT = 2**30  # bytes of addresses


@contextmanager
def kernels_that_fail_well() -> Iterator[None]:
    """Close to the limit of the address space no oneDNN, whose convolutions crash there where others raise an error."""
    if free_addresses() > NEAR_LIMIT:
        yield
        return
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # a property of the module, which its types miss
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before
