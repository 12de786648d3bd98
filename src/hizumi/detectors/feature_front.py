"""A fixed network as the front of other models: images to maps of its features, in the range that images have."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.data.stream import Batches, Wrapped
from hizumi.detectors.fixed_features import FixedFeatures, NetworkKind
from hizumi.detectors.moments import Moments
from hizumi.detectors.shard import Shard
from hizumi.errors import NotFittedError
from hizumi.training.randomness import own_random_numbers

DEVIATIONS = 3.0  # of a channel, that are brought to 1: normal features then lie in [-1, 1], as pixels do
LEAST_DEVIATION = 1e-6  # of a channel that never varies


class FeatureFront(nn.Module):
    """Images (n, c, h, w) to maps (n, k, rows, columns) of several levels, each channel standardised on normal images.

    The network is made by `build`, once the shape of the images is known.

    Args:
        levels: Whose channels are put together.
        network: See `FixedFeatures`, as for all that follows.
        input_size: Images whose shorter side is below it are enlarged to it.
        neighbourhood: Features are averaged over so many by so many positions of their level.
        weights: A file of weights in place of the installed package's.
        sha256: The hash that file must have.
        colours: Whether three channels are red, green and blue.
    """

    mean: Tensor | None  # (k, 1, 1)
    scale: Tensor | None  # (k, 1, 1), by which what is left is multiplied

    def __init__(
        self,
        levels: Sequence[int],
        network: NetworkKind,
        input_size: int | None,
        neighbourhood: int,
        weights: str | None,
        sha256: str | None,
        colours: bool,
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.network = network
        self.input_size = input_size
        self.neighbourhood = neighbourhood
        self.weights = weights
        self.sha256 = sha256
        self.colours = colours
        self.register_buffer("mean", None)
        self.register_buffer("scale", None)

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the network for images of this shape, and forget the moments."""
        with own_random_numbers():  # making it draws weights, which are then replaced
            self.features = FixedFeatures(
                shape, self.levels, self.input_size, None, self.weights, self.sha256, self.network, self.colours
            )
        self.mean = self.scale = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image's map, once the network is made: (k, rows, columns)."""
        return sum(self.features.channels[level] for level in self.levels), *self.features.grid

    def fit(self, batches: Batches) -> None:
        """Take each channel's moments over normal images and positions."""
        shard, moments = Shard.of(batches), Moments(crossed=False)
        for _, batch in shard.batches():
            moments.add(self._placed(batch).flatten(0, 1))
        moments = moments.of_all(shard)
        deviation = moments.variance()[0].clamp(min=LEAST_DEVIATION**2).sqrt()
        self.mean = moments.mean.float()[:, None, None]
        self.scale = (1 / (DEVIATIONS * deviation)).float()[:, None, None]

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k rows columns"]:
        if self.mean is None or self.scale is None:
            raise NotFittedError("this FeatureFront is not fitted yet; call fit first")
        maps = self._placed(images).transpose(1, 2).reshape(-1, *self.shape)
        return (maps - self.mean) * self.scale

    def seen(self, images: Batches) -> Batches:
        """Batches of maps in place of batches of images."""
        return _Seen(images, self)

    def _placed(self, images: Tensor) -> Tensor:
        # Fixed features are computed alike in training and afterwards, whatever precision the training has.
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self.features.placed(self.features(images), self.levels, self.neighbourhood)


class _Seen(Wrapped):
    def __init__(self, images: Batches, front: FeatureFront) -> None:
        super().__init__(images, front.shape)
        self.front = front

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Any:
        return self.front(self.source.batch(indices, generator))
