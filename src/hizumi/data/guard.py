"""The one guard of what detectors and models are given: type, shape, range and NaN, refused in words.

Public methods check what they are given. Inside of `trusted`, where the program's own code hands on what it has read
and scaled, they take everything as it is: that costs nothing, and an image far outside of the window is scored.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from hizumi.errors import DataError, UsageError
from hizumi.shapes import is_bounded

if TYPE_CHECKING:
    from torch import Tensor, nn

FURTHEST = 10.0  # a pixel value beyond it is taken for one on another scale, such as 0 to 255
LARGEST = float(np.finfo(np.float32).max)
REMEDY = "scale pixels to [-1, 1], or give the files or arrays to Inspector or Modeller, which scale them for you"

_TRUSTED = ContextVar("_TRUSTED", default=False)


@contextmanager
def trusted() -> Iterator[None]:
    """Methods called inside take their arguments as they are."""
    token = _TRUSTED.set(True)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def is_trusted() -> bool:
    """Whether this is inside of `trusted`."""
    return _TRUSTED.get()


def checked_items(items: Any, called: str, shape: tuple[int, ...] | None = None) -> "Tensor":
    """Images (n, c, h, w) in [-1, 1], windows (n, c, 1, t) or rows (n, d) as a tensor of floating-point numbers.

    Windows and rows have no range that they must lie in. Arrays, lists and tensors are taken; those of `shape` alone
    where it is given. Raises DataError, which begins with what the receiver is `called`.
    """
    tensor = _tensor(items, called)
    if tensor.ndim not in (2, 4) or (shape is not None and tuple(tensor.shape[1:]) != shape):
        raise DataError(f"{called} {_expected(shape)}, not {_described(tensor)}{_shape_hint(tensor, shape)}")
    if 0 in tensor.shape:
        raise DataError(f"{called} was given no items: {_described(tensor)}; give one or more")
    pictures = is_bounded(tuple(tensor.shape[1:]))
    if pictures and not tensor.is_floating_point():
        raise DataError(
            f"{called} takes images as floating-point numbers in [-1, 1], not {_described(tensor)}; {REMEDY}"
        )
    tensor = _floating(tensor)
    lowest, highest = _range(tensor, called)
    if pictures and max(-lowest, highest) > FURTHEST:
        raise DataError(f"{called} takes images in [-1, 1], not values from {lowest:g} to {highest:g}; {REMEDY}")
    return tensor


def checked_codes(codes: Any, called: str) -> "Tensor":
    """Codes (n, k) or (n, k, p, q) as a tensor of floating-point numbers."""
    tensor = _tensor(codes, called)
    if tensor.ndim not in (2, 4):
        raise DataError(f"{called} takes codes (n, k) or (n, k, p, q), not {_described(tensor)}")
    if 0 in tensor.shape:
        raise DataError(f"{called} was given no codes: {_described(tensor)}; give one or more")
    tensor = _floating(tensor)
    _range(tensor, called)
    return tensor


def as_computed(tensor: "Tensor", module: "nn.Module") -> "Tensor":
    """Doubles in single precision, unless all of the module's numbers are doubles; all in double, if its weights are.

    Raises UsageError where a module was turned into one of half precision, in which statistics overflow.
    """
    import torch

    numbers = {each.dtype for each in (*module.parameters(), *module.buffers()) if each.is_floating_point()}
    if short := numbers & {torch.float16, torch.bfloat16}:
        raise UsageError(
            f"this {type(module).__name__} was turned into one of {str(short.pop()).removeprefix('torch.')}, in which "
            'it cannot be computed; fit or load it again, and give precision="bf16-mixed" to Detector.score for speed'
        )
    has_weights = any(each.is_floating_point() for each in module.parameters())
    double = numbers <= {torch.float64} and (has_weights or tensor.dtype == torch.float64)
    return tensor.double() if double else tensor.float()


def _tensor(given: Any, called: str) -> "Tensor":
    import torch
    from torch import Tensor

    if isinstance(given, Tensor):
        tensor = given.to_dense() if given.layout != torch.strided else given
    else:
        tensor = torch.from_numpy(_array(given, called))
    if tensor.is_complex():
        raise DataError(f"{called} takes real numbers, not {_described(tensor)}")
    return tensor


def _array(given: Any, called: str) -> np.ndarray:
    """An array that torch takes: numbers in the machine's own order, in memory that may be written to."""
    if np.ma.is_masked(given):
        masked = int(np.ma.getmaskarray(given).sum())
        raise DataError(f"{called} was given an array of which {masked:,} numbers are masked; fill them in")
    try:
        array = np.asarray(given)
    except ValueError:  # rows of several lengths
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        kind = type(given).__name__
        raise DataError(
            f"{called} takes a tensor or array of numbers, not {'an' if kind[0] in 'aeiou' else 'a'} {kind}; "
            "Inspector and Modeller take files, folders and tables"
        )
    kept = np.float64 if array.dtype.itemsize > 8 else array.dtype.newbyteorder("=")
    return np.require(array, kept, ["C", "W"])


def _floating(tensor: "Tensor") -> "Tensor":
    """In single precision, or in double where that may not have all digits: of integers such as time stamps."""
    import torch

    if tensor.dtype in (torch.float32, torch.float64):
        return tensor
    return tensor.float() if tensor.is_floating_point() or tensor.itemsize <= 2 else tensor.double()


def _range(tensor: "Tensor", called: str) -> tuple[float, float]:
    import torch

    lowest, highest = (float(value) for value in torch.aminmax(tensor.detach()))
    if not (lowest >= -LARGEST and highest <= LARGEST):
        place = (~(tensor.detach().abs() <= LARGEST)).nonzero()[0].tolist()
        value = float(tensor[tuple(place)])
        raise DataError(f"{called} was given {value:g} in item {place[0]}; leave such items out, or fill the gaps")
    return lowest, highest


def _expected(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return "takes images (n, c, h, w) or rows (n, d)"
    return f"was fitted on items of shape {shape} and takes ({', '.join(map(str, ('n', *shape)))})"


def _shape_hint(tensor: "Tensor", shape: tuple[int, ...] | None) -> str:
    sides = tuple(tensor.shape)
    if shape is None:
        return "; put single images in a batch, and channels first" if len(sides) in (1, 3) else ""
    if sides == shape:
        return "; put a single item in a batch: items[None]"
    if len(sides) == 4 and len(shape) == 3 and (sides[3], *sides[1:3]) == shape:
        return "; put channels first"
    return ""


def _described(tensor: "Tensor") -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
