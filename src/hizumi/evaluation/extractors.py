"""Feature extractors by name: pixels, a network trained on ImageNet, or any model that encodes."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from hizumi.errors import UsageError
from hizumi.models.abilities import CanEncode
from hizumi.training import Trainable

Extractor = Callable[[Tensor], Float[np.ndarray, "n k"]]
"""Items (n, c, h, w) in [-1, 1] or (n, d) to features in double precision."""

Name = Literal["pixels", "efficientnet"]
LARGEST_PIXELS = 16  # per side; larger images are averaged down to it
SMALLEST_PHOTOGRAPH = 64  # per side; smaller images are enlarged for the network, which was trained on 224
BATCH_SIZE = 64


def extractor(name: str | Trainable) -> Extractor:
    """An extractor by name, or the codes of a fitted model that encodes.

    "pixels": the numbers of a vector, or an image's pixels at no more than 16 x 16. "efficientnet": the 1,280 pooled
    features of EfficientNet-Lite0 with ImageNet weights, for images; needs the extra `features`.
    """
    if isinstance(name, Trainable):
        if not isinstance(name, CanEncode):
            raise UsageError(f"{type(name).__name__} has no encoder whose codes could be features; give another model")
        return _in_batches(name.eval().encode)
    if name == "pixels":
        return _in_batches(_pixels)
    if name == "efficientnet":
        return _efficientnet()
    raise UsageError(f"features {name!r} are not known; use pixels, efficientnet, or a fitted model that encodes")


def _in_batches(function: Callable[[Tensor], Tensor]) -> Extractor:
    @torch.no_grad()
    def extract(items: Tensor) -> np.ndarray:
        parts = [function(part).flatten(1).double().cpu() for part in torch.split(items, BATCH_SIZE)]
        return torch.cat(parts).numpy()

    return extract


def _pixels(items: Tensor) -> Tensor:
    if items.ndim == 2 or max(items.shape[2:]) <= LARGEST_PIXELS:
        return items
    height, width = (min(side, LARGEST_PIXELS) for side in items.shape[2:])
    return adaptive_avg_pool2d(items, (height, width))


def _efficientnet() -> Extractor:
    from hizumi.networks.efficientnet import EfficientNetLite

    network = EfficientNetLite((9,))

    def pooled(items: Tensor) -> Tensor:
        if items.ndim == 2:
            raise UsageError("efficientnet takes images; for rows of numbers use the features pixels")
        smallest = min(items.shape[2:])
        if smallest < SMALLEST_PHOTOGRAPH:
            items = interpolate(items, scale_factor=SMALLEST_PHOTOGRAPH / smallest, mode="bilinear")
        return network(items)[0].mean((2, 3))

    return _in_batches(pooled)
