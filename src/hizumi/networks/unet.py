"""The U-Net of pix2pix (Isola et al. 2017; after Ronneberger et al. 2015) for images of any size and channel count."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.axes import Axes, bound
from hizumi.networks.dcgan import Pyramid, initialise, widths
from hizumi.networks.normalisation import Normalisation, norm

DROPOUT_LEVELS = 3


class UNet(nn.Module):
    """Image (n, c, h, w) to image (n, channels, h, w) in [-1, 1]: an encoder and a decoder with skip connections.

    Each decoder level also sees the encoder map of its size. Sizes that are powers of two have log2(size) levels and an
    innermost map of one pixel; other sizes are padded, which leaves 2 pixels or more.

    Args:
        shape: (c, h, w) of the inputs.
        channels: Of the outputs.
        width: Channels of the first convolution; they double with each level, up to eight times.
        normalisation: Of all levels but the outermost and the encoder's innermost.
        dropout: Probability, on the decoder's three innermost levels; the outermost has none.
        closed_skips: How many decoder levels, from the outermost, have no skip connection.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: int,
        width: int = 64,
        normalisation: Normalisation = "batch",
        dropout: float = 0.0,
        closed_skips: int = 0,
    ) -> None:
        super().__init__()
        self.closed_skips = closed_skips
        inputs, self.height, self.width = shape
        axes = Axes.of(shape)
        levels = (min(self.height, self.width) if axes.rows else self.width).bit_length() - 1
        self.pyramid = Pyramid.of(self.height, self.width, levels)
        outputs = widths(width, levels)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, (above, below) in enumerate(zip([inputs, *outputs], outputs, strict=False)):
            innermost, outermost = level == levels - 1, level == 0
            self.down.append(
                _down(above, below, axes, None if innermost or outermost else normalisation, activated=level > 0)
            )
            incoming = below if innermost or level < closed_skips else 2 * below
            if outermost:
                doubling = nn.ConvTranspose2d(incoming, channels, *axes.convolution(4, 2, 1))
                self.up.append(nn.Sequential(nn.ReLU(), doubling))
            else:
                drops = dropout if levels - 1 - level < DROPOUT_LEVELS else 0.0
                self.up.append(_up(incoming, above, axes, normalisation, drops))
        self.last = bound(shape)
        initialise(self)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        maps = [self.pyramid.pad(images)]
        for down in self.down:
            maps.append(down(maps[-1]))
        rising = self.up[-1](maps[-1])
        for level in reversed(range(len(self.up) - 1)):
            seen = rising if level < self.closed_skips else torch.cat([rising, maps[level + 1]], 1)
            rising = self.up[level](seen)
        return self.last(rising[:, :, : self.height, : self.width])


def _down(inputs: int, outputs: int, axes: Axes, kind: Normalisation | None, activated: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if activated else []
    layers.append(nn.Conv2d(inputs, outputs, *axes.convolution(4, 2, 1), bias=kind is None))
    return nn.Sequential(*layers, *([] if kind is None else [norm(kind, outputs)]))


def _up(inputs: int, outputs: int, axes: Axes, kind: Normalisation, dropout: float) -> nn.Sequential:
    doubling = nn.ConvTranspose2d(inputs, outputs, *axes.convolution(4, 2, 1), bias=False)
    layers = [nn.ReLU(), doubling, norm(kind, outputs)]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))
