"""PixelCNN: masked convolutions predict each pixel from those above it and to its left."""

from typing import Annotated

from hizumi.arguments import NonNegativeInt, PositiveFloat, PositiveInt, Searched
from hizumi.models.autoregressive import Autoregressive, Levels
from hizumi.networks import MaskedNetwork
from hizumi.training import Budget, Card, Preset, TrainingOptions


class PixelCNN(Autoregressive):
    """Pixel convolutional neural network.

    Its convolutions never see some pixels above and to the right: the blind spot that `GatedPixelCNN` does not have.

    Differences from the paper: Adam, where it takes RMSProp with a rate tuned by hand; 64 feature maps, in 8 blocks and
    before the logits, where it has 256, 15 and 1,024 for CIFAR-10.

    Args:
        levels: Of each value, 2 to 256; brightness is rounded to them.
        width: Feature maps; inside the residual blocks it is half.
        blocks: Residual blocks after the first convolution.
        learning_rate: Of Adam, falling to 0 along half a cosine.
    """

    card = Card(
        family="explicit, tractable",
        idea="masked convolutions predict every pixel from the earlier ones, all at once while training",
        paper="van den Oord, Kalchbrenner & Kavukcuoglu, Pixel recurrent neural networks, ICML 2016",
        inputs=("images",),
        localises=True,
    )
    presets = {
        "fast": Preset(
            lambda: PixelCNN(levels=8, width=32, blocks=5, learning_rate=4e-3),
            TrainingOptions(budget=Budget(steps=800), batch_size=8),
        ),
        "small": Preset(lambda: PixelCNN(levels=8, width=8, blocks=1)),
    }

    def __init__(
        self,
        levels: Levels = 256,
        width: Annotated[PositiveInt, Searched(16, 96, log=True)] = 64,
        blocks: Annotated[NonNegativeInt, Searched(2, 12)] = 8,
        learning_rate: Annotated[PositiveFloat, Searched(3e-4, 1e-2, log=True)] = 2e-3,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.width = width
        self.blocks = blocks
        self.learning_rate = learning_rate

    def network(self, shape: tuple[int, ...]) -> MaskedNetwork:
        return MaskedNetwork(shape, self.levels, self.width, self.blocks)
