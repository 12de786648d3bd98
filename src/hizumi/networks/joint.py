"""Critics of pairs: an item and its code (Donahue et al. 2017, Dumoulin et al. 2017), or two items."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.axes import Axes
from hizumi.networks.dcgan import Encoder
from hizumi.networks.mlp import HIDDEN, VectorCritic, hidden_layers


class JointCritic(nn.Module):
    """Item (n, *shape) and code (n, latent) to logit (n,), positive for pairs of the kind labelled real.

    Images pass through convolutions and codes through a linear layer, to `met` features each (8 * width if 0), which
    are joined in `depth` layers of 2 * met. Vectors and codes are joined in layers of the `hidden` sizes, directly or,
    where `apart` is above 0, each after a layer of `apart` features. Dropout follows every layer but the convolutions.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int,
        width: int = 64,
        hidden: Sequence[int] = HIDDEN,
        batch_norm: bool = True,
        apart: int = 0,
        dropout: float = 0.0,
        met: int = 0,
        depth: int = 1,
    ) -> None:
        super().__init__()
        self.of_items: nn.Module = nn.Identity()
        self.of_codes: nn.Module = nn.Identity()
        if len(shape) == 3:
            met = met or 8 * width
            drop = [nn.Dropout(dropout)] if dropout else []
            self.of_items = nn.Sequential(Encoder(shape, met, width, batch_norm), nn.LeakyReLU(0.2), *drop)
            self.of_codes = nn.Sequential(*hidden_layers(latent, (met,), dropout=dropout))
            self.together = VectorCritic(2 * met, (2 * met,) * depth, dropout=dropout)
        elif apart:
            self.of_items = nn.Sequential(*hidden_layers(shape[0], (apart,), dropout=dropout))
            self.of_codes = nn.Sequential(*hidden_layers(latent, (apart,), dropout=dropout))
            self.together = VectorCritic(2 * apart, hidden, dropout=dropout)
        else:
            self.together = VectorCritic(shape[0] + latent, hidden, dropout=dropout)

    def features(self, items: Float[Tensor, "n ..."], codes: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The last hidden layer, which feature matching compares."""
        return self.together.features(torch.cat([self.of_items(items), self.of_codes(codes)], dim=1))

    def judge(self, features: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        return self.together.judge(features)

    def forward(self, items: Float[Tensor, "n ..."], codes: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return self.judge(self.features(items, codes))


class PairCritic(nn.Module):
    """Two items of the same shape, (n, *shape) each, to logit (n,), positive for pairs of the kind labelled real.

    Images are stacked as channels and pass through two 5x5 convolutions of stride 2, to `width` and 2 * width maps
    (1x5, along time, for windows of series); vectors are concatenated and pass through layers of the `hidden` sizes, of
    which there may be none.
    Dropout follows every layer.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int = 64, hidden: Sequence[int] = HIDDEN, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if len(shape) == 1:
            layers = hidden_layers(2 * shape[0], hidden, dropout=dropout)
            features = [2 * shape[0], *hidden][-1]
        else:
            channels, *sides = shape
            axes = Axes.of(shape)
            layers, maps = [], 2 * channels
            for outputs in (width, 2 * width):
                layers += [nn.Conv2d(maps, outputs, *axes.convolution(5, 2, 2)), nn.LeakyReLU(0.2), nn.Dropout(dropout)]
                maps = outputs
            features = maps * math.prod(-(-side // 4) for side in sides)
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(features, 1, bias=False)

    def features(self, first: Float[Tensor, "n ..."], second: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        """The last hidden layer, which feature matching compares."""
        return self.body(torch.cat([first, second], dim=1))

    def judge(self, features: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        return self.head(features).flatten()

    def forward(self, first: Float[Tensor, "n ..."], second: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return self.judge(self.features(first, second))
