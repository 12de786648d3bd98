"""A Gaussian of items that may have more numbers than there are items, as buffers, and what each number contributes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.detectors.features import principal_axes
from hizumi.errors import DataError, NotFittedError

LARGEST = 8192  # numbers of an item, whose covariance matrix then takes half a gigabyte

# A direction in which nothing varied still needs a spread; a millionth of the mean leaves the rest as it is.
RIDGE = 1e-6
SMALLEST_VARIANCE = 1e-12


class ShrunkGaussian(nn.Module):
    """Mean and Ledoit-Wolf covariance (JMVA 2004), (1 - s) S + s tr(S) / d I, by its principal axes.

    All directions in which no training row varied share one variance, so n rows take n axes however long they are.
    """

    mean: Tensor | None  # (d,)
    axes: Tensor | None  # (d, k)
    variances: Tensor | None  # (k,), along the axes
    rest: Tensor | None  # (), along every other direction

    def __init__(self) -> None:
        super().__init__()
        for name in ("mean", "axes", "variances", "rest"):
            self.register_buffer(name, None)

    def fit(self, rows: Float[Tensor, "n d"]) -> None:
        """Estimate the moments of two rows or more, in double precision."""
        count, columns = rows.shape
        if count < 2:
            raise DataError("one item to learn from, besides those held out, has no covariance; give three or more")
        self.mean = rows.mean(0)
        centred = rows - self.mean
        axes = principal_axes(centred, 1.0)
        empirical = (centred @ axes).square().mean(0)
        share, spread = shrinkage(empirical, centred.square().sum(1), columns), empirical.sum() / columns
        self.rest = share * spread + (RIDGE * spread).clamp(min=SMALLEST_VARIANCE)
        self.axes, self.variances = axes, (1 - share) * empirical + self.rest

    def squared_distance(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Squared Mahalanobis distances from the mean."""
        within, beyond, variances, rest = self._split(rows)
        return (within.square() / variances).sum(1) + beyond.square().sum(1) / rest

    def contributions(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """What each number adds to the squared distance: |Σ^(-1/2) (x - m)|², number by number.

        Of all ways to whiten, the symmetric root keeps each number closest to what it was before (Garthwaite & Koch,
        Australian & New Zealand Journal of Statistics 2016; Kessy, Lewin & Strimmer, American Statistician 2018).
        """
        within, beyond, variances, rest = self._split(rows)
        assert self.axes is not None
        return ((within / variances.sqrt()) @ self.axes.T + beyond / rest.sqrt()).square()

    def _split(self, rows: Float[Tensor, "n d"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Coordinates along the axes, what lies beyond them, and the variances of both."""
        if self.mean is None or self.axes is None or self.variances is None or self.rest is None:
            raise NotFittedError("this Gaussian has no moments yet; call fit first")
        centred = rows - self.mean
        within = centred @ self.axes
        return within, centred - within @ self.axes.T, self.variances, self.rest


def shrinkage(variances: Float[Tensor, " k"], squared_lengths: Float[Tensor, " n"], columns: int) -> Float[Tensor, ""]:
    """Ledoit and Wolf's share of the identity, from the empirical variances along the axes and |x - m|² of each row."""
    count = len(squared_lengths)
    squares = variances.square().sum()  # of all entries of the covariance matrix
    apart = squares - variances.sum().square() / columns  # from the nearest multiple of the identity, squared
    error = (squared_lengths.square().mean() - squares) / count  # of the empirical covariance, squared
    return torch.where(apart > 0, error / apart.clamp(min=torch.finfo(apart.dtype).tiny), 0.0).clamp(0, 1)
