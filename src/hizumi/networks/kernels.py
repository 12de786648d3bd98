"""Which library computes convolutions where memory is short, and in which precision a GPU does."""

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


@contextmanager
def single_precision_on(device: torch.device) -> Iterator[None]:
    """On a GPU, whole single precision: its convolutions otherwise keep ten bits, and scores would not be a CPU's.

    A threshold that was set there holds for what is scored here.
    """
    if device.type != "cuda":
        yield
        return
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # which the module's types miss
    places = (convolutions, torch.backends.cuda.matmul)
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = "ieee"
    try:
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision
