"""A Gaussian at each position of a grid of features."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from hizumi.detectors.gaussian import Gaussian
from hizumi.detectors.moments import Moments
from hizumi.detectors.shard import Shard
from hizumi.errors import NotFittedError

LEAST_VARIANCE = 1e-12  # of a channel that never varies


class PositionGaussians(nn.Module):
    """d(p) = Mahalanobis distance of the features at position p from those of normal images there (PaDiM's).

    Some channels are drawn, the same at all positions, and brought to unit variance. Moments are taken over all images
    and over the `around` x `around` positions around p, which a part that lies a little elsewhere moves by; `ridge` is
    added to their covariance's diagonal, for there may be fewer images than channels.

    Args:
        channels: How many of the features' channels are drawn; all where there are no more.
        around: Positions across the square that a position's moments are taken over; odd.
        ridge: Variance that is added, in units of a channel's.
    """

    drawn: Tensor | None  # (k,) indices of channels
    scale: Tensor | None  # (k,) by which each is multiplied

    def __init__(self, channels: int, around: int, ridge: float) -> None:
        super().__init__()
        self.channels = channels
        self.around = around
        self.ridge = ridge
        self.gaussian = Gaussian()
        self.register_buffer("drawn", None)
        self.register_buffer("scale", None)
        self._moments: Moments | None = None

    def begin(self) -> None:
        """Forget what an attempt that broke off has added."""
        self._moments = None

    def add(self, placed: Float[Tensor, "n positions c"]) -> None:
        """Add normal images' features to those that `fit` takes moments of."""
        if self._moments is None:
            order = torch.randperm(placed.shape[2], generator=torch.Generator().manual_seed(0))
            self.drawn = order[: self.channels].sort().values.to(placed.device)
            self._moments = Moments()
        self._moments.add(placed[:, :, self.drawn])

    def fit(self, grid: tuple[int, int], shard: Shard) -> None:
        """Estimate the Gaussians from all that was added, by whoever shares, and forget it.

        `grid` is rows and columns of positions.
        """
        assert self._moments is not None, "nothing was added"
        moments, self._moments = self._moments.of_all(shard), None
        variance = moments.variance()
        self.scale = variance.clamp(min=LEAST_VARIANCE).rsqrt().float()
        mean, covariance = _around(moments, grid, self.around)
        scale = self.scale.double()
        covariance *= scale[:, None] * scale
        covariance.diagonal(dim1=1, dim2=2).add_(self.ridge)
        # Kept in single precision: there are hundreds of these matrices, and each is well conditioned by now.
        self.gaussian.assign((mean * scale).float(), covariance.float())

    def forward(self, placed: Float[Tensor, "n positions c"]) -> Float[Tensor, "n positions"]:
        if self.drawn is None or self.scale is None:
            raise NotFittedError("these PositionGaussians are not fitted yet; call fit first")
        return self.gaussian.squared_distance(placed[:, :, self.drawn] * self.scale).sqrt()


def _around(moments: Moments, grid: tuple[int, int], side: int) -> tuple[Tensor, Tensor]:
    """Mean (positions, k) and covariance (positions, k, k) over the square around each position."""
    mean = _averaged(moments.sum / moments.count, grid, side)
    covariance = _averaged(moments.products / moments.count, grid, side)
    covariance -= mean[:, :, None] * mean[:, None, :]
    return mean + moments.point, covariance


def _averaged(values: Float[Tensor, "positions *k"], grid: tuple[int, int], side: int) -> Float[Tensor, "positions *k"]:
    if side == 1:
        return values
    maps = values.reshape(*grid, -1).permute(2, 0, 1)
    return avg_pool2d(maps, side, 1, side // 2, count_include_pad=False).permute(1, 2, 0).reshape(values.shape)
