"""Maps of fixed networks, kept between fits on the same images, as those of folds are."""

import hashlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

LARGEST = 512 * 2**20  # bytes that are kept; what comes later is computed each time


class _Kept:
    def __init__(self) -> None:
        self.maps: dict[Hashable, list[Tensor]] = {}
        self.bytes = 0

    def keep(self, key: Hashable, maps: list[Tensor]) -> None:
        needed = sum(each.nbytes for each in maps)
        if self.bytes + needed <= LARGEST:
            self.maps[key] = [each.clone() for each in maps]  # a view would keep its whole batch
            self.bytes += needed


_KEPT: ContextVar[_Kept | None] = ContextVar("_KEPT", default=None)


@contextmanager
def maps_are_kept() -> Iterator[None]:
    """Inside, fixed networks compute an image's maps once, however many detectors are fitted on it."""
    token = _KEPT.set(_Kept())
    try:
        yield
    finally:
        _KEPT.reset(token)


@contextmanager
def maps_pass() -> Iterator[None]:
    """Inside, although `maps_are_kept`, they are not: nobody will ask for these again."""
    token = _KEPT.set(None)
    try:
        yield
    finally:
        _KEPT.reset(token)


def maps_of(network: Hashable, images: Tensor, compute: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
    """The maps (n, ...) that `compute` makes of images; inside `maps_are_kept`, of those alone that are new to it.

    `network` tells networks apart, and an image is known by its content.
    """
    kept = _KEPT.get()
    if kept is None or images.device.type != "cpu":
        return compute(images)
    keys = [(network, hashlib.blake2b(image.contiguous().numpy(), digest_size=16).digest()) for image in images]
    new = [index for index, key in enumerate(keys) if key not in kept.maps]
    computed = compute(images[new]) if new else []
    fresh = {keys[index]: [maps[place] for maps in computed] for place, index in enumerate(new)}
    for key, maps in fresh.items():
        kept.keep(key, maps)
    each = [fresh[key] if key in fresh else kept.maps[key] for key in keys]
    return [torch.stack(maps) for maps in zip(*each, strict=True)]
