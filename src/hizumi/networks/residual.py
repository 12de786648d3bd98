"""The residual networks of WGAN-GP (Gulrajani et al. 2017) and f-AnoGAN (Schlegl et al. 2019), for any image size.

At 64 pixels they are the published ones: up from a 4x4 map or down to one, each block doubling or halving it.
"""

from collections.abc import Callable
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.axes import Axes, bound
from hizumi.networks.dcgan import Pyramid, widths

Norm = Callable[[int], nn.Module]
"""Makes a normalisation layer for a number of channels."""


def layer_norm(channels: int) -> nn.Module:
    """Layer norm over an image's whole map, with a scale and a shift for each channel."""
    return nn.GroupNorm(1, channels)


class Resampling(nn.Module):
    """Residual block that doubles or halves a map.

    The convolutional branch doubles before its first convolution, or halves after its second.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, grows: bool, axes: Axes) -> None:
        super().__init__()
        hidden = outputs if grows else inputs
        self.axes = axes
        self.grows = grows
        self.before = nn.Sequential(norm(inputs), nn.ReLU())
        self.change = nn.Sequential(
            nn.Conv2d(inputs, hidden, *axes.convolution(3, 1, 1), bias=False),
            norm(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, outputs, *axes.convolution(3, 1, 1)),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d p q"]:
        if self.grows:
            # A 1x1 convolution commutes with doubling: in this order it costs a quarter.
            return self.change(self.axes.enlarged(self.before(maps))) + self.axes.enlarged(self.shortcut(maps))
        return self.axes.averaged(self.change(self.before(maps))) + self.shortcut(self.axes.averaged(maps))


class ResidualGenerator(nn.Module):
    """Code (n, latent) to image (n, c, h, w) in [-1, 1]."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int = 64) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        pyramid = Pyramid.of(self.height, self.width)
        outputs = widths(width, pyramid.stages)[::-1]
        base = pyramid.base_height, pyramid.base_width
        self.foot = nn.ConvTranspose2d(latent, outputs[0], base)
        self.body = nn.Sequential(
            *(Resampling(i, o, nn.BatchNorm2d, True, pyramid.axes) for i, o in pairwise(outputs[:1] + outputs))
        )
        last = nn.Conv2d(width, channels, *pyramid.axes.convolution(3, 1, 1))
        self.head = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), last, bound(shape))
        _initialise(self)

    def forward(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        return self.head(self.body(self.foot(codes[:, :, None, None])))[:, :, : self.height, : self.width]


class ResidualEncoder(nn.Module):
    """Image (n, c, h, w) to code (n, outputs)."""

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        width: int = 64,
        norm: Norm = nn.BatchNorm2d,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.pyramid = Pyramid.of(*shape[1:])
        sizes = widths(width, self.pyramid.stages + 1)
        axes = self.pyramid.axes
        blocks = (Resampling(above, below, norm, False, axes) for above, below in pairwise(sizes))
        self.body = nn.Sequential(nn.Conv2d(shape[0], width, *axes.convolution(3, 1, 1)), *blocks)
        base = self.pyramid.base_height, self.pyramid.base_width
        self.head = nn.Conv2d(sizes[-1], outputs, base, bias=bias)
        _initialise(self)

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k p q"]:
        """The base map."""
        return self.body(self.pyramid.pad(images))

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.head(self.features(images)).flatten(1)


class ResidualCritic(nn.Module):
    """Image (n, c, h, w) to score (n,), higher for real; `features` gives the base map for feature matching.

    Layer norm keeps images independent, as a gradient penalty requires. The score has no bias, which would cancel in a
    difference of scores.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64) -> None:
        super().__init__()
        self.body = ResidualEncoder(shape, 1, width, layer_norm, bias=False)

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k p q"]:
        return self.body.features(images)

    def judge(self, features: Float[Tensor, "n k p q"]) -> Float[Tensor, " n"]:
        return self.body.head(features).flatten()

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        return self.judge(self.features(images))


def _initialise(network: nn.Module) -> None:
    """As released: He initialisation of 3x3 convolutions (1x3 along time), Glorot of all others, biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            if module.kernel_size[1] == 3:
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
