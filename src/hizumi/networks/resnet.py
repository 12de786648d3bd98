"""The residual generator of CycleGAN (Zhu et al. 2017; after Johnson et al. 2016) for images of any size."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.dcgan import Pyramid, initialise, widths
from hizumi.networks.normalisation import Normalisation, norm


class ResNet(nn.Module):
    """Image (n, c, h, w) to image (n, channels, h, w) in [-1, 1]: downsampled, residual blocks, upsampled.

    Args:
        shape: (c, h, w) of the inputs.
        channels: Of the outputs.
        width: Channels of the first convolution; they double with each halving.
        blocks: Residual blocks at the smallest size; None for 9 from 256 pixels, 6 from 128, 3 below.
        halvings: How often the image is halved before the blocks; at most once below 8 pixels.
        normalisation: Of all layers but the last.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: int,
        width: int = 64,
        blocks: int | None = None,
        halvings: int = 2,
        normalisation: Normalisation = "instance",
    ) -> None:
        super().__init__()
        inputs, self.height, self.width = shape
        smaller = min(self.height, self.width)
        self.pyramid = Pyramid.of(self.height, self.width, min(halvings, smaller.bit_length() - 2))
        if blocks is None:
            blocks = 9 if smaller >= 256 else 6 if smaller >= 128 else 3
        sizes = widths(width, self.pyramid.stages + 1)
        body: list[nn.Module] = [nn.ReflectionPad2d(3), *_layer(nn.Conv2d(inputs, width, 7, bias=False), normalisation)]
        for above, below in pairwise(sizes):
            body += _layer(nn.Conv2d(above, below, 3, 2, 1, bias=False), normalisation)
        body += [Residual(sizes[-1], normalisation) for _ in range(blocks)]
        for below, above in pairwise(reversed(sizes)):
            body += _layer(nn.ConvTranspose2d(below, above, 3, 2, 1, output_padding=1, bias=False), normalisation)
        self.body = nn.Sequential(*body, nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh())
        initialise(self)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        return self.body(self.pyramid.pad(images))[:, :, : self.height, : self.width]


class Residual(nn.Module):
    """x + f(x), where f is two 3x3 convolutions with reflection padding."""

    def __init__(self, channels: int, kind: Normalisation = "instance") -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_layer(nn.Conv2d(channels, channels, 3, bias=False), kind),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            norm(kind, channels),
        )

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return maps + self.change(maps)


def _layer(convolution: nn.Conv2d | nn.ConvTranspose2d, kind: Normalisation) -> list[nn.Module]:
    return [convolution, norm(kind, convolution.out_channels), nn.ReLU()]
