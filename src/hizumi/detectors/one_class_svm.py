"""One-class SVM: the smallest region that holds most of the normal data."""

from typing import Annotated

from torch import Tensor

from hizumi.arguments import ProperShare, Searched
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import Features, FeatureSpace, VarianceShare, rows, rows_of
from hizumi.detectors.support import SupportVectorMachine
from hizumi.training import Card


class OneClassSVM(Detector):
    """A(x) = ρ - Σ a exp(-γ |x - xᵢ|²), γ = 1 / (k Var x); zero on the boundary.

    At most 10,000 training rows, drawn evenly, take part.

    Args:
        features: "raw" pixels or columns, "pca", a model that encodes, or "auto": "pca" for images, "raw" for vectors.
        nu: Upper bound on the share of training data outside, lower bound on that of support vectors.
        variance_share: Of the data's variance, how much the principal components keep.
    """

    card = Card(
        family="distance",
        idea="the smallest region, in a kernel's space, that holds most of the normal data",
        paper="Schölkopf et al., Estimating the support of a high-dimensional distribution, Neural Computation 2001",
    )
    working_size = 32

    def __init__(
        self,
        features: Features = "auto",
        nu: Annotated[ProperShare, Searched(0.005, 0.5, log=True)] = 0.05,
        variance_share: Annotated[VarianceShare, Searched(0.5, 0.995, of_rows=False)] = 0.95,
    ) -> None:
        super().__init__()
        self.features = features
        self.variance_share = variance_share
        self.space = FeatureSpace(features, variance_share)
        self.nu = nu
        self.machine = SupportVectorMachine("rbf", nu)

    def fit_statistics(self, batches: Batches) -> None:
        self.machine.fit(self.space.fit(rows_of(batches, self.features), images=len(batches.shape) == 3))

    def score_batch(self, images: Tensor) -> Anomaly:
        return Anomaly(self.machine(self.embedding(images)))

    def embedding(self, images: Tensor) -> Tensor:
        return self.space(rows(images, self.features))
