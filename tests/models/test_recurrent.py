"""Row LSTM and Diagonal BiLSTM against plain loops over pixels, written from the paper's formulas."""

import itertools

import pytest
import torch
from torch import Tensor

from hizumi.networks import DiagonalBiLSTMLayer, RecurrentNetwork, RowLSTMLayer
from hizumi.networks.pixel import owners
from hizumi.networks.recurrent import (
    LEFT_AND_ABOVE,
    THREE_ABOVE,
    Recurrence,
    Sweep,
    Taps,
    _gather,
    _scatter,
    lines,
)

SIZES = [(4, 5), (5, 3), (1, 4), (4, 1)]
LAYERS = pytest.mark.parametrize("found", [RowLSTMLayer, DiagonalBiLSTMLayer])
Layer = RowLSTMLayer | DiagonalBiLSTMLayer


def layer_of(found: type[Layer], channels: int = 1, maps: int = 6, hidden: int = 3) -> Layer:
    torch.manual_seed(0)
    layer = found(owners(maps, channels), owners(hidden, channels)).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(2)
    return layer


def random_maps(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def lstm_loop(gates: Tensor, weight: dict[tuple[int, int], Tensor], carried_from: tuple[int, int]) -> Tensor:
    """Hidden states (h, height, width) of one image, pixel by pixel; weights (4 h, h) by neighbour."""
    _, height, width = gates.shape
    size = next(iter(weight.values())).shape[1]
    nothing = torch.zeros(size, dtype=gates.dtype)
    hidden: dict[tuple[int, int], Tensor] = {}
    cell: dict[tuple[int, int], Tensor] = {}
    for row, column in itertools.product(range(height), range(width)):
        total = gates[:, row, column]
        for (down, right), matrix in weight.items():
            total = total + matrix @ hidden.get((row + down, column + right), nothing)
        o, f, i = (total[k * size : (k + 1) * size].sigmoid() for k in range(3))
        g = total[3 * size :].tanh()
        before = cell.get((row + carried_from[0], column + carried_from[1]), nothing)
        cell[row, column] = f * before + i * g
        hidden[row, column] = o * cell[row, column].tanh()
    rows = [torch.stack([hidden[row, column] for column in range(width)], 1) for row in range(height)]
    return torch.stack(rows, 1)


def masked(convolution: torch.nn.Module) -> Tensor:
    assert isinstance(convolution.weight, Tensor)
    assert isinstance(convolution.mask, Tensor)
    return convolution.weight * convolution.mask


@pytest.mark.parametrize(("height", "width"), SIZES)
@torch.no_grad()
def test_row_lstm_is_the_papers_loop(height: int, width: int) -> None:
    layer = layer_of(RowLSTMLayer)
    assert isinstance(layer, RowLSTMLayer)
    maps = random_maps(6, height, width, 2)
    kernel, above, left_above, right_above = masked(layer.input_to_state), *layer.recurrence.weight[0].chunk(3, 1)
    weight = {(-1, 0): above, (-1, -1): left_above, (-1, 1): right_above}
    for image, out in zip(maps.unbind(3), layer(maps).unbind(3), strict=True):
        left = torch.zeros_like(image)
        left[:, :, 1:] = image[:, :, :-1]
        gates = torch.einsum("oi,ihw->ohw", kernel[:, :, 0, 0], left)
        gates += torch.einsum("oi,ihw->ohw", kernel[:, :, 0, 1], image) + layer.input_to_state.bias[:, None, None]
        states = lstm_loop(gates, weight, carried_from=(-1, 0))
        widened = torch.einsum("oh,hrc->orc", masked(layer.widen)[:, :, 0, 0], states)
        torch.testing.assert_close(out, image + widened + layer.widen.bias[:, None, None])


@pytest.mark.parametrize(("height", "width"), SIZES)
@torch.no_grad()
def test_diagonal_bilstm_is_the_papers_loop(height: int, width: int) -> None:
    layer = layer_of(DiagonalBiLSTMLayer)
    assert isinstance(layer, DiagonalBiLSTMLayer)
    maps = random_maps(6, height, width, 2)
    kernel = masked(layer.input_to_state)[:, :, 0, 0]
    for image, out in zip(maps.unbind(3), layer(maps).unbind(3), strict=True):
        directions = []
        for number, weight in enumerate(layer.recurrence.weight):
            left, above = weight.chunk(2, 1)
            picture = image.flip(2) if number else image
            own = slice(12 * number, 12 * (number + 1))
            gates = torch.einsum("oi,ihw->ohw", kernel[own], picture) + layer.input_to_state.bias[own, None, None]
            states = lstm_loop(gates, {(0, -1): left, (-1, 0): above}, carried_from=(0, -1))
            directions.append(states.flip(2) if number else states)
        both = directions[0].clone()
        both[:, 1:] += directions[1][:, :-1]
        widened = torch.einsum("oh,hrc->orc", masked(layer.widen)[:, :, 0, 0], both)
        torch.testing.assert_close(out, image + widened + layer.widen.bias[:, None, None])


@pytest.mark.parametrize(("taps", "directions"), [(THREE_ABOVE, 1), (LEFT_AND_ABOVE, 1), (LEFT_AND_ABOVE, 2)])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_gradient_is_that_of_finite_differences(taps: Taps, directions: int, height: int, width: int) -> None:
    gates = random_maps(directions, 8, height * width, 2).requires_grad_()
    weight = random_maps(directions, 8, 2 * len(taps)).requires_grad_()
    order = lines(height, width, taps, 2)
    assert torch.autograd.gradcheck(lambda g, w: Sweep.apply(g, w, order), (gates, weight), fast_mode=True)


@pytest.mark.parametrize(("height", "width"), [*SIZES, (7, 7)])
def test_diagonals_are_the_columns_of_the_skewed_picture(height: int, width: int) -> None:
    numbers = torch.arange(height * width).view(height, width)
    for direction, picture in enumerate((numbers, numbers.flip(1))):
        skewed = torch.full((height, height + width - 1), -1)
        for row in range(height):
            skewed[row, row : row + width] = picture[row]
        columns = [column[column >= 0].tolist() for column in skewed.unbind(1)]
        found = lines(height, width, LEFT_AND_ABOVE, 1)
        assert [numbers.flatten()[line.pixels[direction]].tolist() for line in found] == columns


@pytest.mark.parametrize("taps", [THREE_ABOVE, LEFT_AND_ABOVE])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_lines_put_back_are_the_picture(taps: Taps, height: int, width: int) -> None:
    maps = random_maps(2 if taps == LEFT_AND_ABOVE else 1, 3, height * width, 2)
    rebuilt = torch.full_like(maps, torch.nan)
    for line in lines(height, width, taps, 2):
        _scatter(_gather(maps, line), line, rebuilt)
    assert torch.equal(rebuilt, maps)


def reach(function: object, height: int, width: int, maps: int) -> Tensor:
    """Whether the output at place j changes with the input at place i, at (i, j)."""
    assert callable(function)
    places = height * width
    one = random_maps(maps, places, 1)
    changed = torch.cat([one, one + torch.eye(places, dtype=torch.float64)], 2)
    with torch.no_grad():
        out = function(changed.view(maps, height, width, -1)).flatten(1, 2)
    return ((out[..., 1:] - out[..., :1]).abs() > 1e-14).any(0).T


def test_second_direction_leaks_unless_it_is_moved_down() -> None:
    layer = layer_of(DiagonalBiLSTMLayer)
    assert isinstance(layer, DiagonalBiLSTMLayer)
    later = torch.ones(49, 49, dtype=torch.bool).tril(-1)

    def unmoved(maps: Tensor) -> Tensor:
        gates = torch.einsum("oi,ihwn->ohwn", masked(layer.input_to_state)[:, :, 0, 0], maps)
        first, second = layer.recurrence(gates).chunk(2)
        return first + second

    assert int((reach(unmoved, 7, 7, 6) & later).sum()) == 147  # 21 pairs in each of 7 rows
    sees = reach(layer, 7, 7, 6)
    assert not (sees & later).any()
    row, column = torch.arange(49) // 7, torch.arange(49) % 7
    last_of_row_above = (row[:, None] == row - 1) & (column[:, None] > column)
    assert sees[~later & ~last_of_row_above].all()


def test_row_lstm_sees_a_triangle() -> None:
    sees = reach(layer_of(RowLSTMLayer), 5, 9, 6)
    row, column = torch.arange(45) // 9, torch.arange(45) % 9
    up = row - row[:, None]
    right = column[:, None] - column
    torch.testing.assert_close(sees, (up >= 0) & (right <= up) & (right >= -up - 1))


def test_only_the_end_of_the_row_above_is_unseen_by_the_diagonal_network() -> None:
    torch.manual_seed(0)
    network = RecurrentNetwork((1, 7, 7), 2, 12, 2, DiagonalBiLSTMLayer).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    sees = reach(lambda maps: network(maps.permute(3, 0, 1, 2))[:, 0].permute(1, 2, 3, 0), 7, 7, 1)
    unseen = (~sees & torch.ones(49, 49, dtype=torch.bool).triu(1)).nonzero().tolist()
    # The last pixel of a row, from more than 3 columns to its left in the next row.
    assert unseen == [[7 * row + 6, 7 * (row + 1) + column] for row in range(6) for column in range(3)]


@LAYERS
@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_pixel_by_pixel_is_all_at_once(found: type[Layer], channels: int) -> None:
    layer, maps = layer_of(found, channels), random_maps(6, 5, 4, 3)
    remembering, expected = layer.remembering(3, 4), layer(maps)
    for row, column in itertools.product(range(5), range(4)):
        if row and column == 0:
            remembering.next_row()
        remembering.pixel(column, torch.full((3, 6), 5.0, dtype=torch.float64))  # must be forgotten
        torch.testing.assert_close(remembering.pixel(column, maps[:, row, column].T), expected[:, row, column].T)


def test_mixed_precision_keeps_the_states_in_full() -> None:
    recurrence = Recurrence(3, THREE_ABOVE)
    gates = torch.randn(12, 4, 5, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        states = recurrence(gates.bfloat16())
    assert states.dtype == torch.float32
    torch.testing.assert_close(states, recurrence(gates), atol=0.02, rtol=0.02)
    states.sum().backward()
    assert gates.grad is not None
    assert gates.grad.abs().sum() > 0
