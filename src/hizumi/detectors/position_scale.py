"""How large a map's values are at each position on normal images, so that no position counts more than another."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from hizumi.errors import NotFittedError
from hizumi.objectives import smooth

REFERENCE_SHARE = 0.2  # of the normal data, what is held out for the moments
REACH = 1.5  # positions: standard deviation of the blur of what a position has of its own
RINGS = 5  # one position wide, from the edge inwards; all that lies deeper is the last
ENOUGH = 20  # maps, of which what a position has of its own counts half
LEAST_SPREAD = 1e-6  # relative to the largest value: nothing is divided by less


class PositionScale(nn.Module):
    """z(p) = (d(p) - m(p)) / (a s(p)): a map of distances, measured against normal images' at each position.

    Edges, where a network sees its padding, and places where normal parts vary lie farther from normal data than
    others in every image; their largest value would otherwise be the image's score. Mean m and deviation s are those of
    images that the distances were not fitted on: of all positions as far from the edge, and, by n / (n + 20) of n
    images, what the position itself differs from these, blurred over its neighbours. With a the largest z of a normal
    image is 1 on average.
    """

    mean: Tensor | None  # (places,)
    deviation: Tensor | None  # (places,), a s

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", None)
        self.register_buffer("deviation", None)

    def fit(self, values: Float[Tensor, "n places"], grid: tuple[int, int]) -> None:
        """Take the moments of normal images' values; `grid` is rows and columns of positions.

        Places are these positions, or those of several pictures, one after another, each of which has its own moments.
        """
        values = values.double()
        own = len(values) / (len(values) + ENOUGH)
        least = LEAST_SPREAD * max(float(values.abs().max()), LEAST_SPREAD)
        common, spread = torch.empty(2, values.shape[1], dtype=values.dtype, device=values.device)
        rings = torch.cat([_rings(grid) + RINGS * picture for picture in range(pictures_in(values, grid))])
        rings = rings.to(values.device)
        for ring in torch.unique(rings):
            inside = rings == ring
            common[inside] = values[:, inside].mean()
            spread[inside] = values[:, inside].std(correction=0).clamp(min=least)
        mean = common + own * _blurred(values.mean(0) - common, grid)
        ratio = _blurred(values.std(0, correction=0) / spread, grid)
        deviation = (spread * (1 + own * (ratio - 1))).clamp(min=least)
        largest = ((values - mean) / deviation).amax(1).mean().clamp(min=LEAST_SPREAD)
        self.mean = mean.float()
        self.deviation = (largest * deviation).float()

    def forward(self, values: Float[Tensor, "n places"]) -> Float[Tensor, "n places"]:
        if self.mean is None or self.deviation is None:
            raise NotFittedError("this PositionScale is not fitted yet; call fit first")
        return (values - self.mean) / self.deviation


def _rings(grid: tuple[int, int]) -> Int[Tensor, " positions"]:
    """How many positions each one is from the nearest edge, 0 at it and at most RINGS - 1."""
    rows, columns = (torch.minimum(torch.arange(side), torch.arange(side).flip(0)) for side in grid)
    return torch.minimum(rows[:, None], columns[None]).clamp(max=RINGS - 1).flatten()


def _blurred(values: Float[Tensor, " places"], grid: tuple[int, int]) -> Float[Tensor, " places"]:
    return smooth(values.reshape(-1, 1, *grid), REACH).flatten()


def pictures_in(values: Shaped[Tensor, "n places ..."], grid: tuple[int, int]) -> int:
    """Of how many pictures these are the positions, one picture after another."""
    return values.shape[1] // (grid[0] * grid[1])
