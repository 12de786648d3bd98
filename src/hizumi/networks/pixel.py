"""Networks that predict each pixel from those before it in raster order (van den Oord et al. 2016, both papers).

Every feature map belongs to one channel of the image, its owner, and knows at its own pixel only what is before that
channel. What is computed for a whole image while training is computed once for each pixel while sampling: every
convolution then remembers the rows that it still needs (Ramachandran et al. 2017).
"""

from abc import ABC, abstractmethod
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu


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
        return self.weight * self.mask

    def pointwise(self) -> "Pointwise":
        """This convolution, with its kernel of 1, for single pixels."""
        return Pointwise(self)

    def remembering(self, count: int, width: int) -> "RememberingConv2d":
        """This convolution for `count` images whose input maps come row by row, or pixel by pixel."""
        return RememberingConv2d(self, count, width)


class Pointwise:
    """A causal convolution with a kernel of 1 as a matrix, masked once: for many pixels, while no weight changes."""

    def __init__(self, convolution: CausalConv2d) -> None:
        assert convolution.bias is not None
        self.matrix, self.bias = convolution.kernel.detach().flatten(1).T, convolution.bias.detach()

    def __call__(self, maps: Float[Tensor, "n i"], out: Tensor | None = None) -> Float[Tensor, "n o"]:
        """One pixel, into `out` where it is given."""
        return torch.addmm(self.bias, maps, self.matrix, out=out)


class RememberingConv2d:
    """A causal convolution with the last rows of its input, as many as it sees; zeros at first.

    They lie column by column, so that what a pixel sees is one piece of memory for each image; `newest` are the places
    of the pixels of the newest row, (n, i) each.
    """

    def __init__(self, convolution: CausalConv2d, count: int, width: int) -> None:
        assert convolution.bias is not None
        self.weight, self.bias = convolution.kernel.detach(), convolution.bias.detach()
        _, inputs, rows, columns = self.weight.shape
        self.matrix = self.weight.permute(0, 3, 2, 1).flatten(1).T
        self.recent = self.weight.new_zeros(count, width + columns - 1, rows, inputs)
        self.newest = self.recent[:, convolution.left : convolution.left + width, -1].unbind(1)
        flat, column_size = self.recent.flatten(1), rows * inputs
        self._seen = [flat[:, column * column_size :][:, : columns * column_size] for column in range(width)]

    def next_row(self, maps: Float[Tensor, "n i w"] | None = None) -> None:
        """Forget the oldest row and add one, of zeros where its pixels are to be set."""
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

    def pointwise(self) -> "PointwiseHead":
        """This head for single pixels."""
        return PointwiseHead(self)


class PointwiseHead:
    """A head for one pixel after the other."""

    def __init__(self, head: Head) -> None:
        self.first, self.last = head.first.pointwise(), head.last.pointwise()
        self.shape = (-1, head.channels, head.logits)

    def __call__(self, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n k c"]:
        """One pixel."""
        return self.last(self.first(maps.clamp_min(0)).clamp_min_(0)).view(self.shape).transpose(1, 2)


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

    def remembering(self, count: int, width: int) -> "RememberingBlock":
        """This block for `count` images whose maps come pixel by pixel."""
        return RememberingBlock(self, count, width)


class RememberingBlock:
    """A residual block with what its masked convolution sees of the rows so far."""

    def __init__(self, block: MaskedBlock, count: int, width: int) -> None:
        self.narrow, self.wide = block.narrow.pointwise(), block.wide.pointwise()
        self.masked = block.masked.remembering(count, width)

    def next_row(self) -> None:
        """Go on to the next row."""
        self.masked.next_row()

    def pixel(self, column: int, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n i"]:
        """One pixel; once more, if its maps have changed."""
        # ReLU is this function by a longer way, and one of a few microseconds counts here.
        self.narrow(maps.clamp_min(0), out=self.masked.newest[column]).clamp_min_(0)
        return self.wide(self.masked.pixel(column).clamp_min_(0)).add_(maps)


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
        self.head, self.first = network.head.pointwise(), network.first.remembering(count, width)
        blocks = [block for block in network.blocks if isinstance(block, MaskedBlock)]
        self.blocks = [block.remembering(count, width) for block in blocks]
        self.row = 0

    def logits(self, row: int, column: int, values: Tensor) -> Tensor:
        if row != self.row:
            self.row = row
            self.first.next_row()
            for block in self.blocks:
                block.next_row()
        self.set(row, column, values)
        maps = self.first.pixel(column)
        for block in self.blocks:
            maps = block.pixel(column, maps)
        return self.head(maps)

    def set(self, row: int, column: int, values: Tensor) -> None:
        self.first.newest[column].copy_(values)


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
        self.head, self.labels = network.head.pointwise(), labels
        layers = [layer for layer in network.layers if isinstance(layer, GatedLayer)]
        self.layers = [RememberingGatedLayer(layer, count, width) for layer in layers]
        self.row = -1

    def logits(self, row: int, column: int, values: Tensor) -> Tensor:
        if row != self.row:
            self.row = row
            self._begin_row()
        here = values
        for layer in self.layers:
            here = layer.pixel(column, here)
        return self.head(here)

    def set(self, row: int, column: int, values: Tensor) -> None:
        first = self.layers[0]
        for stack in (first.vertical, first.horizontal):
            stack.newest[column].copy_(values)

    def _begin_row(self) -> None:
        above = None
        for layer in self.layers:
            above = layer.next_row(above, self.labels)
        self.layers[0].vertical.next_row()  # now that the rows above are used, make room for this one


class RememberingGatedLayer:
    """A gated layer with what both stacks see of the rows so far."""

    def __init__(self, layer: GatedLayer, count: int, width: int) -> None:
        self.layer, self.mix = layer, layer.mix.pointwise()
        self.vertical, self.horizontal = (part.remembering(count, width) for part in (layer.vertical, layer.horizontal))

    def next_row(self, above: Float[Tensor, "n i 1 w"] | None, labels: Int[Tensor, " n"] | None) -> Tensor:
        """The vertical stack over the rows above, of which `above` is the last; what it hands to the next layer."""
        if above is not None:
            self.vertical.next_row(above[:, :, 0])
        self.horizontal.next_row()
        rows = self.vertical.row()
        self.linked = self.layer.linked(rows, labels)[:, :, 0].unbind(2)
        return self.layer.passed_down(rows, labels)

    def pixel(self, column: int, here: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """The horizontal stack at one pixel."""
        self.horizontal.newest[column].copy_(here)
        mixed = self.mix(gate(self.horizontal.pixel(column).add_(self.linked[column])))
        return mixed.add_(here) if self.layer.residual else mixed
