"""Maps of several sizes to one small embedding, and back: what reverse distillation trains (Deng & Li 2022)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class FusedEmbedding(nn.Module):
    """Maps (n, channels, side, side), finest first, to (n, outputs, q, q), q half of the coarsest map's side.

    Each map is halved until it is as coarse as the last one; together they go through a residual block that halves
    once more.

    Args:
        channels: Of the maps.
        halvings: Of an image's sides in each map, ascending.
        outputs: Channels of the embedding.
    """

    def __init__(self, channels: Sequence[int], halvings: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.aligned = nn.ModuleList()
        for inputs, halved in zip(channels, halvings, strict=True):
            layers: list[nn.Module] = []
            here = inputs
            for _ in range(halvings[-1] - halved):
                layers += _halving(here, channels[-1])
                here = channels[-1]
            self.aligned.append(nn.Sequential(*layers, nn.Conv2d(here, channels[-1], 1)))
        fused = len(channels) * channels[-1]
        self.body = nn.Sequential(*_halving(fused, outputs), BasicBlock(outputs))

    def forward(self, maps: Sequence[Float[Tensor, "n _c _h _w"]]) -> Float[Tensor, "n k q p"]:
        aligned = [align(one) for align, one in zip(self.aligned, maps, strict=True)]
        return self.body(torch.cat(aligned, 1))


class ReverseDecoder(nn.Module):
    """An embedding (n, inputs, q, p) to maps of the sizes and channels that it was made of, finest first.

    Args:
        inputs: Channels of the embedding.
        channels: Of the maps, finest first.
        halvings: Of an image's sides in each map, ascending; the embedding is halved once more than the last.
        widening: The blocks have so many times the channels of their map.
    """

    def __init__(self, inputs: int, channels: Sequence[int], halvings: Sequence[int], widening: int) -> None:
        super().__init__()
        self.blocks, self.heads = nn.ModuleList(), nn.ModuleList()
        halved = halvings[-1] + 1
        for outputs, wanted in zip(reversed(channels), reversed(halvings), strict=True):
            width = widening * outputs
            layers: list[nn.Module] = []
            for _ in range(halved - wanted):
                layers += _doubling(inputs, width)
                inputs = width
            if not layers:
                layers = [nn.Conv2d(inputs, width, 1)]
            self.blocks.append(nn.Sequential(*layers, BasicBlock(width)))
            # Without activation at the end, as the network's levels.
            self.heads.append(nn.Conv2d(width, outputs, 1))
            inputs, halved = width, wanted

    def forward(self, embedding: Float[Tensor, "n k q p"]) -> list[Float[Tensor, "n _c _h _w"]]:
        maps: list[Tensor] = []
        rising = embedding
        for block, head in zip(self.blocks, self.heads, strict=True):
            rising = block(rising)
            maps.insert(0, head(rising))
        return maps


class BasicBlock(nn.Module):
    """relu(x + f(x)), f two 3x3 convolutions with batch norm (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return (maps + self.change(maps)).relu()


def _halving(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def _doubling(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
