"""PixelRNN's layers: the Row LSTM and the Diagonal BiLSTM (van den Oord, Kalchbrenner & Kavukcuoglu 2016).

Both are one recurrence. An image is processed line by line, and each pixel's LSTM takes its state from neighbours in
the line before: for rows, from the three pixels above; for diagonals, from the pixel to the left and the one above.
Each line is one small matrix product for all its pixels and images. Maps are (maps, h, w, n), images last:
neighbours in a line are then plain slices, and 1x1 convolutions plain matrix products.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from hizumi.errors import UsageError
from hizumi.networks.parts import is_traced
from hizumi.networks.pixel import (
    AutoregressiveNetwork,
    CausalConv2d,
    Head,
    Incremental,
    Labels,
    LayeredIncremental,
    Pointwise,
    RememberingConv2d,
    earlier_half,
    owners,
)

Taps = tuple[tuple[int, int], ...]
"""Neighbours (rows down, columns right) whose states a pixel takes; the cell comes from the first."""

LEFT: Taps = ((0, -1),)
THREE_ABOVE: Taps = ((-1, 0), (-1, -1), (-1, 1))
LEFT_AND_ABOVE: Taps = ((0, -1), (-1, 0))

aten = torch.ops.aten  # gradients of the non-linearities, each in one pass over memory


class Line(NamedTuple):
    """Pixels whose states are computed together.

    `pixels` are their indices in raster order, for diagonals also in the mirrored image. For each tap, `links` are the
    pixels that have this neighbour, and the neighbours in the line before, both indexed by (pixel, image).
    """

    pixels: tuple[slice, ...]
    links: tuple[tuple[slice, slice], ...]


@lru_cache(maxsize=32)
def lines(height: int, width: int, taps: Taps, images: int) -> tuple[Line, ...]:
    """An image's rows, or its diagonals where a tap lies in the pixel's own row."""
    diagonal = any(down == 0 for down, _ in taps)
    members: list[list[tuple[int, int]]] = [[] for _ in range(height + width - 1 if diagonal else height)]
    for row in range(height):
        for column in range(width):
            members[row + column if diagonal else row].append((row, column))
    found, before = [], dict[tuple[int, int], int]()
    for line in members:
        links = []
        for down, right in taps:
            neighbours = [before.get((row + down, column + right)) for row, column in line]
            linked = [(place, other) for place, other in enumerate(neighbours) if other is not None]
            targets, sources = zip(*linked, strict=True) if linked else ((), ())
            links.append((_stretch(targets, images), _stretch(sources, images)))
        raster = _stretch([row * width + column for row, column in line])
        mirrored = [_stretch([row * width + width - 1 - column for row, column in line])] if diagonal else []
        found.append(Line((raster, *mirrored), tuple(links)))
        before = {pixel: place for place, pixel in enumerate(line)}
    return tuple(found)


def _stretch(places: Sequence[int], images: int = 1) -> slice:
    # Evenly spaced places as a slice over (place, image).
    if not places:
        return slice(0, 0)
    step = places[1] - places[0] if len(places) > 1 else 1
    return slice(places[0] * images, (places[-1] + 1) * images, step)


class Cells(NamedTuple):
    """Inputs and states of LSTM cells, (d, maps, p)."""

    seen: Tensor  # hidden states of the neighbours, one tap after the other
    carried: Tensor  # cell of the first neighbour
    gates: Tensor  # output, forget and input gates, and content, each after its non-linearity
    cell: Tensor
    squashed: Tensor  # tanh of the cell
    hidden: Tensor


def lstm(
    gates: Float[Tensor, "d g p"],
    weight: Float[Tensor, "d g s"],
    seen: Float[Tensor, "d s p"],
    carried: Float[Tensor, "d h p"],
) -> Cells:
    """One LSTM step, in place: `gates` come in with the input's contribution and are overwritten."""
    hidden = carried.shape[1]
    gates.baddbmm_(weight, seen)
    gates[:, 3 * hidden :].mul_(2)
    output, forget, into, content = gates.sigmoid_().chunk(4, 1)
    content.mul_(2).sub_(1)  # tanh x = 2 sigmoid 2x - 1: one sigmoid over all gates is several times faster
    cell = (into * content).addcmul_(forget, carried)
    squashed = (2 * cell).sigmoid_().mul_(2).sub_(1)
    return Cells(seen, carried, gates, cell, squashed, output * squashed)


class Sweep(Function):
    """The recurrence over all lines with its gradient written out: a few operations a line, none recorded."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, order: tuple[Line, ...]) -> Tensor:
        """Hidden states (d, h, p, n) from gates (d, 4 h, p, n) of p pixels, and state weights (d, 4 h, taps h)."""
        directions, four_hidden, *places = gates.shape
        hidden = weight.new_empty(directions, four_hidden // 4, *places)
        before = hidden.new_empty(directions, four_hidden // 4, 0)
        cell_before, states = before, list[Cells]()
        for line in order:
            own = _gather(gates, line).to(weight.dtype)
            seen = _neighbours(before, line.links, own.shape[2])
            cells = lstm(own, weight, seen, _neighbours(cell_before, line.links[:1], own.shape[2]))
            before, cell_before = cells.hidden, cells.cell
            _scatter(before, line, hidden)
            if any(ctx.needs_input_grad):  # otherwise memory stays that of one line
                states.append(cells)
        ctx.states, ctx.order = states, order
        ctx.save_for_backward(weight)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor, None]:
        """Back through the lines, from the last to the first."""
        (weight,) = ctx.saved_tensors
        directions, hidden, *places = grad_output.shape
        grad_weight, grad_gates = torch.zeros_like(weight), weight.new_empty(directions, 4 * hidden, *places)
        links: tuple[tuple[slice, slice], ...] = ()  # of the line after to this one
        grad_seen = grad_carried = grad_weight  # what reached that line's neighbours
        for line, (seen, carried, gates, _, squashed, _) in zip(ctx.order[::-1], ctx.states[::-1], strict=True):
            output, forget, into, content = gates.chunk(4, 1)

            # Gradients of hidden states and cells, from the layer's output and from the line after.
            grad_hidden = _gather(grad_output, line)
            for tap, (target, source) in enumerate(links):
                grad_hidden[..., source] += grad_seen[:, tap * hidden : (tap + 1) * hidden, target]
            grad_cell = aten.tanh_backward(grad_hidden * output, squashed)
            for target, source in links[:1]:
                grad_cell[..., source] += grad_carried[..., target]

            # Through the cells to the gates.
            to_gates = grad_hidden * squashed, grad_cell * carried, grad_cell * content, grad_cell * into
            grad = torch.cat(to_gates, 1)
            sigmoids, tanh = slice(0, 3 * hidden), slice(3 * hidden, None)
            aten.sigmoid_backward(grad[:, sigmoids], gates[:, sigmoids], grad_input=grad[:, sigmoids])
            aten.tanh_backward(grad[:, tanh], content, grad_input=grad[:, tanh])
            _scatter(grad, line, grad_gates)

            # Through the gates to the neighbours.
            grad_weight.baddbmm_(grad, seen.mT)
            grad_seen, grad_carried, links = weight.mT @ grad, grad_cell * forget, line.links
        return grad_gates, grad_weight, None


def _gather(maps: Tensor, line: Line) -> Tensor:
    # From (d, c, p, n) of the image to (d, c, pixels of the line times n); always a copy.
    return torch.stack([own[:, pixels] for own, pixels in zip(maps, line.pixels, strict=False)]).flatten(2)


def _scatter(values: Tensor, line: Line, maps: Tensor) -> None:
    # The inverse of `_gather`.
    for own, target, pixels in zip(values, maps, line.pixels, strict=False):
        part = target[:, pixels]
        part.copy_(own.view_as(part))


def _neighbours(before: Tensor, links: tuple[tuple[slice, slice], ...], length: int) -> Tensor:
    # Values of each tap's neighbours, concatenated; zeros where there is none.
    seen = before.new_zeros(len(before), len(links), before.shape[1], length)
    for tap, (target, source) in enumerate(links):
        seen[:, tap, :, target] = before[..., source]
    return seen.flatten(1, 2)


class Recurrence(nn.Module):
    """State-to-state part of an LSTM over images, in one direction or, with two, also over the mirrored image.

    Args:
        hidden: Maps of the state.
        taps: Neighbours whose states a pixel takes.
        directions: 1 or 2.
    """

    def __init__(self, hidden: int, taps: Taps, directions: int = 1) -> None:
        super().__init__()
        self.hidden = hidden
        self.taps = taps
        self.directions = directions
        bound = (len(taps) * hidden) ** -0.5
        self.weight = nn.Parameter(torch.empty(directions, 4 * hidden, len(taps) * hidden).uniform_(-bound, bound))

    def forward(self, gates: Float[Tensor, "g h w n"]) -> Float[Tensor, "s h w n"]:
        """Hidden states of all pixels, from the input's contribution to the gates; directions are concatenated."""
        _, height, width, count = gates.shape
        split = gates.view(self.directions, 4 * self.hidden, height * width, count)
        order = lines(height, width, self.taps, count)
        states: Tensor = Sweep.apply(split, self.weight, order)  # type: ignore[no-untyped-call]  # torch has no types here
        return states.view(self.directions * self.hidden, height, width, count)


class RememberingRecurrence:
    """A recurrence with the states of the last two rows, zero outside the image."""

    def __init__(self, recurrence: Recurrence, count: int, width: int, direction: int = 0) -> None:
        self.taps = recurrence.taps
        self.weight = recurrence.weight[direction, None]
        self.hidden = self.weight.new_zeros(2, width + 2, recurrence.hidden, count)
        self.cell = torch.zeros_like(self.hidden)

    def next_row(self) -> None:
        for states in (self.hidden, self.cell):
            states[0] = states[1]
            states[1] = 0

    def pixel(self, column: int, gates: Float[Tensor, "n g"]) -> Float[Tensor, "n h"]:
        """The hidden state of a pixel, kept for its neighbours."""
        places = [(1 + down, 1 + column + right) for down, right in self.taps]
        seen = torch.cat([self.hidden[place] for place in places])
        cells = lstm(gates.T[None].clone(), self.weight, seen[None], self.cell[places[0]][None])
        self.hidden[1, 1 + column], self.cell[1, 1 + column] = cells.hidden[0], cells.cell[0]
        return cells.hidden[0].T


class RowLSTMLayer(nn.Module):
    """Row LSTM with a residual: each row takes its states from the row above, so a pixel sees a triangle.

    Args:
        maps: Owner of each map.
        hidden: Owner of each map of the state.
    """

    def __init__(self, maps: Int[Tensor, " i"], hidden: Int[Tensor, " h"]) -> None:
        super().__init__()
        self.input_to_state = CausalConv2d(maps, hidden.repeat(4), 3, context="row")
        self.recurrence = Recurrence(len(hidden), THREE_ABOVE)
        self.widen = CausalConv2d(hidden, maps)

    def forward(self, maps: Float[Tensor, "i h w n"]) -> Float[Tensor, "i h w n"]:
        before = pad(maps, (0, 0, 1, 0))[:, :, :-1]
        gates = _mixed(self.input_to_state, torch.stack([before, maps], 1).flatten(0, 1))
        return maps + _mixed(self.widen, self.recurrence(gates))

    def remembering(self, count: int, width: int) -> "RememberingRowLSTMLayer":
        return RememberingRowLSTMLayer(self, count, width)


class RememberingRowLSTMLayer:
    """A Row LSTM with its state from the rows so far."""

    def __init__(self, layer: RowLSTMLayer, count: int, width: int) -> None:
        self.input_to_state = RememberingConv2d(layer.input_to_state, count, width)
        self.recurrence = RememberingRecurrence(layer.recurrence, count, width)
        self.widen = Pointwise(layer.widen)

    def next_row(self) -> None:
        self.input_to_state.next_row()
        self.recurrence.next_row()

    def pixel(self, column: int, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n i"]:
        self.input_to_state.newest[column].copy_(maps)
        return self.widen(self.recurrence.pixel(column, self.input_to_state.pixel(column))).add_(maps)


class DiagonalBiLSTMLayer(nn.Module):
    """Diagonal BiLSTM with a residual: states from the left and from above, and from the right and from above.

    The second direction's states have seen pixels to the right, so they are moved down a row before they are added.

    Args:
        maps: Owner of each map.
        hidden: Owner of each map of the state of one direction.
    """

    def __init__(self, maps: Int[Tensor, " i"], hidden: Int[Tensor, " h"]) -> None:
        super().__init__()
        self.input_to_state = CausalConv2d(maps, hidden.repeat(8))
        self.recurrence = Recurrence(len(hidden), LEFT_AND_ABOVE, directions=2)
        self.widen = CausalConv2d(hidden, maps)

    def forward(self, maps: Float[Tensor, "i h w n"]) -> Float[Tensor, "i h w n"]:
        first, second = self.recurrence(_mixed(self.input_to_state, maps)).chunk(2)
        return maps + _mixed(self.widen, first + pad(second, (0, 0, 0, 0, 1, 0))[:, :-1])

    def remembering(self, count: int, width: int) -> "RememberingDiagonalBiLSTMLayer":
        return RememberingDiagonalBiLSTMLayer(self, count, width)


class RememberingDiagonalBiLSTMLayer:
    """A Diagonal BiLSTM with its state from the rows so far."""

    def __init__(self, layer: DiagonalBiLSTMLayer, count: int, width: int) -> None:
        self.columns = range(width)
        self.input_to_state = Pointwise(layer.input_to_state)
        self.widen = Pointwise(layer.widen)
        self.first = RememberingRecurrence(layer.recurrence, count, width, direction=0)
        self.second = RememberingRecurrence(layer.recurrence, count, width, direction=1)
        self.second_gates = layer.recurrence.weight.new_zeros(width, count, 4 * layer.recurrence.hidden)
        self.moved_down = layer.recurrence.weight.new_zeros(width, count, layer.recurrence.hidden)

    def next_row(self) -> None:
        """Go on to the next row: the second direction now runs over the completed row, from right to left."""
        for column in reversed(self.columns):
            gates = self.second_gates[column]
            self.moved_down[column] = self.second.pixel(self.columns[-1] - column, gates)
        self.first.next_row()
        self.second.next_row()

    def pixel(self, column: int, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n i"]:
        first, self.second_gates[column] = self.input_to_state(maps).chunk(2, 1)
        return self.widen(self.first.pixel(column, first) + self.moved_down[column]).add_(maps)


class LSTMLayer(nn.Module):
    """LSTM along a single row, with a residual: states from the left alone.

    Args:
        maps: Owner of each map.
        hidden: Owner of each map of the state.
    """

    def __init__(self, maps: Int[Tensor, " i"], hidden: Int[Tensor, " h"]) -> None:
        super().__init__()
        self.input_to_state = CausalConv2d(maps, hidden.repeat(4))
        self.recurrence = Recurrence(len(hidden), LEFT)
        self.widen = CausalConv2d(hidden, maps)

    def forward(self, maps: Float[Tensor, "i 1 w n"]) -> Float[Tensor, "i 1 w n"]:
        return maps + _mixed(self.widen, self.recurrence(_mixed(self.input_to_state, maps)))

    def remembering(self, count: int, width: int) -> "RememberingLSTMLayer":
        return RememberingLSTMLayer(self, count, width)


class RememberingLSTMLayer:
    """An LSTM along a row with its state from the pixels so far."""

    def __init__(self, layer: LSTMLayer, count: int, width: int) -> None:
        self.input_to_state = Pointwise(layer.input_to_state)
        self.recurrence = RememberingRecurrence(layer.recurrence, count, width)
        self.widen = Pointwise(layer.widen)

    def next_row(self) -> None:
        self.recurrence.next_row()

    def pixel(self, column: int, maps: Float[Tensor, "n i"]) -> Float[Tensor, "n i"]:
        return self.widen(self.recurrence.pixel(column, self.input_to_state(maps))).add_(maps)


def _mixed(convolution: CausalConv2d, maps: Tensor) -> Tensor:
    # The convolution as a matrix product, on maps (i, h, w, n) already unfolded over its kernel.
    assert convolution.bias is not None
    return torch.addmm(convolution.bias[:, None], convolution.kernel.flatten(1), maps.flatten(1)).view(
        -1, *maps.shape[1:]
    )


class RecurrentNetwork(AutoregressiveNetwork):
    """PixelRNN: a 7x7 convolution of mask A, then recurrent layers.

    Args:
        shape: (c, h, w) of images.
        levels: Of each value.
        hidden: Maps of a layer's state; between the layers there are twice as many.
        layers: Number of recurrent layers.
        layer: `RowLSTMLayer` or `DiagonalBiLSTMLayer`, or `LSTMLayer` where there is one row.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        levels: int,
        hidden: int,
        layers: int,
        layer: type[RowLSTMLayer | DiagonalBiLSTMLayer | LSTMLayer],
    ) -> None:
        super().__init__()
        channels = shape[0]
        states = owners(max(hidden, channels), channels)
        maps = owners(2 * len(states), channels)
        kernel, context = earlier_half(7, shape)
        self.first = CausalConv2d(torch.arange(channels), maps, kernel, "A", context)
        self.layers = nn.ModuleList(layer(maps, states) for _ in range(layers))
        self.head = Head(maps, channels, levels, len(maps))

    def forward(self, images: Float[Tensor, "n c h w"], labels: Labels = None) -> Float[Tensor, "n k c h w"]:
        if is_traced(images):
            raise UsageError("its recurrence goes through pictures line by line, which no graph holds; try PixelCNN")
        maps = self.first(images).permute(1, 2, 3, 0).contiguous()
        for layer in self.layers:
            maps = layer(maps)
        return self.head(maps.permute(3, 0, 1, 2).contiguous())

    def incremental(self, count: int, height: int, width: int, labels: Labels = None) -> Incremental:
        layers = [layer.remembering(count, width) for layer in self.layers]  # type: ignore[operator]  # a list of modules
        return LayeredIncremental(self.first, layers, self.head, count, width)
