"""How large a map's values are at each position on normal images, so that no position counts more than another."""

from jaxtyping import Float
from torch import Tensor, nn

from hizumi.errors import NotFittedError
from hizumi.objectives import smooth

REFERENCE_SHARE = 0.2  # of the normal data, what is held out for the moments
REACH = 1.5  # positions: standard deviation of the blur of the moments
ENOUGH = 5  # maps, of which half of a position's moments are its own; of 20 they are four fifths
LEAST_SPREAD = 1e-6  # relative to the largest: nothing is divided by less


class PositionScale(nn.Module):
    """z(p) = (d(p) - m(p)) / (a s(p)): a map of distances, measured against normal images' at each position.

    Edges, where a network sees its padding, and places where normal parts vary lie farther from normal data than
    others in every image; their largest value would otherwise be the image's score. Mean m and deviation s are those of
    images that the distances were not fitted on, blurred over neighbouring positions and, since a few images say
    little about one position, drawn towards those of all positions together, by 5 / (n + 5) of n images. With a the
    largest z of a normal image is 1 on average.
    """

    mean: Tensor | None
    deviation: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", None)
        self.register_buffer("deviation", None)

    def fit(self, values: Float[Tensor, "n positions"], grid: tuple[int, int]) -> None:
        """Take the moments of normal images' values; `grid` is rows and columns of positions."""
        values = values.double()
        own = len(values) / (len(values) + ENOUGH)
        mean = own * _blurred(values.mean(0), grid) + (1 - own) * values.mean()
        deviation = own * _blurred(values.std(0, correction=0), grid) + (1 - own) * values.std(correction=0)
        self.mean = mean.float()
        deviation = deviation.clamp(min=LEAST_SPREAD * max(float(values.abs().max()), LEAST_SPREAD))
        largest = ((values - mean) / deviation).amax(1).mean().clamp(min=LEAST_SPREAD)
        self.deviation = (largest * deviation).float()

    def forward(self, values: Float[Tensor, "n positions"]) -> Float[Tensor, "n positions"]:
        if self.mean is None or self.deviation is None:
            raise NotFittedError("this PositionScale is not fitted yet; call fit first")
        return (values - self.mean) / self.deviation


def _blurred(values: Float[Tensor, " positions"], grid: tuple[int, int]) -> Float[Tensor, " positions"]:
    return smooth(values.reshape(1, 1, *grid), REACH).flatten()
