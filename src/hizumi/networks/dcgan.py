"""DCGAN's convolutional networks (Radford et al. 2016) for images of any size and channel count.

At 32 and 64 pixels they are the published networks: 4x4 kernels, stride 2, up from a 4x4 map or down to one. Other
sizes are halved until the smaller side has 4 to 7 pixels; sides that do not divide evenly are padded at the input and
cropped at the output. Windows of series, one row high, have the same networks with 1x4 kernels, halved along time.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from hizumi.errors import DataError
from hizumi.networks.axes import Axes, bound

LEAST_SIDE = 4  # pixels or steps


class Pyramid(NamedTuple):
    """How often an image is halved, along which sides, and the size of the base map that is left."""

    stages: int
    base_height: int
    base_width: int
    axes: Axes = Axes()

    @classmethod
    def of(cls, height: int, width: int, stages: int | None = None) -> "Pyramid":
        """The pyramid of an image size, with `stages` halvings, or as many as leave 4 to 7 pixels."""
        axes = Axes(rows=height > 1)
        smaller = min(height, width) if axes.rows else width
        if smaller < LEAST_SIDE:
            raise DataError(_too_small(height, width))
        if stages is None:
            stages = max(1, (smaller // LEAST_SIDE).bit_length() - 1)
        rows, columns = axes.size(2**stages)
        return cls(stages, -(-height // rows), -(-width // columns), axes)

    def pad(self, images: Tensor) -> Tensor:
        """Repeat the last row and column until the halvings divide evenly."""
        rows, columns = self.axes.size(2**self.stages)
        extra_rows = self.base_height * rows - images.shape[2]
        extra_columns = self.base_width * columns - images.shape[3]
        return (
            pad(images, (0, extra_columns, 0, extra_rows), mode="replicate") if extra_rows or extra_columns else images
        )


def _too_small(height: int, width: int) -> str:
    if height == 1:
        return f"windows of {width} steps are too short: convolutional networks need {LEAST_SIDE} or more"
    return (
        f"images of {width}x{height} pixels are too small: convolutional networks need {LEAST_SIDE}x{LEAST_SIDE} or "
        "more; give a larger --image-size (image_size)"
    )


def widths(first: int, stages: int) -> list[int]:
    """Channels of each stage: they double, up to eight times the first."""
    return [first * min(2**stage, 8) for stage in range(stages)]


def initialise(network: nn.Module) -> None:
    """Weights N(0, 0.02²), batch-norm scales N(1, 0.02²), shifts and biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def down(pyramid: Pyramid, channels: int, width: int, batch_norm: bool = True) -> nn.Sequential:
    """Strided convolutions from the image to the base map; the first has no batch norm, as published."""
    layers: list[nn.Module] = []
    for stage, outputs in enumerate(widths(width, pyramid.stages)):
        normalised = batch_norm and stage > 0
        layers.append(nn.Conv2d(channels, outputs, *pyramid.axes.convolution(4, 2, 1), bias=not normalised))
        layers += [nn.BatchNorm2d(outputs)] if normalised else []
        layers.append(nn.LeakyReLU(0.2))
        channels = outputs
    return nn.Sequential(*layers)


def up(pyramid: Pyramid, channels: int, width: int, batch_norm: bool = True) -> nn.Sequential:
    """Transposed convolutions from the base map to the image, without an output activation."""
    layers: list[nn.Module] = []
    inputs, *outputs = reversed(widths(width, pyramid.stages))
    doubling = pyramid.axes.convolution(4, 2, 1)
    for output in outputs:
        layers.append(nn.ConvTranspose2d(inputs, output, *doubling, bias=not batch_norm))
        layers += [nn.BatchNorm2d(output)] if batch_norm else []
        layers.append(nn.ReLU())
        inputs = output
    return nn.Sequential(*layers, nn.ConvTranspose2d(inputs, channels, *doubling, bias=not batch_norm))


class Encoder(nn.Module):
    """Image (n, c, h, w) to code (n, outputs)."""

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int = 64, batch_norm: bool = True) -> None:
        super().__init__()
        self.pyramid = Pyramid.of(*shape[1:])
        self.body = down(self.pyramid, shape[0], width, batch_norm)
        base = self.pyramid.base_height, self.pyramid.base_width
        self.head = nn.Conv2d(widths(width, self.pyramid.stages)[-1], outputs, base, bias=not batch_norm)
        initialise(self)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.head(self.body(self.pyramid.pad(images))).flatten(1)


class Generator(nn.Module):
    """Code (n, latent) to image (n, c, h, w) in [-1, 1], or to numbers without bounds where `bounded` is off."""

    def __init__(
        self, shape: tuple[int, ...], latent: int, width: int = 64, batch_norm: bool = True, bounded: bool = True
    ) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        pyramid = Pyramid.of(self.height, self.width)
        first = widths(width, pyramid.stages)[-1]
        base = pyramid.base_height, pyramid.base_width
        self.foot = nn.Sequential(
            nn.ConvTranspose2d(latent, first, base, bias=not batch_norm),
            nn.BatchNorm2d(first) if batch_norm else nn.Identity(),
            nn.ReLU(),
        )
        self.body = up(pyramid, channels, width, batch_norm)
        self.last = bound(shape) if bounded else nn.Identity()
        initialise(self)

    def forward(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        images = self.body(self.foot(codes[:, :, None, None]))
        return self.last(images[:, :, : self.height, : self.width])


class Hourglass(nn.Module):
    """Image (n, c, h, w) to image of the same shape in [-1, 1]: an encoder and a decoder without a code between."""

    def __init__(self, shape: tuple[int, ...], width: int = 64) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        self.pyramid = Pyramid.of(self.height, self.width)
        self.body = nn.Sequential(down(self.pyramid, channels, width), up(self.pyramid, channels, width))
        self.last = bound(shape)
        initialise(self)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return self.last(self.body(self.pyramid.pad(images))[:, :, : self.height, : self.width])


class Critic(nn.Module):
    """Image (n, c, h, w) to logit (n,), positive for real; `features` is the base map for feature matching."""

    def __init__(self, shape: tuple[int, ...], width: int = 64, batch_norm: bool = True) -> None:
        super().__init__()
        self.pyramid = Pyramid.of(*shape[1:])
        self.body = down(self.pyramid, shape[0], width, batch_norm)
        base = self.pyramid.base_height, self.pyramid.base_width
        self.head = nn.Conv2d(widths(width, self.pyramid.stages)[-1], 1, base, bias=False)
        initialise(self)

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k p q"]:
        return self.body(self.pyramid.pad(images))

    def judge(self, features: Float[Tensor, "n k p q"]) -> Float[Tensor, " n"]:
        return self.head(features).flatten()

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        return self.judge(self.features(images))


class CodeCritic(nn.Module):
    """Image (n, c, h, w) to logit (n,), positive for real: a linear function of its `features`, a code (n, d)."""

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int = 64) -> None:
        super().__init__()
        self.encoder = Encoder(shape, outputs, width)
        self.head = nn.Linear(outputs, 1, bias=False)
        initialise(self.head)

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.encoder(images)

    def judge(self, features: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return self.head(features).flatten()

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        return self.judge(self.features(images))
