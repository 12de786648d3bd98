"""PCA: what a few principal components cannot rebuild is anomalous."""

from typing import Annotated, Literal

from torch import Tensor

from hizumi.arguments import NonNegativeFloat, Searched
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import VarianceShare, principal_axes, rows, rows_of
from hizumi.objectives import smooth
from hizumi.training import Card

SMALLEST_VARIANCE = 1e-12


class PCA(Detector):
    """A(x) = mean of (x - x̂)², x̂ the projection of x onto the subspace that holds most of the normal data's variance.

    The terms are those of multivariate process control: `residual` is how far an item lies from the subspace (Q, or
    squared prediction error, over the number of pixels or columns), `within` how unusual it is among the items in the
    subspace (Hotelling's T²), `combined` both, each over its mean for the training data.

    Args:
        variance_share: Of the data's variance, how much the subspace holds; it always leaves one direction out.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
        statistic: The term that is the score, and whose shares are the map.
    """

    card = Card(
        family="reconstruction",
        idea="what a few principal components cannot rebuild is anomalous",
        paper="Jackson & Mudholkar, Control procedures for residuals associated with principal component analysis, "
        "Technometrics 1979; combined: Yue & Qin, Industrial & Engineering Chemistry Research 2001",
        localises=True,
    )
    working_size = 32
    centre: Tensor  # (d,)
    axes: Tensor  # (d, k)
    variances: Tensor  # (k,), of the training data along the axes
    left_out: Tensor | None  # (), the mean residual of the training data; None in bundles of earlier versions

    def __init__(
        self,
        variance_share: Annotated[VarianceShare, Searched(0.5, 0.995)] = 0.95,
        smoothing: Annotated[NonNegativeFloat, Searched(0, 8, of_rows=False)] = 2.0,
        statistic: Literal["residual", "within", "combined"] = "residual",
    ) -> None:
        super().__init__()
        self.variance_share = variance_share
        self.smoothing = smoothing
        self.statistic = statistic
        for name in ("centre", "axes", "variances", "left_out"):
            self.register_buffer(name, None)

    def fit_statistics(self, batches: Batches) -> None:
        training_rows = rows_of(batches, "raw")
        self.centre = training_rows.mean(0)
        centred = training_rows - self.centre
        self.axes = principal_axes(centred, self.variance_share)[:, : centred.shape[1] - 1].contiguous()
        coefficients = centred @ self.axes
        self.variances = coefficients.square().mean(0)
        residuals = (centred - coefficients @ self.axes.T).square().mean()
        self.left_out = residuals.clamp(min=SMALLEST_VARIANCE)

    def score_batch(self, images: Tensor) -> Anomaly:
        coefficients, rebuilt = self._projected(images)
        squares = (images.double() - rebuilt).square()
        residual = squares.flatten(1).mean(1)
        within = (coefficients.square() / self.variances.clamp(min=SMALLEST_VARIANCE)).sum(1)
        terms = {"residual": residual, "within": within}
        if self.left_out is not None:
            terms["combined"] = residual / self.left_out + within / max(1, len(self.variances))
        pixel = None
        if images.ndim == 4:
            shares = self._shares(squares, coefficients).mean(1, keepdim=True)
            pixel = smooth((shares * self.centre.numel()).to(images.dtype), self.smoothing)
        return Anomaly(terms[self.statistic], pixel, terms, reconstruction=rebuilt.to(images.dtype))

    def contribution_batch(self, images: Tensor) -> Tensor:
        coefficients, rebuilt = self._projected(images)
        return self._shares((images.double() - rebuilt).square(), coefficients)

    def embedding(self, images: Tensor) -> Tensor:
        return (rows(images, "raw") - self.centre) @ self.axes

    def _projected(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates along the axes, and the items that they rebuild."""
        coefficients = self.embedding(images)
        return coefficients, (self.centre + coefficients @ self.axes.T).reshape(images.shape)

    def _shares(self, squares: Tensor, coefficients: Tensor) -> Tensor:
        """What each number adds to the score, of the shape of the squared residuals."""
        residual = squares / self.centre.numel()
        if self.statistic == "residual":
            return residual
        # The axes are orthonormal, so that the sum over numbers is that over axes.
        whitened = coefficients / self.variances.clamp(min=SMALLEST_VARIANCE).sqrt()
        within = (whitened @ self.axes.T).square().reshape(squares.shape)
        if self.statistic == "within":
            return within
        assert self.left_out is not None
        return residual / self.left_out + within / max(1, len(self.variances))
