"""Operations that ONNX or its engines lack, by operations that they have; NotImplemented leaves one as it is."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv_transpose2d, pad

aten = torch.ops.aten


def distances(rows: Tensor, others: Tensor, p: float, compute_mode: int | None) -> Any:
    """Euclidean distances of all rows (n, d) from all others (m, d)."""
    if p != 2 or rows.ndim != 2:
        return NotImplemented
    return (rows[:, None] - others).square().sum(2).sqrt()


def convolution(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    """In double precision, which engines convolve in no more: a matrix product over shifted images."""
    if images.dtype != torch.float64 or images.ndim != 4 or groups != 1 or any(step != 1 for step in dilation):
        return NotImplemented
    if transposed:
        reach = [side - 1 - edge for side, edge in zip(weight.shape[2:], padding, strict=True)]
        images = _spread(images, stride)
        after = [edge + extra for edge, extra in zip(reach, output_padding, strict=True)]
        images, stride = pad(images, (reach[1], after[1], reach[0], after[0])), (1, 1)
        weight = weight.flip(2, 3).transpose(0, 1)
    else:
        images = pad(images, (padding[1], padding[1], padding[0], padding[0]))
    rows, columns = (
        _seen(size, side, step, images.device)
        for size, side, step in zip(images.shape[2:], weight.shape[2:], stride, strict=True)
    )
    places = (
        rows[:, None, :, None] * images.shape[3] + columns[None, :, None]
    )  # of the kernel's sides, then the output's
    patches = (
        images.flatten(2)
        .index_select(2, places.flatten())
        .reshape(-1, weight[0].numel(), rows[0].numel() * columns[0].numel())
    )
    product = (weight.flatten(1) @ patches).reshape(-1, len(weight), rows.shape[1], columns.shape[1])
    return product if bias is None else product + bias[:, None, None]


def _seen(size: int, side: int, step: int, device: torch.device) -> Tensor:
    """Which row (or column) each row of a kernel sees for each row of the output, (side, output)."""
    return torch.arange(side, device=device)[:, None] + torch.arange(0, size - side + 1, step, device=device)


def convolution_backward(
    slopes: Tensor,
    images: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> Any:
    """The slope in the images alone, of a plain convolution: a transposed one."""
    if transposed or list(output_mask) != [True, False, False]:
        return NotImplemented
    missing = [
        size - ((made - 1) * step - 2 * edge + reach * (side - 1) + 1)
        for size, made, step, edge, reach, side in zip(
            images.shape[2:], slopes.shape[2:], stride, padding, dilation, weight.shape[2:], strict=True
        )
    ]
    return conv_transpose2d(slopes, weight, None, stride, padding, missing, groups, dilation), None, None


def leaky_relu(values: Tensor, slope: float = 0.01) -> Any:
    """In double precision, which engines know of other activations only."""
    return torch.where(values > 0, values, values * slope) if values.dtype == torch.float64 else NotImplemented


def sigmoid(values: Tensor) -> Any:
    """In double precision: ONNX Runtime takes that of a negative value from 1, which rounds what is near 0."""
    return 1 / (1 + (-values).exp()) if values.dtype == torch.float64 else NotImplemented


def tan(values: Tensor) -> Any:
    """In double precision, in which ONNX Runtime has sine and cosine only."""
    return values.sin() / values.cos() if values.dtype == torch.float64 else NotImplemented


def atan(values: Tensor) -> Any:
    """In double precision, in which ONNX Runtime has no such function: in single, of which seven digits are right."""
    return values.float().atan().double() if values.dtype == torch.float64 else NotImplemented


def log1p(values: Tensor) -> Any:
    """Kahan's: the logarithm of 1 + x as it was rounded, times what rounding made of x, which ONNX would lose."""
    whole = 1 + values
    kept = whole - 1
    return torch.where(kept == 0, values, whole.log() * torch.where(values < 1, values / kept, 1.0))


def expm1(values: Tensor) -> Any:
    """By a hyperbolic tangent, which keeps the digits of small values that a difference from 1 would lose."""
    return (values / 2).tanh() * (values.exp() + 1)


def hypot(one: Tensor, other: Tensor) -> Any:
    """The root of the sum of two squares, which ONNX has no name for."""
    return (one.square() + other.square()).sqrt()


def _spread(images: Tensor, steps: Sequence[int]) -> Tensor:
    """Zeros between the pixels, so that they lie so many steps apart."""
    for dimension, step in zip((2, 3), steps, strict=True):
        size = images.shape[dimension]
        zeros = [torch.zeros_like(images)] * (step - 1)
        images = torch.stack([images, *zeros], dimension + 1).flatten(dimension, dimension + 1)
        images = images.narrow(dimension, 0, (size - 1) * step + 1)
    return images


LOWERINGS: dict[Any, Callable[..., Any]] = {
    aten._cdist_forward.default: distances,
    aten.atan.default: atan,
    aten.expm1.default: expm1,
    aten.hypot.default: hypot,
    aten.leaky_relu.default: leaky_relu,
    aten.log1p.default: log1p,
    aten.sigmoid.default: sigmoid,
    aten.tan.default: tan,
    aten.convolution.default: convolution,
    aten.convolution_backward.default: convolution_backward,
}
