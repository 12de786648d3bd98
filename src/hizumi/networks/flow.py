"""Invertible networks whose volume change is known: actnorm, invertible 1x1 convolutions, affine couplings.

After Dinh et al., Density estimation using Real NVP, 2017, and Kingma & Dhariwal, Glow, 2018. A map (n, c, h, w) keeps
its number of values throughout; rows are maps of one place, and windows of series are maps one place high.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_shuffle, pixel_unshuffle

from hizumi.networks.axes import Axes
from hizumi.networks.precision import at_least_single

LARGEST_LOG_SCALE = 2.0  # of one coupling: beyond it a step could make values overflow
LEAST_DEVIATION = 1e-3  # of a channel, that actnorm begins with: what never varies is not blown up without end
CODE_CHANNELS = 32  # of a positional code
LONGEST_WAVE = 2.0  # of a positional code, in sides of the map


class Bijection(nn.Module, ABC):
    """An invertible function of maps (n, c, h, w), and the logarithm of how much it enlarges volumes."""

    @abstractmethod
    def forward(self, maps: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "#n 1 #h #w"]]:
        """The maps, and each place's share of log |det J|."""

    @abstractmethod
    def inverse(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The maps that `forward` would turn into these."""


class ActNorm(Bijection):
    """A scale and a shift for each channel, which begin by standardising the first items that are seen."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))

    @torch.no_grad()
    def begin(self, maps: Float[Tensor, "n c h w"]) -> None:
        """Bring each channel of these maps to mean 0 and variance 1."""
        deviation, mean = torch.std_mean(maps, (0, 2, 3), correction=0, keepdim=True)
        self.shift.copy_(-mean)
        self.log_scale.copy_(-deviation.clamp(min=LEAST_DEVIATION).log())

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        return (maps + self.shift) * self.log_scale.exp(), self.log_scale.sum(1, keepdim=True)

    def inverse(self, maps: Tensor) -> Tensor:
        return maps * (-self.log_scale).exp() - self.shift


class Mixing(Bijection):
    """An invertible 1x1 convolution W = P L (U + diag s), which begins as a rotation (Glow's permutation)."""

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        permutation, lower, upper = torch.linalg.lu(rotation)
        scale = upper.diagonal()
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", scale.sign())
        self.lower = nn.Parameter(lower)  # below the diagonal
        self.upper = nn.Parameter(upper)  # above it
        self.log_scale = nn.Parameter(scale.abs().log())

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        # An inverse of what was rounded to 8 bits would be another function.
        with torch.autocast(maps.device.type, enabled=False):
            lower, upper = self._triangles()
            mixed = conv2d(maps, (self.permutation @ lower @ upper)[:, :, None, None])
        return mixed, self.log_scale.sum().reshape(1, 1, 1, 1)

    def inverse(self, maps: Tensor) -> Tensor:
        lower, upper = self._triangles()
        once = torch.linalg.solve_triangular(lower, self.permutation.T, upper=False, unitriangular=True)
        return conv2d(maps, torch.linalg.solve_triangular(upper, once, upper=True)[:, :, None, None])

    def _triangles(self) -> tuple[Tensor, Tensor]:
        identity = torch.eye(len(self.sign), dtype=self.sign.dtype, device=self.sign.device)
        return self.lower.tril(-1) + identity, self.upper.triu(1) + identity * (self.sign * self.log_scale.exp())


class ChannelCoupling(Bijection):
    """The later half of the channels is scaled and shifted by what the first half, and the place, say.

    Args:
        channels: Of the maps.
        width: Of the hidden layers.
        kernel: Pixels across that the first half is seen at; 1 for each place by itself.
        code: A positional code (1, k, h, w), seen along with the first half; k may be 0.
        axes: Of the items.
    """

    code: Tensor

    def __init__(self, channels: int, width: int, kernel: int, code: Float[Tensor, "1 k h w"], axes: Axes) -> None:
        super().__init__()
        self.kept = channels // 2
        self.register_buffer("code", code, persistent=False)
        self.body = _conditioner(self.kept + code.shape[1], 2 * (channels - self.kept), width, kernel, axes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = maps.tensor_split([self.kept], 1)
        log_scale, shift = self._said_by(kept)
        return torch.cat([kept, changed * log_scale.exp() + shift], 1), log_scale.sum(1, keepdim=True)

    def inverse(self, maps: Tensor) -> Tensor:
        kept, changed = maps.tensor_split([self.kept], 1)
        log_scale, shift = self._said_by(kept)
        return torch.cat([kept, (changed - shift) * (-log_scale).exp()], 1)

    def _said_by(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        code = self.code.expand(kept.shape[0], -1, *kept.shape[2:])
        return _scale_and_shift(self.body(torch.cat([kept, code], 1)))


class CheckerboardCoupling(Bijection):
    """The black squares are scaled and shifted by what the white ones around them say, or the reverse."""

    white: Tensor

    def __init__(self, shape: tuple[int, int, int], width: int, parity: int, axes: Axes) -> None:
        super().__init__()
        channels, height, columns = shape
        white = (torch.arange(height)[:, None] + torch.arange(columns) + parity) % 2
        self.register_buffer("white", white.float()[None, None], persistent=False)
        self.body = _conditioner(channels + 1, 2 * channels, width, 3, axes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._said_by(maps)
        return maps * log_scale.exp() + shift, log_scale.sum(1, keepdim=True)

    def inverse(self, maps: Tensor) -> Tensor:
        log_scale, shift = self._said_by(maps)
        return (maps - shift) * (-log_scale).exp()

    def _said_by(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        white = self.white.expand(maps.shape[0], -1, -1, -1)
        log_scale, shift = _scale_and_shift(self.body(torch.cat([maps * self.white, white], 1)))
        return log_scale * (1 - self.white), shift * (1 - self.white)


class FlowNetwork(nn.Module):
    """Items (c, h, w) to latents, level by level: each halves the sides, takes its steps, and sets half aside.

    Of a window one row high, time alone is halved. A level whose sides are odd cannot be halved; where that is the
    first, all steps are checkerboard couplings.

    Args:
        shape: Of the items.
        levels: At most so many; 0: no sides are halved, and every place is treated by itself, told by where it lies.
        steps: Of each level: actnorm, an invertible 1x1 convolution, a coupling.
        width: Of the hidden layers of a coupling.
    """

    def __init__(self, shape: tuple[int, int, int], levels: int, steps: int, width: int) -> None:
        super().__init__()
        channels, *sides = shape
        self.axes = axes = Axes.of(shape)
        self.halvings = min([levels, *(_twos_in(side) for side in (sides if axes.rows else sides[1:]))])
        self.levels = nn.ModuleList()
        self.latent_shapes: list[tuple[int, int, int]] = []
        for level in range(max(1, self.halvings)):
            if self.halvings:
                factors = axes.size(2)
                channels *= math.prod(factors)
                sides = [side // factor for side, factor in zip(sides, factors, strict=True)]
            here = (channels, sides[0], sides[1])
            self.levels.append(
                nn.ModuleList(_steps(here, steps, width, axes, by_place=levels == 0, halved=level < self.halvings))
            )
            if level < self.halvings - 1:
                channels //= 2
            self.latent_shapes.append((channels, sides[0], sides[1]))

    def forward(self, items: Float[Tensor, "n c h w"]) -> tuple[list[Tensor], list[Tensor]]:
        """Latents of each level, and each place's share of log |det J| there."""
        latents: list[Tensor] = []
        volumes: list[Tensor] = []
        maps = items
        for level in self.levels:
            maps = self._squeezed(maps) if self.halvings else maps
            volume = maps.new_zeros(1, 1, 1, 1)
            for step in _bijections(level):
                maps, change = step(maps)
                volume = volume + change
            volumes.append(volume.expand(maps.shape[0], 1, *maps.shape[2:]))
            if len(volumes) < len(self.levels):
                maps, aside = maps.chunk(2, 1)
                latents.append(aside)
        return [*latents, maps], volumes

    def inverse(self, latents: Sequence[Float[Tensor, "n _c _h _w"]]) -> Float[Tensor, "n c h w"]:
        """Items of these latents."""
        *aside, maps = latents
        for number, level in reversed(list(enumerate(self.levels))):
            if number < len(aside):
                maps = torch.cat([maps, aside[number]], 1)
            for step in reversed(_bijections(level)):
                maps = step.inverse(maps)
            maps = self._enlarged(maps) if self.halvings else maps
        return maps

    @torch.no_grad()
    def begin(self, items: Float[Tensor, "n c h w"]) -> None:
        """Let every actnorm standardise what it sees of these items."""
        handles = [
            part.register_forward_pre_hook(lambda norm, given: norm.begin(*given))
            for part in self.modules()
            if isinstance(part, ActNorm)
        ]
        self(items)
        for handle in handles:
            handle.remove()

    def _squeezed(self, maps: Tensor) -> Tensor:
        """Halved sides: neighbours along them become channels."""
        if self.axes.rows:
            return pixel_unshuffle(maps, 2)
        return torch.stack([maps[..., 0::2], maps[..., 1::2]], 2).flatten(1, 2)

    def _enlarged(self, maps: Tensor) -> Tensor:
        """What `_squeezed` would turn into these maps."""
        if self.axes.rows:
            return pixel_shuffle(maps, 2)
        return torch.stack([maps[:, 0::2], maps[:, 1::2]], 4).flatten(3)


def positional_code(height: int, width: int, channels: int = CODE_CHANNELS) -> Float[Tensor, "1 k h w"]:
    """Sines and cosines of rows and columns, of wavelengths that halve, so that each place has a code of its own."""
    waves = torch.arange(channels // 4)
    codes = []
    for side, dimension in ((height, 2), (width, 3)):
        turns = (torch.arange(side) + 0.5) / (side * LONGEST_WAVE)
        angles = 2 * math.pi * turns * 2.0 ** waves[:, None]
        code = torch.cat([angles.sin(), angles.cos()])[None]
        codes.append(code.unsqueeze(5 - dimension).expand(1, -1, height, width))
    return torch.cat(codes, 1)


def _steps(
    shape: tuple[int, int, int], count: int, width: int, axes: Axes, *, by_place: bool, halved: bool
) -> list[Bijection]:
    channels, height, columns = shape
    several = height * columns > 1
    code = positional_code(height, columns) if by_place and several else torch.zeros(1, 0, 1, 1)
    steps: list[Bijection] = []
    for number in range(count):
        steps.append(ActNorm(channels))
        if channels > 1:
            steps.append(Mixing(channels))
        if several and not by_place and not halved:
            steps.append(CheckerboardCoupling(shape, width, number % 2, axes))
        elif channels > 1 or code.shape[1]:
            steps.append(ChannelCoupling(channels, width, 1 if by_place or not several else 3, code, axes))
    return steps


def _bijections(level: nn.Module) -> list[Bijection]:
    return [step for step in level.children() if isinstance(step, Bijection)]


def _conditioner(inputs: int, outputs: int, width: int, kernel: int, axes: Axes) -> nn.Sequential:
    sizes, kernels = (inputs, width, width, outputs), (kernel, 1, kernel)
    layers: list[nn.Module] = []
    for (above, below), side in zip(pairwise(sizes), kernels, strict=True):
        layers += [nn.Conv2d(above, below, *axes.convolution(side, 1, side // 2)), nn.ReLU()]
    last = layers[-2]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.zeros_(last.weight)  # so that a coupling begins as the identity
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers[:-1])


def _scale_and_shift(said: Tensor) -> tuple[Tensor, Tensor]:
    log_scale, shift = at_least_single(said).chunk(2, 1)
    return LARGEST_LOG_SCALE * (log_scale / LARGEST_LOG_SCALE).tanh(), shift


def _twos_in(side: int) -> int:
    """How often a side can be halved."""
    return (side & -side).bit_length() - 1
