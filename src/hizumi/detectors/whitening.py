"""Residuals of a model that rebuilds items, in units of what is usual for normal items."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from hizumi.data.stream import Batches
from hizumi.detectors.shard import Shard
from hizumi.detectors.shrunk_gaussian import ShrunkGaussian


class ResidualWhitening(nn.Module):
    """W (x - x̂ - m), squared, number by number: 1 on average, and without correlation, for the items of the fit.

    m and Σ are mean and Ledoit-Wolf covariance of their residuals, W the symmetric root of Σ⁻¹. The sum over an item
    is the squared Mahalanobis distance of its residual, the mean is the score of the detectors that measure by it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gaussian = ShrunkGaussian()

    def fit(self, batches: Batches, rebuild: Callable[[Tensor], Tensor]) -> None:
        """Estimate the moments from normal items and what the model makes of them."""
        self.gaussian.fit(Shard.of(batches).of_all(lambda batch: _rows(batch, rebuild(batch))))

    def forward(
        self, items: Float[Tensor, "n *shape"], rebuilt: Float[Tensor, "n *shape"]
    ) -> Float[Tensor, "n *shape"]:
        """Squares of the whitened residuals, in double precision."""
        return self.gaussian.contributions(_rows(items, rebuilt)).reshape(items.shape)


def _rows(items: Tensor, rebuilt: Tensor) -> Tensor:
    return (items.double() - rebuilt).flatten(1)
