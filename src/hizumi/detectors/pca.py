"""PCA: what a few principal components cannot rebuild is anomalous."""

from torch import Tensor

from hizumi.arguments import NonNegativeFloat
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import VarianceShare, principal_axes, rows, rows_of
from hizumi.objectives import smooth, squared_difference
from hizumi.training import Card


class PCA(Detector):
    """A(x) = mean of (x - x̂)², x̂ the projection of x onto the subspace that holds most of the normal data's variance.

    The terms are those of multivariate process control: `residual`, the score, is how far an item lies from the
    subspace (Q, or squared prediction error, over the number of pixels or columns), `within` how unusual it is among
    the items in the subspace (Hotelling's T²).

    Args:
        variance_share: Of the data's variance, how much the subspace holds; it always leaves one direction out.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
    """

    card = Card(
        family="reconstruction",
        idea="what a few principal components cannot rebuild is anomalous",
        paper="Jackson & Mudholkar, Control procedures for residuals associated with principal component analysis, "
        "Technometrics 1979",
        localises=True,
    )
    working_size = 32
    centre: Tensor  # (d,)
    axes: Tensor  # (d, k)
    variances: Tensor  # (k,), of the training data along the axes

    def __init__(self, variance_share: VarianceShare = 0.95, smoothing: NonNegativeFloat = 2.0) -> None:
        super().__init__()
        self.variance_share = variance_share
        self.smoothing = smoothing
        for name in ("centre", "axes", "variances"):
            self.register_buffer(name, None)

    def fit_statistics(self, batches: Batches) -> None:
        training_rows = rows_of(batches, "raw")
        self.centre = training_rows.mean(0)
        centred = training_rows - self.centre
        self.axes = principal_axes(centred, self.variance_share)[:, : centred.shape[1] - 1].contiguous()
        self.variances = (centred @ self.axes).square().mean(0)

    def score_batch(self, images: Tensor) -> Anomaly:
        coefficients = self.embedding(images)
        rebuilt = (self.centre + coefficients @ self.axes.T).reshape(images.shape)
        residual = (images.double() - rebuilt).square().flatten(1).mean(1)
        terms = {"residual": residual, "within": (coefficients.square() / self.variances.clamp(min=1e-12)).sum(1)}
        rebuilt = rebuilt.to(images.dtype)
        pixel = smooth(squared_difference(images, rebuilt), self.smoothing) if images.ndim == 4 else None
        return Anomaly(residual, pixel, terms, reconstruction=rebuilt)

    def embedding(self, images: Tensor) -> Tensor:
        return (rows(images, "raw") - self.centre) @ self.axes
