"""Nearest neighbour: how far an item, or a window of a series, is from the most similar of all normal ones."""

import math
from typing import Annotated

import torch
from torch import Tensor

from hizumi.arguments import NonNegativeFloat, PositiveInt, Searched
from hizumi.data.stream import Batches
from hizumi.detectors.core_set import Reservoir, core_set, nearest, projected
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.shard import Shard
from hizumi.errors import DataError
from hizumi.objectives import smooth
from hizumi.training import Card

CANDIDATES_PER_ITEM = 10  # of the memory, where there are more items than it holds
PROJECTED_DIMENSIONS = 64  # in which a core-set is chosen
FLAT = 1e-6  # deviation of a channel, relative to its size, below which it counts as constant


class NearestNeighbour(Detector):
    """A(x) = min |x - x'| over normal items x', Euclidean; the map is (x - x')², x' the nearest, blurred.

    For windows of a series this is a matrix profile, the join of new windows with those of the training data (Yeh et
    al. 2016), of all channels together. Without z-normalisation, unlike there, since level and size of what a sensor
    measures tell as much as its shape does.

    All training items are remembered, exactly, up to `memory`; of more, a core-set of that many is, chosen one by one,
    each the farthest from those before it, from an even sample of ten times as many.

    Args:
        memory: The most items that are remembered.
        normalised: Bring each channel of each item to mean 0 and deviation 1 first; a constant one to 0.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
    """

    card = Card(
        family="distance",
        idea="distance from the most similar normal item; of windows of a series, the matrix profile",
        paper="Ramaswamy, Rastogi & Shim, Mining outliers, SIGMOD 2000; Yeh et al., Matrix profile I, ICDM 2016",
        localises=True,
    )
    working_size = 32
    remembers = True
    items: Tensor | None  # (m, d), as they are compared

    def __init__(
        self,
        memory: PositiveInt = 20_000,
        normalised: Annotated[bool, Searched(choices=(False, True), of_rows=False)] = False,
        smoothing: Annotated[NonNegativeFloat, Searched(0, 8, of_rows=False)] = 2.0,
    ) -> None:
        super().__init__()
        self.memory = memory
        self.normalised = normalised
        self.smoothing = smoothing
        self.register_buffer("items", None)

    def check_items(self, shape: tuple[int, ...]) -> None:
        if self.normalised and len(shape) == 1:
            raise DataError("NearestNeighbour: normalised=True is for images and series; columns have no common scale")

    def fit_statistics(self, batches: Batches) -> None:
        sample = Reservoir(CANDIDATES_PER_ITEM * self.memory)
        shard = Shard.of(batches)
        for first, batch in shard.batches():
            sample.add(self._compared(batch).flatten(1), first)
        self.items = sample.of_all(shard)
        if len(self.items) > self.memory:
            self.items = self.items[core_set(projected(self.items, PROJECTED_DIMENSIONS), self.memory)]

    def score_batch(self, images: Tensor) -> Anomaly:
        assert self.items is not None
        compared = self._compared(images)
        distances, indices = nearest(compared.flatten(1), self.items, 1)
        found = self.items[indices[:, 0]].reshape(images.shape)
        normal = found
        if self.normalised:
            mean, deviation = _moments(images.double())
            normal = mean + deviation * found
        pixel = None
        if images.ndim == 4:
            squares = (compared - found).square().mean(1, keepdim=True)
            pixel = smooth(squares.to(images.dtype), self.smoothing)
        return Anomaly(distances[:, 0], pixel, normal=normal.to(images.dtype))

    def contribution_batch(self, images: Tensor) -> Tensor:
        assert self.items is not None
        compared = self._compared(images)
        distances, indices = nearest(compared.flatten(1), self.items, 1)
        squares = (compared - self.items[indices[:, 0]].reshape(images.shape)).square()
        lengths = distances[:, 0].clamp(min=torch.finfo(distances.dtype).tiny)
        return squares / lengths.reshape(-1, *(1,) * (images.ndim - 1))

    def _compared(self, images: Tensor) -> Tensor:
        """Items as they are compared, in double precision, in which quick products of matrices are exact enough."""
        images = images.double()
        if not self.normalised:
            return images
        mean, deviation = _moments(images)
        return (images - mean) / torch.where(deviation > FLAT * images.abs().amax((2, 3), True), deviation, math.inf)


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of each image, (n, c, 1, 1)."""
    return images.mean((2, 3), keepdim=True), images.std((2, 3), correction=0, keepdim=True)
