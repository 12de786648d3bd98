"""Networks without biases, batch norm included: they cannot collapse by mapping every item to a constant.

LeNet-like convolutions (Ruff et al. 2018): 5x5 kernels, batch norm without scale or shift, LeakyReLU,
max-pooling. With widths (32, 64, 128) and 128 outputs the encoder is the published one for 32 pixels, with widths
(8, 4) and 32 outputs the one for 28; other sizes are halved until the smaller side has 4 to 7 pixels. Windows of
series have 1x5 kernels, and are halved along time alone.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.axes import Axes
from hizumi.networks.dcgan import Pyramid
from hizumi.shapes import is_bounded

SLOPE = 0.01


class BiasFreeEncoder(nn.Module):
    """Image (n, c, h, w) to code (n, outputs)."""

    def __init__(self, shape: tuple[int, ...], outputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.pyramid = Pyramid.of(*shape[1:])
        stages = [shape[0], *_stages(widths, self.pyramid.stages)]
        axes = self.pyramid.axes
        halving = nn.MaxPool2d(axes.size(2))
        self.body = nn.Sequential(*(layer for pair in pairwise(stages) for layer in _stage(*pair, axes, halving)))
        base = stages[-1] * self.pyramid.base_height * self.pyramid.base_width
        self.head = nn.Linear(base, outputs, bias=False)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.head(self.body(self.pyramid.pad(images)).flatten(1))


class BiasFreeDecoder(nn.Module):
    """Code (n, latent) to image (n, c, h, w) in [0, 1], or to a window without bounds: the encoder's mirror image."""

    def __init__(self, shape: tuple[int, ...], latent: int, widths: Sequence[int]) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        pyramid = Pyramid.of(self.height, self.width)
        stages = _stages(widths, pyramid.stages)[::-1]
        base = stages[0], pyramid.base_height, pyramid.base_width
        self.foot = nn.Sequential(
            nn.Linear(latent, base[0] * base[1] * base[2], bias=False), nn.Unflatten(1, base), nn.LeakyReLU(SLOPE)
        )
        pairs = pairwise([stages[0], *stages])
        axes = pyramid.axes
        doubling = nn.Upsample(scale_factor=axes.size(2))
        self.body = nn.Sequential(*(layer for pair in pairs for layer in _stage(*pair, axes, doubling)))
        self.last = nn.Conv2d(stages[-1], channels, *axes.convolution(5, 1, 2), bias=False)
        self.bound = nn.Sigmoid() if is_bounded(shape) else nn.Identity()

    def forward(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        return self.bound(self.last(self.body(self.foot(codes)))[:, :, : self.height, : self.width])


def bias_free_mlp(inputs: int, outputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """Linear layers with LeakyReLU between them, for vectors."""
    layers: list[nn.Module] = []
    for inner, outer in pairwise([inputs, *hidden]):
        layers += [nn.Linear(inner, outer, bias=False), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Linear([inputs, *hidden][-1], outputs, bias=False))


def _stage(inputs: int, outputs: int, axes: Axes, resizing: nn.Module) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, *axes.convolution(5, 1, 2), bias=False),
        nn.BatchNorm2d(outputs, eps=1e-4, affine=False),
        nn.LeakyReLU(SLOPE),
        resizing,
    )


def _stages(widths: Sequence[int], stages: int) -> list[int]:
    """Channels of each stage; the last width repeats where there are more stages."""
    return [widths[min(stage, len(widths) - 1)] for stage in range(stages)]
