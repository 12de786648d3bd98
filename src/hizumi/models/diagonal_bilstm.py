"""DiagonalBiLSTM: pixels predicted from all earlier ones by recurrent networks that sweep along both diagonals."""

from typing import ClassVar

from hizumi.models.autoregressive import Autoregressive
from hizumi.networks import DiagonalBiLSTMLayer, RecurrentNetwork
from hizumi.training import Card


class DiagonalBiLSTM(Autoregressive):
    """PixelRNN with Diagonal BiLSTM layers: two sweeps along diagonals, each pixel seeing all before it.

    Only the last pixel of the row above stays unseen, where the first convolution does not reach it.

    Args:
        levels: Of each value, 2 to 256; brightness is rounded to them.
        hidden: Maps of the state of each direction; between the layers there are twice as many.
        layers: Recurrent layers, each with a residual.
        learning_rate: Of Adam, falling to 0 along half a cosine.
    """

    card: ClassVar[Card] = Card(
        family="explicit, tractable",
        idea="each pixel is predicted from the earlier ones, remembered by LSTMs that sweep along both diagonals",
        paper="van den Oord, Kalchbrenner & Kavukcuoglu, Pixel recurrent neural networks, ICML 2016",
        inputs=("images",),
        localises=True,
    )

    def __init__(self, levels: int = 256, hidden: int = 24, layers: int = 2, learning_rate: float = 2e-3) -> None:
        super().__init__()
        self.levels, self.hidden, self.layers, self.learning_rate = levels, hidden, layers, learning_rate

    def network(self, shape: tuple[int, ...]) -> RecurrentNetwork:
        """A 7x7 convolution, Diagonal BiLSTM layers, and logits."""
        return RecurrentNetwork(shape, self.levels, self.hidden, self.layers, DiagonalBiLSTMLayer)
