"""A Gaussian at each position of a grid of features."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.detectors.gaussian import Gaussian
from hizumi.detectors.moments import Moments
from hizumi.detectors.shard import Shard
from hizumi.errors import NotFittedError

AROUND = (3, 7, 15)  # positions across the squares that a position's moments may be taken over
LEAST_VARIANCE = 1e-12  # of a channel that never varies


class PositionGaussians(nn.Module):
    """d(p) = Mahalanobis distance of the features at position p from those of normal images there (PaDiM's).

    Some channels are drawn, the same at all positions, and brought to unit variance. Moments are taken over all images
    and over the square of positions around p, which a part that lies a little elsewhere moves by; `ridge` is added to
    their covariance's diagonal, for there may be fewer images than channels. Of several squares `choose` keeps the one
    under which other normal images are likeliest: a small one where a place looks alike in all of them, a large one
    where parts lie anywhere, and a place's own moments would be those of a few patches.

    Of images of several pictures (see `FixedFeatures`) every position of each of them is a place of its own.

    Args:
        channels: How many of the features' channels are drawn, all where there are no more; of several pictures fewer.
        around: Positions across the square that a position's moments are taken over, odd; or several such.
        ridge: Variance that is added, in units of a channel's.
    """

    drawn: Tensor | None  # (k,) indices of channels
    scale: Tensor | None  # (k,) by which each is multiplied; (places, k) where places are those of several pictures

    def __init__(self, channels: int, around: int | Sequence[int], ridge: float) -> None:
        super().__init__()
        self.channels = channels
        self.around = (around,) if isinstance(around, int) else tuple(around)
        self.ridge = ridge
        self.gaussian = Gaussian()
        self.register_buffer("drawn", None)
        self.register_buffer("scale", None)
        self._pictures = 1
        self._moments: Moments | None = None
        self._candidates: list[Gaussian] = []  # one for each square, until one of them is chosen

    def begin(self, pictures: int = 1) -> None:
        """Say how many pictures' positions the places are, and forget what an attempt that broke off has added."""
        self._pictures, self._moments, self._candidates = pictures, None, []

    def add(self, placed: Float[Tensor, "n places c"]) -> None:
        """Add normal images' features to those that `fit` takes moments of."""
        if self._moments is None:
            order = torch.randperm(placed.shape[2], generator=torch.Generator().manual_seed(0))
            count = max(1, round(self.channels / self._pictures**0.5))  # whose matrices take no more memory
            self.drawn = order[:count].sort().values.to(placed.device)
            self._moments = Moments()
        self._moments.add(placed[:, :, self.drawn])

    def fit(self, grid: tuple[int, int], shard: Shard) -> None:
        """Estimate the Gaussians from all that was added, by whoever shares, and forget it.

        `grid` is rows and columns of positions.
        """
        assert self._moments is not None, "nothing was added"
        moments, self._moments = self._moments.of_all(shard), None
        variance = moments.variance(self._pictures)
        scale = variance.clamp(min=LEAST_VARIANCE).rsqrt().float()
        self.scale = scale[0] if self._pictures == 1 else scale.repeat_interleave(grid[0] * grid[1], 0)
        sides = sorted({min(side, 2 * max(grid) - 1) for side in self.around})  # larger ones hold no more
        self._candidates = [self._estimated(moments, grid, side) for side in sides]
        self.gaussian = self._candidates[0]

    def of_each(self, placed: Float[Tensor, "n places c"]) -> Float[Tensor, "n squares places"]:
        """Distances from the Gaussians of each square that `choose` chooses from."""
        return torch.stack([self._distances(gaussian, placed) for gaussian in self._candidates], 1)

    def choose(self, of_each: Float[Tensor, "n squares places"]) -> Float[Tensor, "n places"]:
        """Keep the Gaussians of one square, by what `of_each` made of images that they were not fitted on.

        Gives those distances that are from the ones kept.
        """
        misfit = of_each.double().square().mean((0, 2)) / 2
        likelihood = torch.stack([gaussian.log_volume().mean() for gaussian in self._candidates]) - misfit
        chosen = int(likelihood.argmax())
        self.gaussian, self._candidates = self._candidates[chosen], []
        return of_each[:, chosen]

    def forward(self, placed: Float[Tensor, "n places c"]) -> Float[Tensor, "n places"]:
        return self._distances(self.gaussian, placed)

    def _distances(self, gaussian: Gaussian, placed: Float[Tensor, "n places c"]) -> Float[Tensor, "n places"]:
        if self.drawn is None or self.scale is None:
            raise NotFittedError("these PositionGaussians are not fitted yet; call fit first")
        return gaussian.squared_distance(placed[:, :, self.drawn] * self.scale).sqrt()

    def _estimated(self, moments: Moments, grid: tuple[int, int], side: int) -> Gaussian:
        assert self.scale is not None, "channels have their units"
        mean, covariance = _around(moments, grid, side)
        scale = self.scale.double()
        covariance *= scale[..., :, None] * scale[..., None, :]
        covariance.diagonal(dim1=1, dim2=2).add_(self.ridge)
        gaussian = Gaussian()
        # Kept in single precision: there are hundreds of these matrices, and each is well conditioned by now.
        gaussian.assign((mean * scale).float(), covariance.float())
        return gaussian


def _around(moments: Moments, grid: tuple[int, int], side: int) -> tuple[Tensor, Tensor]:
    """Mean (positions, k) and covariance (positions, k, k) over the square around each position."""
    mean = _averaged(moments.sum / moments.count, grid, side)
    covariance = _averaged(moments.products / moments.count, grid, side)
    covariance -= mean[:, :, None] * mean[:, None, :]
    return mean + moments.point, covariance


def _averaged(values: Float[Tensor, "places *k"], grid: tuple[int, int], side: int) -> Float[Tensor, "places *k"]:
    """Means over the square around each position, at edges over what there is of it."""
    rows, columns = (_window(count, side).to(values) for count in grid)
    pictures = len(values) // (grid[0] * grid[1])
    by_row = (rows @ values.reshape(pictures, grid[0], -1)).reshape(pictures, *grid, -1)
    return (columns @ by_row).reshape(values.shape)


def _window(count: int, side: int) -> Float[Tensor, "count count"]:
    """The matrix that takes the mean over so many neighbours in a line of so many positions."""
    places = torch.arange(count)
    inside = ((places[:, None] - places).abs() <= side // 2).double()
    return inside / inside.sum(1, keepdim=True)
