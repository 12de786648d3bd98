"""Along which sides of a map networks work, and whether their last numbers are bounded: by the shape of the data.

An image has two sides and brightness in [-1, 1]. A window of a series, (c, 1, t), has time alone, in each channel's
standard deviations, which nothing bounds: kernels are then one row high, and nothing is resized from row to row.
"""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from hizumi.shapes import is_bounded, is_series

Pair = tuple[int, int]


class Axes(NamedTuple):
    """The sides that are worked along: columns always, rows where a map has more than one."""

    rows: bool = True

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> "Axes":
        """The sides of items of a shape (c, h, w)."""
        return cls(not is_series(shape))

    def size(self, side: int) -> Pair:
        """Rows and columns of a kernel, a stride or a factor of `side`."""
        return side if self.rows else 1, side

    def padding(self, side: int) -> Pair:
        """Rows and columns that `side` pixels are added to, at either end."""
        return side if self.rows else 0, side

    def convolution(self, kernel: int, stride: int = 1, padding: int = 0) -> tuple[Pair, Pair, Pair]:
        """Kernel, stride and padding, in the order of torch's convolutions."""
        return self.size(kernel), self.size(stride), self.padding(padding)

    def enlarged(self, maps: Tensor, times: int = 1) -> Tensor:
        """Maps with each pixel repeated along the sides, `times` times over."""
        return interpolate(maps, scale_factor=self.size(2**times), mode="nearest") if times else maps

    def averaged(self, maps: Tensor, times: int = 1) -> Tensor:
        """Maps with each two pixels along the sides averaged, `times` times over."""
        return avg_pool2d(maps, self.size(2**times)) if times else maps


def bound(shape: tuple[int, ...]) -> nn.Module:
    """The last activation of what makes items of this shape: tanh where they are bounded."""
    return nn.Tanh() if is_bounded(shape) else nn.Identity()
