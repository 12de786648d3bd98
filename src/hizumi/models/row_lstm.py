"""RowLSTM: pixels predicted from those above by a recurrent network that goes down the picture row by row."""

from hizumi.arguments import PositiveFloat, PositiveInt
from hizumi.models.autoregressive import Autoregressive, Levels
from hizumi.networks import RecurrentNetwork, RowLSTMLayer
from hizumi.training import Card, Preset


class RowLSTM(Autoregressive):
    """PixelRNN with Row LSTM layers: whole rows at once, each pixel seeing a triangle above it.

    Differences from the paper: Adam, where it takes RMSProp with a rate tuned by hand.

    Args:
        levels: Of each value, 2 to 256; brightness is rounded to them.
        hidden: Maps of each layer's state; between the layers there are twice as many.
        layers: Recurrent layers, each with a residual.
        learning_rate: Of Adam, falling to 0 along half a cosine.
    """

    card = Card(
        family="explicit, tractable",
        idea="each pixel is predicted from the earlier ones, remembered by an LSTM that goes down row by row",
        paper="van den Oord, Kalchbrenner & Kavukcuoglu, Pixel recurrent neural networks, ICML 2016",
        inputs=("images",),
        localises=True,
        no_series="its memory goes from row to row, of which a window has one; take DiagonalBiLSTM",
    )
    presets = {"small": Preset(lambda: RowLSTM(levels=8, hidden=6, layers=1))}

    def __init__(
        self,
        levels: Levels = 256,
        hidden: PositiveInt = 24,
        layers: PositiveInt = 3,
        learning_rate: PositiveFloat = 2e-3,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.hidden = hidden
        self.layers = layers
        self.learning_rate = learning_rate

    def network(self, shape: tuple[int, ...]) -> RecurrentNetwork:
        return RecurrentNetwork(shape, self.levels, self.hidden, self.layers, RowLSTMLayer)
