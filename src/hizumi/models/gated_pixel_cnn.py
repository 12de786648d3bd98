"""Gated PixelCNN: two stacks of gated convolutions that together see every earlier pixel; labels may bias the gates."""

from typing import Annotated

from hizumi.arguments import NonNegativeInt, PositiveFloat, PositiveInt, Searched
from hizumi.models.abilities import CanSampleClasses
from hizumi.models.autoregressive import Autoregressive, Levels
from hizumi.networks import GatedNetwork
from hizumi.training import Budget, Card, Preset, TrainingOptions


class GatedPixelCNN(Autoregressive, CanSampleClasses):
    """Gated and conditional PixelCNN.

    Differences from the paper: the layers have no skip connections to the output, and conditions are classes alone.

    Args:
        levels: Of each value, 2 to 256; brightness is rounded to them.
        width: Feature maps of either stack.
        layers: Gated layers after the first, which has a kernel of 7 where these have 3.
        classes: Number of classes to be conditional on, None for none; with it, `fit` takes (images, labels).
        learning_rate: Of Adam, falling to 0 along half a cosine.
    """

    card = Card(
        family="explicit, tractable",
        idea="two stacks of gated convolutions see every earlier pixel; labels may bias the gates",
        paper="van den Oord et al., Conditional image generation with PixelCNN decoders, NeurIPS 2016",
        inputs=("images",),
        localises=True,
    )
    presets = {
        "fast": Preset(
            lambda: GatedPixelCNN(levels=16, width=16, layers=4, learning_rate=4e-3),
            TrainingOptions(budget=Budget(steps=1200), batch_size=8),
        ),
        "small": Preset(lambda: GatedPixelCNN(levels=8, width=8, layers=1)),
    }

    def __init__(
        self,
        levels: Levels = 256,
        width: Annotated[PositiveInt, Searched(16, 96, log=True)] = 32,
        layers: NonNegativeInt = 6,
        classes: PositiveInt | None = None,
        learning_rate: Annotated[PositiveFloat, Searched(3e-4, 1e-2, log=True)] = 2e-3,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.width = width
        self.layers = layers
        self.classes = classes
        self.learning_rate = learning_rate

    def network(self, shape: tuple[int, ...]) -> GatedNetwork:
        return GatedNetwork(shape, self.levels, self.width, self.layers, self.classes)
