"""Networks whose code is a small map, each of whose pixels encodes a patch of the image."""

from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.axes import bound
from hizumi.networks.dcgan import Pyramid, down, up, widths

STAGES = 3  # one code pixel for 8x8 image pixels


class SpatialEncoder(nn.Module):
    """Image (n, c, h, w) to code (n, outputs, ceil(h/8), ceil(w/8)); one row stays one."""

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int = 32) -> None:
        super().__init__()
        self.pyramid = Pyramid.of(shape[1], shape[2], STAGES)
        self.body = down(self.pyramid, shape[0], width)
        self.head = nn.Conv2d(widths(width, STAGES)[-1], outputs, 1)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k p q"]:
        return self.head(self.body(self.pyramid.pad(images)))


class SpatialDecoder(nn.Module):
    """Code (n, latent, p, q) to image (n, c, h, w) in [-1, 1]."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int = 32) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        pyramid = Pyramid.of(self.height, self.width, STAGES)
        first = widths(width, STAGES)[-1]
        self.foot = nn.Sequential(
            nn.Conv2d(latent, first, *pyramid.axes.convolution(3, 1, 1), bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        self.body = up(pyramid, channels, width)
        self.last = bound(shape)

    def forward(self, codes: Float[Tensor, "n k p q"]) -> Float[Tensor, "n c h w"]:
        return self.last(self.body(self.foot(codes))[:, :, : self.height, : self.width])
