"""Networks that predict each pixel from those before it in raster order (van den Oord et al. 2016, both papers).

Every feature map belongs to one channel of the image, its owner, and at its own pixel depends only on what precedes
that channel. Training computes whole images; sampling computes each pixel once, with every convolution caching the rows
that it still needs (Ramachandran et al. 2017).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu

from hizumi.shapes import is_series

Labels = Int[Tensor, " n"] | None


@runtime_checkable
class Incremental(Protocol):
    """Pixel-by-pixel predictions that cache what earlier pixels contributed."""

    def logits(self, row: int, column: int, values: Float[Tensor, "n c"]) -> Float[Tensor, "n k c"]:
        """Logits of a pixel; channel j depends on the first j of `values` and on the pixels set so far."""

    def set(self, row: int, column: int, values: Float[Tensor, "n c"]) -> None:
        """Fix the values of the pixel that logits were last asked for with these values, and go on to the next."""


class AutoregressiveNetwork(nn.Module, ABC):
    """Images (n, c, h, w) in [-1, 1] to logits (n, k, c, h, w), which depend on earlier values only.

    k is the number of levels, or 1 for two levels: the logit of the upper one.
    """

    @abstractmethod
    def forward(self, images: Float[Tensor, "n c h w"], labels: Labels = None) -> Float[Tensor, "n k c h w"]:
        """Logits of all values at once."""

    @abstractmethod
    def incremental(self, count: int, height: int, width: int, labels: Labels = None) -> Incremental:
        """Logits pixel by pixel, for `count` images yet to be generated."""


class Recomputed:
    """Predictions that run the whole network for every value: slow, and correct by construction."""

    def __init__(self, network: AutoregressiveNetwork, shape: tuple[int, int, int, int], labels: Labels = None) -> None:
        self.network = network
        self.labels = labels
        self.images = torch.zeros(shape, device=next(network.parameters()).device)

    def logits(self, row: int, column: int, values: Float[Tensor, "n c"]) -> Float[Tensor, "n k c"]:
        """Logits of a pixel; pixels not yet set are zero."""
        self.images[:, :, row, column] = values
        return self.network(self.images, self.labels)[..., row, column]

    def set(self, row: int, column: int, values: Float[Tensor, "n c"]) -> None:
        self.images[:, :, row, column] = values


def owners(maps: int, channels: int) -> Int[Tensor, " maps"]:
    """The channel that each map belongs to: `channels` runs of nearly equal length."""
    return torch.arange(maps) * channels // maps


def earlier_half(side: int, shape: tuple[int, ...]) -> tuple[int, Literal["raster", "row"]]:
    """Kernel and context that see as much as the earlier half of a square of odd `side`: on one row, as many values."""
    return (side**2, "row") if is_series(shape) else (side, "raster")


class CausalConv2d(nn.Module):
    """Convolution over a part of what precedes a pixel; the rest of the square kernel is not stored.

    Args:
        inputs: Owner of each input map.
        outputs: Owner of each output map.
        kernel: Odd side of the square whose earlier half is the kernel.
        mask: "A" excludes the pixel itself, "B" includes it. At that pixel, A lets owners see lower owners, B also
            themselves. For "rows" it is the whole row that is excluded or included.
        context: "raster" sees the rows above, and the same row up to the pixel; "rows" only whole rows; "row" only the
            same row up to the pixel.
    """

    mask: Tensor

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
        self.left = reach
        self.right = 0 if context == "row" else reach
        self.excludes_row = context == "rows" and mask == "A"
        rows, columns = self.above + (not self.excludes_row), self.left + 1 + self.right
        allowed = torch.ones(len(outputs), len(inputs), rows, columns)
        if context != "rows":
            later = inputs >= outputs[:, None] if mask == "A" else inputs > outputs[:, None]
            allowed[:, :, -1, reach] = (~later).float()
            allowed[:, :, -1, reach + 1 :] = 0
        self.register_buffer("mask", allowed, persistent=False)
        convolution = nn.Conv2d(len(inputs), len(outputs), (rows, columns))
        self.weight = convolution.weight
        self.bias = convolution.bias

    def forward(self, maps: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h w"]:
        bottom = -1 if self.excludes_row else 0
        padded = pad(maps, (self.left, self.right, self.above, bottom)) if self.above or self.left else maps
        return conv2d(padded, self.kernel, self.bias)

    @property
    def kernel(self) -> Float[Tensor, "o i rows columns"]:
        """The weight, zero where masked."""
        return self.weight * self.mask


class Pointwise:
    """A causal 1x1 convolution as a matrix, masked once, for as long as no weight changes."""

    def __init__(self, convolution: CausalConv2d) -> None:
        assert convolution.bias is not None
        self.matrix = convolution.kernel.detach().flatten(1).T
        self.bias = convolution.bias.detach()

    def __call__(self, maps: Float[Tensor, "n i"], out: Tensor | None = None) -> Float[Tensor, "n o"]:
        """One pixel, into `out` where it is given."""
        return torch.addmm(self.bias, maps, self.matrix, out=out)


class RememberingConv2d:
    """A causal convolution with a cache of the last rows of its input, initially zero.

    The cache is stored column by column, so what a pixel sees is contiguous for each image; `newest` holds views of the
    pixels of the newest row, (n, i) each.
    """

    def __init__(self, convolution: CausalConv2d, count: int, width: int) -> None:
        assert convolution.bias is not None
        self.weight = convolution.kernel.detach()
        self.bias = convolution.bias.detach()
        _, inputs, rows, columns = self.weight.shape
        self.matrix = self.weight.permute(0, 3, 2, 1).flatten(1).T
        self.recent = self.weight.new_zeros(count, width + columns - 1, rows, inputs)
        self.newest = self.recent[:, convolution.left : convolution.left + width, -1].unbind(1)
        flat, column_size = self.recent.flatten(1), rows * inputs
        self._seen = [flat[:, column * column_size :][:, : columns * column_size] for column in range(width)]

    def next_row(self, maps: Float[Tensor, "n i w"] | None = None) -> None:
        """Drop the oldest row and append one, of zeros if its pixels are still to be set."""
        self.recent[:, :, :-1] = self.recent[:, :, 1:].clone()
        self.recent[:, :, -1] = 0
        if maps is not None:
            for place, pixel in zip(self.newest, maps.unbind(2), strict=True):
                place.copy_(pixel)

    def row(self) -> Float[Tensor, "n o 1 w"]:
        """The output for a whole row."""
        return conv2d(self.recent.permute(0, 3, 2, 1), self.weight, self.bias)

    def pixel(self, column: int) -> Float[Tensor, "n o"]:
        """The output for one pixel."""
        return torch.addmm(self.bias, self._seen[column], self.matrix)


class Head(nn.Module):
    """ReLU, 1x1, ReLU, 1x1: maps to logits of each level of each channel, or one logit for two levels."""

    def __init__(self, maps: Int[Tensor, " i"], channels: int, levels: int, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.logits = 1 if levels == 2 else levels
        hidden = owners(max(width, channels), channels)
        self.first = CausalConv2d(maps, hidden)
        self.last = CausalConv2d(hidden, owners(channels * self.logits, channels))

    def forward(self, maps: Float[Tensor, "n i h w"]) -> Float[Tensor, "n k c h w"]:
        logits = self.last(relu(self.first(relu(maps))))
        return logits.view(maps.shape[0], self.channels, self.logits, *maps.shape[2:]).transpose(1, 2)


class PointwiseHead:
    """A head for single pixels."""

    def __init__(self, head: Head) -> None:
        self.first = Pointwise(head.first)
        self.last = Pointwise(head.last)
        self.shape = (-1, head.channels, head.logits)

    def __call__(self, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n k c"]:
        return self.last(self.first(maps.clamp_min(0)).clamp_min_(0)).view(self.shape).transpose(1, 2)


class MaskedBlock(nn.Module):
    """PixelCNN's residual block: 1x1 to half the maps, masked `kernel`, 1x1 back, with a ReLU before each."""

    def __init__(
        self,
        maps: Int[Tensor, " i"],
        channels: int,
        kernel: int = 3,
        context: Literal["raster", "row"] = "raster",
    ) -> None:
        super().__init__()
        half = owners(max(len(maps) // 2, channels), channels)
        self.narrow = CausalConv2d(maps, half)
        self.wide = CausalConv2d(half, maps)
        self.masked = CausalConv2d(half, half, kernel, context=context)

    def forward(self, maps: Float[Tensor, "n i h w"]) -> Float[Tensor, "n i h w"]:
        return maps + self.wide(relu(self.masked(relu(self.narrow(relu(maps))))))


class RememberingBlock:
    """A residual block with the cache of its masked convolution."""

    def __init__(self, block: MaskedBlock, count: int, width: int) -> None:
        self.narrow = Pointwise(block.narrow)
        self.wide = Pointwise(block.wide)
        self.masked = RememberingConv2d(block.masked, count, width)

    def next_row(self) -> None:
        self.masked.next_row()

    def pixel(self, column: int, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n i"]:
        # torch.relu dispatches to this; here its few microseconds of overhead count.
        self.narrow(maps.clamp_min(0), out=self.masked.newest[column]).clamp_min_(0)
        return self.wide(self.masked.pixel(column).clamp_min_(0)).add_(maps)


class MaskedNetwork(AutoregressiveNetwork):
    """PixelCNN: a 7x7 convolution of mask A, then residual blocks of mask B; on one row, kernels of as many values.

    Args:
        shape: (c, h, w) of images.
        levels: Of each value.
        width: Maps between the blocks, twice those inside them.
        blocks: Number of residual blocks.
    """

    def __init__(self, shape: tuple[int, ...], levels: int, width: int, blocks: int) -> None:
        super().__init__()
        channels = shape[0]
        maps = owners(max(width, channels), channels)
        kernel, context = earlier_half(7, shape)
        self.first = CausalConv2d(torch.arange(channels), maps, kernel, "A", context)
        within = earlier_half(3, shape)
        self.blocks = nn.ModuleList(MaskedBlock(maps, channels, *within) for _ in range(blocks))
        self.head = Head(maps, channels, levels, width)

    def forward(self, images: Float[Tensor, "n c h w"], labels: Labels = None) -> Float[Tensor, "n k c h w"]:
        maps = self.first(images)
        for block in self.blocks:
            maps = block(maps)
        return self.head(maps)

    def incremental(self, count: int, height: int, width: int, labels: Labels = None) -> Incremental:
        layers = [RememberingBlock(block, count, width) for block in self.blocks if isinstance(block, MaskedBlock)]
        return LayeredIncremental(self.first, layers, self.head, count, width)


@runtime_checkable
class RememberingLayer(Protocol):
    """A layer pixel by pixel, with a cache of what it needs of earlier pixels."""

    def next_row(self) -> None:
        """Go on to the next row."""

    def pixel(self, column: int, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n i"]:
        """One pixel; may be called again when its maps have changed."""


class LayeredIncremental:
    """Predictions of a convolution, layers and a head, one after the other."""

    def __init__(
        self, first: CausalConv2d, layers: Sequence[RememberingLayer], head: Head, count: int, width: int
    ) -> None:
        self.first = RememberingConv2d(first, count, width)
        self.layers = layers
        self.head = PointwiseHead(head)
        self.row = 0

    def logits(self, row: int, column: int, values: Float[Tensor, "n c"]) -> Float[Tensor, "n k c"]:
        if row != self.row:
            self.row = row
            self.first.next_row()
            for layer in self.layers:
                layer.next_row()
        self.set(row, column, values)
        maps = self.first.pixel(column)
        for layer in self.layers:
            maps = layer.pixel(column, maps)
        return self.head(maps)

    def set(self, row: int, column: int, values: Float[Tensor, "n c"]) -> None:
        self.first.newest[column].copy_(values)


def gate(maps: Float[Tensor, "n gates *place"]) -> Float[Tensor, "n maps *place"]:
    """tanh of the first half of the maps times the sigmoid of the second."""
    signal, opening = maps.chunk(2, 1)
    return signal.tanh() * opening.sigmoid()


class GatedLayer(nn.Module):
    """Two stacks: a vertical one over the rows above, and a horizontal one over the row so far and the vertical stack.

    Where there is one row, the horizontal stack is all there is.

    Args:
        inputs: Owners of the maps that come in.
        maps: Owners of the maps that go out.
        kernel: Odd side of the square whose earlier half both stacks together see.
        mask: "A" for the first layer, which must not see the pixel itself; "B" for later ones.
        classes: Of the labels that bias the gates, or None.
        last: Whether the vertical stack ends here.
        rows: Whether there are any above.
    """

    def __init__(
        self,
        inputs: Int[Tensor, " i"],
        maps: Int[Tensor, " o"],
        kernel: int,
        mask: Literal["A", "B"],
        classes: int | None,
        last: bool,
        rows: bool,
    ) -> None:
        super().__init__()
        gates = maps.repeat(2)
        self.residual = mask == "B"  # in the first layer it would leak the pixel itself
        self.last = last
        self.vertical = CausalConv2d(inputs, gates, kernel, mask, "rows") if rows else None
        self.horizontal = CausalConv2d(inputs, gates, kernel, mask, "row")
        self.link = (
            nn.Conv2d(len(gates), len(gates), 1) if rows else None
        )  # from the rows above, which every owner may see
        self.mix = CausalConv2d(maps, maps)
        self.vertical_label = nn.Embedding(classes, len(gates)) if classes and rows and not last else None
        self.horizontal_label = nn.Embedding(classes, len(gates)) if classes else None

    def forward(
        self, above: Float[Tensor, "n i h w"] | None, here: Float[Tensor, "n i h w"], labels: Labels
    ) -> tuple[Float[Tensor, "n j h w"] | None, Float[Tensor, "n o h w"]]:
        rows = None if self.vertical is None else self.vertical(above)
        mixed = self.mix(gate(self.horizontal(here) + self.linked(rows, labels)))
        return self.passed_down(rows, labels), mixed + here if self.residual else mixed

    def linked(self, rows: Float[Tensor, "n g h w"] | None, labels: Labels) -> Float[Tensor, "#n g #h #w"]:
        """What the vertical stack and the label add to the horizontal gates."""
        weight = self.horizontal.weight
        added = weight.new_zeros(1, len(weight), 1, 1) if self.link is None else self.link(rows)
        return _biased(added, self.horizontal_label, labels)

    def passed_down(self, rows: Float[Tensor, "n g h w"] | None, labels: Labels) -> Float[Tensor, "n j h w"] | None:
        """What the vertical stack passes to the next layer; unused in the last."""
        return rows if rows is None or self.last else gate(_biased(rows, self.vertical_label, labels))


def _biased(maps: Tensor, embedding: nn.Embedding | None, labels: Tensor | None) -> Tensor:
    return maps if embedding is None or labels is None else maps + embedding(labels)[:, :, None, None]


class GatedNetwork(AutoregressiveNetwork):
    """Gated PixelCNN: one gated layer of a large kernel and mask A, then gated layers of mask B.

    Args:
        shape: (c, h, w) of images.
        levels: Of each value.
        width: Maps of either stack.
        layers: Number of layers after the first.
        classes: Of the labels that it is conditioned on, or None.
    """

    def __init__(self, shape: tuple[int, ...], levels: int, width: int, layers: int, classes: int | None) -> None:
        super().__init__()
        channels = shape[0]
        image, maps = torch.arange(channels), owners(max(width, channels), channels)
        rows = not is_series(shape)
        wide, narrow = (earlier_half(side, shape)[0] for side in (7, 3))
        first = GatedLayer(image, maps, wide, "A", classes, last=layers == 0, rows=rows)
        rest = [GatedLayer(maps, maps, narrow, "B", classes, last=n == layers - 1, rows=rows) for n in range(layers)]
        self.layers = nn.ModuleList([first, *rest])
        self.head = Head(maps, channels, levels, width)

    def forward(self, images: Float[Tensor, "n c h w"], labels: Labels = None) -> Float[Tensor, "n k c h w"]:
        above, here = images, images
        for layer in self.layers:
            above, here = layer(above, here, labels)
        return self.head(here)

    def incremental(self, count: int, height: int, width: int, labels: Labels = None) -> Incremental:
        return _GatedIncremental(self, count, width, labels)


class _GatedIncremental:
    """Steps the vertical stack once a row and the horizontal one once a pixel."""

    def __init__(self, network: GatedNetwork, count: int, width: int, labels: Tensor | None) -> None:
        self.head = PointwiseHead(network.head)
        self.labels = labels
        layers = [layer for layer in network.layers if isinstance(layer, GatedLayer)]
        self.layers = [RememberingGatedLayer(layer, count, width) for layer in layers]
        first = self.layers[0]
        self.above = [] if first.vertical is None else [first.vertical]
        self.row = -1

    def logits(self, row: int, column: int, values: Tensor) -> Tensor:
        if row != self.row:
            self.row = row
            above = None
            for layer in self.layers:
                above = layer.next_row(above, self.labels)
            for stack in self.above:  # the rows above have been used: make room for this one
                stack.next_row()
        here = values
        for layer in self.layers:
            here = layer.pixel(column, here)
        return self.head(here)

    def set(self, row: int, column: int, values: Tensor) -> None:
        for stack in (*self.above, self.layers[0].horizontal):
            stack.newest[column].copy_(values)


class RememberingGatedLayer:
    """A gated layer with the caches of both stacks."""

    def __init__(self, layer: GatedLayer, count: int, width: int) -> None:
        self.layer = layer
        self.mix = Pointwise(layer.mix)
        self.vertical = None if layer.vertical is None else RememberingConv2d(layer.vertical, count, width)
        self.horizontal = RememberingConv2d(layer.horizontal, count, width)

    def next_row(self, above: Float[Tensor, "n i 1 w"] | None, labels: Labels) -> Tensor | None:
        """The vertical stack over the rows above, the last of which is `above`; returns what the next layer takes."""
        if self.vertical is not None and above is not None:
            self.vertical.next_row(above[:, :, 0])
        self.horizontal.next_row()
        rows = None if self.vertical is None else self.vertical.row()
        linked = self.layer.linked(rows, labels)[:, :, 0]
        self.linked = linked.expand(-1, -1, len(self.horizontal.newest)).unbind(2)
        return self.layer.passed_down(rows, labels)

    def pixel(self, column: int, here: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """The horizontal stack at one pixel."""
        self.horizontal.newest[column].copy_(here)
        mixed = self.mix(gate(self.horizontal.pixel(column).add_(self.linked[column])))
        return mixed.add_(here) if self.layer.residual else mixed
