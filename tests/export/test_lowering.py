"""Operations in other words, against torch's own."""

import pytest
import torch
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from hizumi.export import lowering
from hizumi.export.lowering import (
    convolution,
    convolution_backward,
    distances,
    leaky_relu as lowered_leaky_relu,
    sigmoid,
)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((4, 4), (2, 2), (1, 1)), ((3, 5), (1, 2), (0, 2)), ((1, 1), (1, 1), (0, 0))]
)
@pytest.mark.parametrize("bias", [None, drawn(6)])
def test_convolutions_are_matrix_products(kernel, stride, padding, bias) -> None:
    images, weight = drawn(2, 3, 11, 14), drawn(6, 3, *kernel)
    expected = conv2d(images, weight, bias, stride, padding)
    found = convolution(images, weight, bias, stride, padding, (1, 1), False, (0, 0), 1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra"),
    [((4, 4), (2, 2), (1, 1), (0, 0)), ((3, 3), (2, 3), (1, 0), (1, 2)), ((2, 5), (1, 1), (0, 0), (0, 0))],
)
def test_transposed_ones_too(kernel, stride, padding, extra) -> None:
    images, weight, bias = drawn(2, 3, 5, 4), drawn(3, 6, *kernel), drawn(6)
    expected = conv_transpose2d(images, weight, bias, stride, padding, extra)
    found = convolution(images, weight, bias, stride, padding, (1, 1), True, extra, 1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_slopes_are_those_of_autograd(stride: int) -> None:
    images, weight = drawn(2, 3, 12, 13).requires_grad_(), drawn(6, 3, 4, 4)
    made = conv2d(images, weight, None, stride, 1)
    slopes = drawn(*made.shape)
    (expected,) = torch.autograd.grad(made, images, slopes)
    steps = (stride, stride)
    found, *_ = convolution_backward(
        slopes, images, weight, [0], steps, (1, 1), (1, 1), False, (0, 0), 1, (True, False, False)
    )
    torch.testing.assert_close(found, expected)


def test_distances_are_those_of_torch() -> None:
    rows, others = drawn(4, 3), drawn(7, 3)
    torch.testing.assert_close(distances(rows, others, 2.0, 2), torch.cdist(rows, others))


def test_sigmoids_near_0_keep_their_digits() -> None:
    values = torch.tensor([-800.0, -100.0, -30.0, -1.0, 0.0, 2.0, 40.0, 800.0], dtype=torch.float64)
    torch.testing.assert_close(sigmoid(values), torch.special.expit(values), rtol=1e-14, atol=0)


def test_leaky_rectifiers_are_those_of_torch() -> None:
    values = drawn(50)
    torch.testing.assert_close(lowered_leaky_relu(values, 0.2), leaky_relu(values, 0.2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logarithms_and_exponentials_next_to_1_keep_their_digits(dtype: torch.dtype) -> None:
    size = torch.logspace(-30, 1, 63, dtype=dtype)
    ends = torch.tensor([0.0, torch.inf], dtype=dtype)
    for values in (size, -size, ends, -ends):
        torch.testing.assert_close(lowering.expm1(values), values.expm1(), rtol=1e-6, atol=0)
    for values in (size, -size[size < 1], ends, torch.tensor([-1.0], dtype=dtype)):
        torch.testing.assert_close(lowering.log1p(values), values.log1p(), rtol=1e-6, atol=0)


def test_angles_are_those_of_torch() -> None:
    values = torch.tensor([0.0, 1e-12, 0.3, 1.5, 40.0, torch.inf], dtype=torch.float64)
    torch.testing.assert_close(lowering.atan(values), values.atan(), rtol=1e-6, atol=0)
    torch.testing.assert_close(lowering.tan(values[:4]), values[:4].tan())


def test_what_engines_know_is_left_to_them() -> None:
    images, weight = drawn(1, 1, 5, 5).float(), drawn(1, 1, 3, 3).float()
    assert convolution(images, weight, None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1) is NotImplemented
    assert sigmoid(images) is NotImplemented
