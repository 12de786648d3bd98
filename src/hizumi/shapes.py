"""Array types with shapes, such as Float[np.ndarray, "n c h w"], for modules that also run without jaxtyping.

They are jaxtyping's for type checkers, and where jaxtyping has been imported before, as tests do to check them at run
time; else they are the plain array types, which cost nothing to load.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool, Float as Float, Integer as Integer, Shaped as Shaped, UInt8 as UInt8
else:

    class _Plain:
        """The array type alone, whatever is said of its elements and shape."""

        def __class_getitem__(cls, array_and_shape):
            return array_and_shape[0]

    Bool = Float = Integer = Shaped = UInt8 = _Plain

__all__ = ["Bool", "Float", "Integer", "Shaped", "UInt8", "is_bounded", "is_series", "noun_of_item"]


def is_series(shape: tuple[int, ...]) -> bool:
    """Whether items of this shape are windows of time series, (c, 1, t): images one row high."""
    return len(shape) == 3 and shape[1] == 1


def is_bounded(shape: tuple[int, ...]) -> bool:
    """Whether items of this shape lie in [-1, 1], as those of images do; all others have no bounds."""
    return len(shape) == 3 and not is_series(shape)


def noun_of_item(shape: tuple[int, ...]) -> str:
    """What people call one item of this shape."""
    if len(shape) == 1:
        return "row"
    return "window" if is_series(shape) else "image"
