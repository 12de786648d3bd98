"""Progressively growing networks (Karras et al. 2018): from a base map of 4 to 7 pixels, doubling level by level.

Level 0 is the base map; each level has twice the sides of the level below. All levels exist from the start; `fade`,
from 0 to 1, is the weight of the highest level in use: at 0 the networks are those of the level below.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu

from hizumi.networks.axes import Axes, Pair
from hizumi.networks.dcgan import Pyramid, widths
from hizumi.shapes import is_bounded

GROUP = 4  # items over which the minibatch deviation is taken


class EqualisedConv2d(nn.Module):
    """Convolution whose weights are stored as N(0, 1) and scaled by gain / sqrt(fan in) when used.

    Adam, which moves all weights at about the same rate, then suits layers of every size. With a kernel as large as
    its input it is a linear layer.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: Pair = (1, 1), padding: Pair = (0, 0), gain: float = math.sqrt(2)
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.padding = padding
        self.scale = gain / math.sqrt(inputs * math.prod(kernel))

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k p q"]:
        return conv2d(maps, self.weight * self.scale, self.bias, padding=self.padding)


class Activation(nn.Module):
    """LeakyReLU 0.2, followed by pixel normalisation if `normalise`."""

    def __init__(self, normalise: bool) -> None:
        super().__init__()
        self.normalise = normalise

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        maps = leaky_relu(maps, 0.2)
        return pixel_norm(maps) if self.normalise else maps


def pixel_norm(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Scale the channels of each pixel to a mean square of 1."""
    return maps * (maps.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def with_minibatch_deviation(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c+1 h w"]:
    """Append a constant map: the standard deviation over the items of a group, averaged over channels and pixels.

    Groups have four items, or are the whole batch where its size is not a multiple of four.
    """
    count, *rest = maps.shape
    group = GROUP if count % GROUP == 0 else count
    deviation = (maps.reshape(group, -1, *rest).var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([maps, deviation.repeat(group)[:, None, None, None].expand(-1, 1, *rest[1:])], dim=1)


def _three(inputs: int, outputs: int, axes: Axes) -> EqualisedConv2d:
    return EqualisedConv2d(inputs, outputs, axes.size(3), axes.padding(1))


def _pair(inputs: int, middle: int, outputs: int, axes: Axes, normalise: bool) -> nn.Sequential:
    first, second = _three(inputs, middle, axes), _three(middle, outputs, axes)
    return nn.Sequential(first, Activation(normalise), second, Activation(normalise))


class ProgressiveGenerator(nn.Module):
    """Code (n, latent) to image, with the detail of the level that the network has grown to.

    Args:
        shape: Of the full-size images.
        latent: Dimensions of the code, which is scaled to a mean square of 1.
        width: Channels at full size; they double on each level below, up to eight times.
    """

    growth: Tensor

    def __init__(self, shape: tuple[int, ...], latent: int, width: int = 16) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        self.pyramid = Pyramid.of(self.height, self.width)
        self.axes = self.pyramid.axes
        self.is_bounded = is_bounded(shape)
        base, levels = (self.pyramid.base_height, self.pyramid.base_width), self.pyramid.stages + 1
        first, *others = outputs = widths(width, levels)[::-1]
        self.foot = EqualisedConv2d(latent, first * math.prod(base), gain=math.sqrt(2) / 4)
        self.base = nn.Sequential(Activation(True), _three(first, first, self.axes), Activation(True))
        self.blocks = nn.ModuleList(_pair(i, o, o, self.axes, True) for i, o in zip(outputs, others, strict=False))
        self.to_images = nn.ModuleList(EqualisedConv2d(output, channels, gain=1.0) for output in outputs)
        self.register_buffer("growth", torch.tensor(float(self.pyramid.stages)))

    def parameters_up_to(self, level: int) -> list[nn.Parameter]:
        """The parameters that generate images of a level's size, those of the level below included."""
        parts = [self.foot, self.base, *self.blocks[:level], *self.to_images[max(level - 1, 0) : level + 1]]
        return [parameter for part in parts for parameter in part.parameters()]

    def at(self, codes: Float[Tensor, "n d"], level: int, fade: float = 1.0) -> Float[Tensor, "n c p q"]:
        """Images of a level's size, blended with those of the level below while it fades in."""
        maps = self.foot(pixel_norm(codes[:, :, None, None]))
        maps = self.base(maps.reshape(len(codes), -1, self.pyramid.base_height, self.pyramid.base_width))
        below = maps
        for block in self.blocks[:level]:
            below, maps = maps, block(self.axes.enlarged(maps))
        images = self.to_images[level](maps)
        if level == 0 or fade == 1:
            return images
        return torch.lerp(self.axes.enlarged(self.to_images[level - 1](below)), images, fade)

    def forward(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        """Full-size items, images in [-1, 1], with the detail of the current `growth`."""
        level, fade = level_and_fade(float(self.growth))
        images = self.axes.enlarged(self.at(codes, level, fade), self.pyramid.stages - level)
        images = images[:, :, : self.height, : self.width]
        return images.clamp(-1, 1) if self.is_bounded else images


class ProgressiveCritic(nn.Module):
    """Image of a level's size to a score (n,): the mirror image of the generator.

    Args:
        shape: Of the full-size images.
        width: Channels at full size; they double on each level below, up to eight times.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 16) -> None:
        super().__init__()
        self.pyramid = Pyramid.of(*shape[1:])
        self.axes = self.pyramid.axes
        base, levels = (self.pyramid.base_height, self.pyramid.base_width), self.pyramid.stages + 1
        last, *others = inputs = widths(width, levels)[::-1]
        self.from_images = nn.ModuleList(nn.Sequential(EqualisedConv2d(shape[0], i), Activation(False)) for i in inputs)
        self.blocks = nn.ModuleList(_pair(i, i, o, self.axes, False) for o, i in zip(inputs, others, strict=False))
        self.base = nn.Sequential(_three(last + 1, last, self.axes), Activation(False))
        self.head = nn.Sequential(
            EqualisedConv2d(last, last, base), Activation(False), EqualisedConv2d(last, 1, gain=1.0)
        )

    def parameters_up_to(self, level: int) -> list[nn.Parameter]:
        """The parameters that score images of a level's size, those of the level below included."""
        parts = [self.base, self.head, *self.blocks[:level], *self.from_images[max(level - 1, 0) : level + 1]]
        return [parameter for part in parts for parameter in part.parameters()]

    def at(self, images: Float[Tensor, "n c p q"], level: int, fade: float = 1.0) -> Float[Tensor, " n"]:
        """Scores of images of a level's size."""
        maps = self.from_images[level](images)
        for number in range(level, 0, -1):
            maps = self.axes.averaged(self.blocks[number - 1](maps))
            if number == level and fade < 1:
                maps = torch.lerp(self.from_images[level - 1](self.axes.averaged(images)), maps, fade)
        return self.head(self.base(with_minibatch_deviation(maps))).flatten()

    def shown(self, images: Float[Tensor, "n c h w"], level: int, fade: float = 1.0) -> Float[Tensor, "n c p q"]:
        """Full-size images reduced to a level's size, the detail that it adds faded in."""
        images = self.axes.averaged(self.pyramid.pad(images), self.pyramid.stages - level)
        if level == 0 or fade == 1:
            return images
        return torch.lerp(self.axes.enlarged(self.axes.averaged(images)), images, fade)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Scores of full-size images."""
        return self.at(self.shown(images, self.pyramid.stages), self.pyramid.stages)


def growth_at(progress: float, stages: int) -> float:
    """Growth after a share of the budget: 0 is the base map, 1.3 is level 2 with a fade of 0.3.

    Each level, the last included, is trained in full for as long as the next one takes to fade in.
    """
    doublings, share = divmod(progress * (2 * stages + 1), 2)
    return min(doublings + max(0.0, share - 1), stages)


def level_and_fade(growth: float) -> tuple[int, float]:
    """The highest level in use and its fade, from 0 to 1."""
    level = math.ceil(growth)
    return level, growth - (level - 1) if level else 1.0
