"""Networks that predict each pixel from those before it in raster order (van den Oord et al. 2016, both papers).

Every feature map belongs to one channel of the image, its owner, and knows at its own pixel only what is before that
channel. What is computed for a whole image while training is computed once for each pixel while sampling: every
convolution then remembers the rows that it still needs (Ramachandran et al. 2017).
"""

import copy
from abc import ABC, abstractmethod
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, pad, relu


@runtime_checkable
class Incremental(Protocol):
    """Predictions of one pixel after the other, which remember what the earlier ones gave rise to."""

    def logits(self, row: int, column: int, values: Float[Tensor, "n c"]) -> Float[Tensor, "n k c"]:
        """Logits of a pixel; channel j depends on the first j of `values` and on the pixels set so far."""

    def set(self, row: int, column: int, values: Float[Tensor, "n c"]) -> None:
        """Fix the values of the pixel that logits were last asked for with these values, and go on to the next."""


class AutoregressiveNetwork(nn.Module, ABC):
    """Images (n, c, h, w) in [-1, 1] to logits (n, k, c, h, w) of each value, which depend on earlier values only.

    k is the number of levels, or 1 for two levels: the logit of the upper one.
    """

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n k c h w"]:
        """Logits of all values at once."""

    @abstractmethod
    def incremental(self, count: int, height: int, width: int, labels: Int[Tensor, " n"] | None = None) -> Incremental:
        """The same logits, pixel by pixel, for `count` images that are not there yet."""


class Recomputed:
    """Predictions that run the whole network for every value: slow, and right by construction."""

    def __init__(
        self, network: AutoregressiveNetwork, shape: tuple[int, int, int, int], labels: Int[Tensor, " n"] | None = None
    ) -> None:
        self.network, self.labels = network, labels
        self.images = torch.zeros(shape, device=next(network.parameters()).device)

    def logits(self, row: int, column: int, values: Float[Tensor, "n c"]) -> Float[Tensor, "n k c"]:
        """Logits of a pixel, with zeros where nothing is set yet."""
        self.images[:, :, row, column] = values
        return self.network(self.images, self.labels)[..., row, column]

    def set(self, row: int, column: int, values: Float[Tensor, "n c"]) -> None:
        """Fix the values of a pixel."""
        self.images[:, :, row, column] = values


def masked_once(network: AutoregressiveNetwork) -> AutoregressiveNetwork:
    """A copy whose weights are masked for good: for many passes, between which no weight changes."""
    network = copy.deepcopy(network)
    for part in network.modules():
        if isinstance(part, CausalConv2d):
            part.weight = nn.Parameter(part.kernel.detach(), requires_grad=False)
            part.mask = None
    return network


def owners(maps: int, channels: int) -> Int[Tensor, " maps"]:
    """The channel that each of some maps belongs to: `channels` runs of nearly equal length."""
    return torch.arange(maps) * channels // maps


class CausalConv2d(nn.Module):
    """Convolution that sees a part of what is before a pixel; the rest of the square kernel is not there at all.

    Args:
        inputs: Owner of each input map.
        outputs: Owner of each output map.
        kernel: Odd side of the square that the kernel is the earlier half of.
        mask: "A" without the place itself, "B" with it. At the same pixel, A lets owners see lower owners, B also their
            own. For "rows" the place is the whole row.
        context: "raster" sees the rows above, and the same row up to the pixel; "rows" only whole rows; "row" only the
            same row up to the pixel.
    """

    mask: Tensor | None

    def __init__(
        self,
        inputs: Int[Tensor, " i"],
        outputs: Int[Tensor, " o"],
        kernel: int = 1,
        mask: Literal["A", "B"] = "B",
        context: Literal["raster", "rows", "row"] = "raster",
    ) -> None:
        super().__init__()
        reach = kernel // 2
        self.above = 0 if context == "row" else reach
        self.left, self.right = reach, 0 if context == "row" else reach
        self.excludes_row = context == "rows" and mask == "A"
        rows, columns = self.above + (not self.excludes_row), self.left + 1 + self.right
        allowed = torch.ones(len(outputs), len(inputs), rows, columns)
        if context != "rows":
            later = inputs >= outputs[:, None] if mask == "A" else inputs > outputs[:, None]
            allowed[:, :, -1, reach] = (~later).float()
            allowed[:, :, -1, reach + 1 :] = 0
        self.register_buffer("mask", allowed, persistent=False)
        convolution = nn.Conv2d(len(inputs), len(outputs), (rows, columns))
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, maps: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h w"]:
        """All pixels at once."""
        bottom = -1 if self.excludes_row else 0
        padded = pad(maps, (self.left, self.right, self.above, bottom)) if self.above or self.left else maps
        return conv2d(padded, self.kernel, self.bias)

    @property
    def kernel(self) -> Float[Tensor, "o i rows columns"]:
        """The weight, zero where nothing may be seen."""
        return self.weight if self.mask is None else self.weight * self.mask

    def pixel(self, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """One pixel, for a kernel of 1."""
        return linear(maps, self.kernel.flatten(1), self.bias)

    def remembering(self, count: int, width: int) -> "RememberingConv2d":
        """This convolution for `count` images whose input maps come row by row, or pixel by pixel."""
        return RememberingConv2d(self, count, width)


class RememberingConv2d:
    """A causal convolution with the last rows of its input, as many as it sees; zeros at first."""

    def __init__(self, convolution: CausalConv2d, count: int, width: int) -> None:
        self.weight, self.bias = convolution.kernel, convolution.bias
        self.matrix = self.weight.flatten(1)
        self.left, self.columns = convolution.left, self.weight.shape[3]
        _, inputs, rows, columns = self.weight.shape
        self.width = width
        self.recent = self.weight.new_zeros(count, inputs, rows, width + columns - 1)

    def next_row(self, maps: Float[Tensor, "n i w"] | None = None) -> None:
        """Forget the oldest row and add one, of zeros where its pixels are to be set."""
        self.recent = self.recent.roll(-1, 2)
        self.recent[:, :, -1] = 0
        if maps is not None:
            self.recent[:, :, -1, self.left : self.left + self.width] = maps

    def set(self, column: int, maps: Float[Tensor, "n i"]) -> None:
        """Set a pixel of the newest row."""
        self.recent[:, :, -1, self.left + column] = maps

    def row(self) -> Float[Tensor, "n o 1 w"]:
        """The output for a whole row."""
        return conv2d(self.recent, self.weight, self.bias)

    def pixel(self, column: int) -> Float[Tensor, "n o"]:
        """The output for one pixel."""
        seen = self.recent[:, :, :, column : column + self.columns]
        return linear(seen.flatten(1), self.matrix, self.bias)


class Head(nn.Module):
    """ReLU, 1x1, ReLU, 1x1: maps to logits of each level of each channel; one logit for two levels."""

    def __init__(self, maps: Int[Tensor, " i"], channels: int, levels: int, width: int) -> None:
        super().__init__()
        self.channels, self.logits = channels, 1 if levels == 2 else levels
        hidden = owners(max(width, channels), channels)
        self.first = CausalConv2d(maps, hidden)
        self.last = CausalConv2d(hidden, owners(channels * self.logits, channels))

    def forward(self, maps: Float[Tensor, "n i h w"]) -> Float[Tensor, "n k c h w"]:
        """All pixels at once."""
        logits = self.last(relu(self.first(relu(maps))))
        return logits.view(maps.shape[0], self.channels, self.logits, *maps.shape[2:]).transpose(1, 2)

    def pixel(self, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n k c"]:
        """One pixel."""
        logits = self.last.pixel(relu(self.first.pixel(relu(maps))))
        return logits.view(len(maps), self.channels, self.logits).transpose(1, 2)


class MaskedBlock(nn.Module):
    """PixelCNN's residual block: 1x1 to half the maps, masked 3x3, 1x1 back, a ReLU before each."""

    def __init__(self, maps: Int[Tensor, " i"], channels: int) -> None:
        super().__init__()
        half = owners(max(len(maps) // 2, channels), channels)
        self.narrow, self.wide = CausalConv2d(maps, half), CausalConv2d(half, maps)
        self.masked = CausalConv2d(half, half, 3)

    def forward(self, maps: Float[Tensor, "n i h w"]) -> Float[Tensor, "n i h w"]:
        """All pixels at once."""
        return maps + self.wide(relu(self.masked(relu(self.narrow(relu(maps))))))

    def pixel(self, column: int, maps: Float[Tensor, "n i"], masked: RememberingConv2d) -> Float[Tensor, "n i"]:
        """One pixel."""
        masked.set(column, relu(self.narrow.pixel(relu(maps))))
        return maps + self.wide.pixel(relu(masked.pixel(column)))


class MaskedNetwork(AutoregressiveNetwork):
    """PixelCNN: a 7x7 convolution of mask A, then residual blocks of mask B.

    Args:
        shape: (c, h, w) of images.
        levels: Of each value.
        width: Maps between the blocks; inside them it is half.
        blocks: How many.
    """

    def __init__(self, shape: tuple[int, ...], levels: int, width: int, blocks: int) -> None:
        super().__init__()
        channels = shape[0]
        maps = owners(max(width, channels), channels)
        self.first = CausalConv2d(torch.arange(channels), maps, 7, "A")
        self.blocks = nn.ModuleList(MaskedBlock(maps, channels) for _ in range(blocks))
        self.head = Head(maps, channels, levels, width)

    def forward(
        self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n k c h w"]:
        """Logits of all values at once."""
        maps = self.first(images)
        for block in self.blocks:
            maps = block(maps)
        return self.head(maps)

    def incremental(self, count: int, height: int, width: int, labels: Int[Tensor, " n"] | None = None) -> Incremental:
        """Logits pixel by pixel."""
        return _MaskedIncremental(self, count, width)


class _MaskedIncremental:
    def __init__(self, network: MaskedNetwork, count: int, width: int) -> None:
        self.blocks = [block for block in network.blocks if isinstance(block, MaskedBlock)]
        self.head, self.first = network.head, network.first.remembering(count, width)
        self.masked = [block.masked.remembering(count, width) for block in self.blocks]
        self.row = 0

    def logits(self, row: int, column: int, values: Tensor) -> Tensor:
        if row != self.row:
            self.row = row
            for convolution in (self.first, *self.masked):
                convolution.next_row()
        self.first.set(column, values)
        maps = self.first.pixel(column)
        for block, masked in zip(self.blocks, self.masked, strict=True):
            maps = block.pixel(column, maps, masked)
        return self.head.pixel(maps)

    def set(self, row: int, column: int, values: Tensor) -> None:
        self.first.set(column, values)


def gate(maps: Float[Tensor, "n gates *place"]) -> Float[Tensor, "n maps *place"]:
    """The first half of the maps through tanh, as far as the second half opens it."""
    signal, opening = maps.chunk(2, 1)
    return signal.tanh() * opening.sigmoid()


class GatedLayer(nn.Module):
    """Two stacks: a vertical one that sees the rows above, and a horizontal one that sees the row so far and the other.

    Args:
        inputs: Owners of the maps that come in.
        maps: Owners of the maps that go out.
        kernel: Odd side of the square that both stacks together see the earlier half of.
        mask: "A" for the first layer, which must not see the pixel itself, "B" for later ones.
        classes: Of the labels that bias the gates, or None.
        last: The vertical stack ends here.
    """

    def __init__(
        self,
        inputs: Int[Tensor, " i"],
        maps: Int[Tensor, " o"],
        kernel: int,
        mask: Literal["A", "B"],
        classes: int | None,
        last: bool,
    ) -> None:
        super().__init__()
        gates = maps.repeat(2)
        self.residual = mask == "B"  # in the first layer it would let the pixel itself through
        self.last = last
        self.vertical = CausalConv2d(inputs, gates, kernel, mask, "rows")
        self.horizontal = CausalConv2d(inputs, gates, kernel, mask, "row")
        self.link = nn.Conv2d(len(gates), len(gates), 1)  # from rows above, where every owner may look
        self.mix = CausalConv2d(maps, maps)
        self.vertical_label = nn.Embedding(classes, len(gates)) if classes and not last else None
        self.horizontal_label = nn.Embedding(classes, len(gates)) if classes else None

    def forward(
        self, above: Float[Tensor, "n i h w"], here: Float[Tensor, "n i h w"], labels: Int[Tensor, " n"] | None
    ) -> tuple[Float[Tensor, "n j h w"], Float[Tensor, "n o h w"]]:
        """Both stacks, all pixels at once."""
        rows = self.vertical(above)
        mixed = self.mix(gate(self.horizontal(here) + self.linked(rows, labels)))
        return self.passed_down(rows, labels), mixed + here if self.residual else mixed

    def pixel(
        self, column: int, here: Float[Tensor, "n i"], linked: Float[Tensor, "n g"], horizontal: RememberingConv2d
    ) -> Float[Tensor, "n o"]:
        """The horizontal stack at one pixel."""
        horizontal.set(column, here)
        mixed = self.mix.pixel(gate(horizontal.pixel(column) + linked))
        return mixed + here if self.residual else mixed

    def linked(self, rows: Float[Tensor, "n g h w"], labels: Int[Tensor, " n"] | None) -> Float[Tensor, "n g h w"]:
        """What the vertical stack and the label add to the gates of the horizontal one."""
        return _biased(self.link(rows), self.horizontal_label, labels)

    def passed_down(self, rows: Float[Tensor, "n g h w"], labels: Int[Tensor, " n"] | None) -> Float[Tensor, "n j h w"]:
        """What the vertical stack hands to the next layer; nothing of use in the last."""
        return rows if self.last else gate(_biased(rows, self.vertical_label, labels))


def _biased(maps: Tensor, embedding: nn.Embedding | None, labels: Tensor | None) -> Tensor:
    return maps if embedding is None or labels is None else maps + embedding(labels)[:, :, None, None]


class GatedNetwork(AutoregressiveNetwork):
    """Gated PixelCNN: one gated layer of a large kernel and mask A, then gated layers of mask B.

    Args:
        shape: (c, h, w) of images.
        levels: Of each value.
        width: Maps of either stack.
        layers: How many come after the first.
        classes: Of the labels that it is conditioned on, or None.
    """

    def __init__(self, shape: tuple[int, ...], levels: int, width: int, layers: int, classes: int | None) -> None:
        super().__init__()
        channels = shape[0]
        image, maps = torch.arange(channels), owners(max(width, channels), channels)
        first = GatedLayer(image, maps, 7, "A", classes, last=layers == 0)
        rest = [GatedLayer(maps, maps, 3, "B", classes, last=n == layers - 1) for n in range(layers)]
        self.layers = nn.ModuleList([first, *rest])
        self.head = Head(maps, channels, levels, width)

    def forward(
        self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n k c h w"]:
        """Logits of all values at once."""
        above, here = images, images
        for layer in self.layers:
            above, here = layer(above, here, labels)
        return self.head(here)

    def incremental(self, count: int, height: int, width: int, labels: Int[Tensor, " n"] | None = None) -> Incremental:
        """Logits pixel by pixel."""
        return _GatedIncremental(self, count, width, labels)


class _GatedIncremental:
    """The vertical stack moves once for a row, the horizontal one for each pixel."""

    def __init__(self, network: GatedNetwork, count: int, width: int, labels: Tensor | None) -> None:
        self.layers = [layer for layer in network.layers if isinstance(layer, GatedLayer)]
        self.head, self.labels = network.head, labels
        self.vertical = [layer.vertical.remembering(count, width) for layer in self.layers]
        self.horizontal = [layer.horizontal.remembering(count, width) for layer in self.layers]
        self.row = -1

    def logits(self, row: int, column: int, values: Tensor) -> Tensor:
        if row != self.row:
            self.row = row
            self._begin_row()
        here = values
        for layer, horizontal, linked in zip(self.layers, self.horizontal, self.linked, strict=True):
            here = layer.pixel(column, here, linked[:, :, column], horizontal)
        return self.head.pixel(here)

    def set(self, row: int, column: int, values: Tensor) -> None:
        self.vertical[0].set(column, values)
        self.horizontal[0].set(column, values)

    def _begin_row(self) -> None:
        self.linked = []
        above = None
        for layer, vertical, horizontal in zip(self.layers, self.vertical, self.horizontal, strict=True):
            if above is not None:
                vertical.next_row(above[:, :, 0])
            rows = vertical.row()
            self.linked.append(layer.linked(rows, self.labels)[:, :, 0])
            above = layer.passed_down(rows, self.labels)
            horizontal.next_row()
        self.vertical[0].next_row()  # now that the rows above are used, make room for this one
