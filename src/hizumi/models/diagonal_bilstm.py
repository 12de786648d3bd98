"""DiagonalBiLSTM: pixels predicted from all earlier ones by recurrent networks that sweep along both diagonals."""

from hizumi.arguments import PositiveFloat, PositiveInt
from hizumi.models.autoregressive import Autoregressive, Levels
from hizumi.networks import DiagonalBiLSTMLayer, LSTMLayer, RecurrentNetwork
from hizumi.shapes import is_series
from hizumi.training import Card, Preset


class DiagonalBiLSTM(Autoregressive):
    """PixelRNN with Diagonal BiLSTM layers: two sweeps along diagonals, each pixel seeing all before it.

    Only the last pixel of the row above stays unseen, where the first convolution does not reach it. Windows of series,
    which have one row, leave of both sweeps an LSTM along time.

    Differences from the paper: Adam, where it takes RMSProp with a rate tuned by hand.

    Args:
        levels: Of each value, 2 to 256; brightness is rounded to them.
        hidden: Maps of the state of each direction; between the layers there are twice as many.
        layers: Recurrent layers, each with a residual.
        learning_rate: Of Adam, falling to 0 along half a cosine.
    """

    card = Card(
        family="explicit, tractable",
        idea="each pixel is predicted from the earlier ones, remembered by LSTMs that sweep along both diagonals",
        paper="van den Oord, Kalchbrenner & Kavukcuoglu, Pixel recurrent neural networks, ICML 2016",
        inputs=("images",),
        localises=True,
    )
    presets = {"small": Preset(lambda: DiagonalBiLSTM(levels=8, hidden=6, layers=1))}

    def __init__(
        self,
        levels: Levels = 256,
        hidden: PositiveInt = 24,
        layers: PositiveInt = 2,
        learning_rate: PositiveFloat = 2e-3,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.hidden = hidden
        self.layers = layers
        self.learning_rate = learning_rate

    def network(self, shape: tuple[int, ...]) -> RecurrentNetwork:
        layer = LSTMLayer if is_series(shape) else DiagonalBiLSTMLayer
        return RecurrentNetwork(shape, self.levels, self.hidden, self.layers, layer)
