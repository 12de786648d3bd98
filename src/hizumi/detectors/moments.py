"""Mean and covariance of rows that come in parts, here and in other processes."""

from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from hizumi.detectors.shard import Shard
from hizumi.networks.precision import doubled


class Moments:
    """Sums and products of (n, *places, k) in double precision, about a point near the mean, against rounding.

    The point is the first part's mean over items and places. Those of several processes are brought to one point, by
    Σ(x-p)(x-p)ᵀ = Σ(x-q)(x-q)ᵀ + e Σ(x-q)ᵀ + Σ(x-q) eᵀ + n e eᵀ with e = q - p, and then add up (Chan, Golub & LeVeque
    1983, there about the means). Without `crossed`, of products the squares alone are kept, for variances.
    """

    point: Float[Tensor, " k"]
    sum: Float[Tensor, "*places k"]
    products: Tensor  # (*places, k, k), or (*places, k)

    def __init__(self, *, crossed: bool = True) -> None:
        self.crossed = crossed
        self.count = 0

    def add(self, values: Float[Tensor, "n *places k"]) -> None:
        """Add items."""
        values = doubled(values)
        if self.count == 0:
            self.point = values.flatten(0, -2).mean(0)
            self.sum = values.new_zeros(values.shape[1:])
            others = values.shape[-1:] if self.crossed else ()
            self.products = values.new_zeros(*values.shape[1:], *others)
        shifted = (values - self.point).movedim(0, -2)  # (*places, n, k)
        self.count += len(values)
        self.sum += shifted.sum(-2)
        self.products += shifted.mT @ shifted if self.crossed else shifted.square().sum(-2)

    def of_all(self, shard: Shard) -> Self:
        """Those of all processes that share; the same, to the last bit, in each."""
        if shard.fabric is None:
            return self
        everywhere = type(self)(crossed=self.crossed)
        everywhere.point = shard.from_first(self.point)
        sum_, products = self._about(everywhere.point)
        everywhere.count = int(shard.summed(torch.tensor(self.count, device=sum_.device)))
        everywhere.sum, everywhere.products = shard.summed(sum_), shard.summed(products)
        return everywhere

    @property
    def mean(self) -> Float[Tensor, "*places k"]:
        """Of each place."""
        return self.sum / self.count + self.point

    @property
    def covariance(self) -> Float[Tensor, "*places k k"]:
        """Of each place, over the number of items."""
        apart = self.sum / self.count
        return self.products / self.count - apart[..., :, None] * apart[..., None, :]

    def variance(self, parts: int = 1) -> Float[Tensor, "parts k"]:
        """Of each number, over all items and places together, or over each of so many equal parts of the places."""
        squares = self.products.diagonal(dim1=-2, dim2=-1) if self.crossed else self.products
        of_squares, of_numbers = (
            each.reshape(parts, -1, each.shape[-1]).mean(1) / self.count for each in (squares, self.sum)
        )
        return of_squares - of_numbers.square()

    def _about(self, point: Float[Tensor, " k"]) -> tuple[Tensor, Tensor]:
        """Sums and products about another point."""
        apart = self.point - point
        if not self.crossed:
            return self.sum + self.count * apart, self.products + 2 * self.sum * apart + self.count * apart.square()
        one_way = self.sum[..., :, None] * apart
        products = self.products + one_way + one_way.mT + self.count * torch.outer(apart, apart)
        return self.sum + self.count * apart, products
