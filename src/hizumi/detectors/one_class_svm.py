"""One-class SVM: the smallest region that holds most of the normal data."""

from typing import ClassVar

import torch
from torch import Tensor

from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import Features, FeatureSpace, encoder_phase, rows, rows_of
from hizumi.training import Card, Trainable

MAX_ROWS = 10_000  # training takes time with the square of the rows


class OneClassSVM(Detector):
    """A(x) = ρ - Σ a exp(-γ |x - xᵢ|²), γ = 1 / (k Var x); zero on the boundary.

    At most 10,000 training rows, drawn evenly, take part.

    Args:
        features: "raw" pixels or columns, "pca", a model that encodes, or "auto": "pca" for images, "raw" for vectors.
        nu: Upper bound on the share of training data outside, lower bound on that of support vectors.
        variance_share: Of the data's variance, how much the principal components keep.
    """

    card: ClassVar[Card] = Card(
        family="distance",
        idea="the smallest region, in a kernel's space, that holds most of the normal data",
        paper="Schölkopf et al., Estimating the support of a high-dimensional distribution, Neural Computation 2001",
    )
    working_size: ClassVar[int] = 32
    support_vectors: Tensor | None
    coefficients: Tensor | None
    offset: Tensor | None
    gamma: Tensor | None

    def __init__(self, features: Features = "auto", nu: float = 0.05, variance_share: float = 0.95) -> None:
        super().__init__()
        self.features, self.variance_share = features, variance_share
        self.space = FeatureSpace(features, variance_share)
        self.nu = nu
        for name in ("support_vectors", "coefficients", "offset", "gamma"):
            self.register_buffer(name, None)

    def phases(self) -> tuple[Trainable, ...]:
        """The encoder, where there is one."""
        return encoder_phase(self.features)

    def fit_statistics(self, batches: Batches) -> None:
        """Support vectors, their coefficients and the offset."""
        from sklearn.svm import OneClassSVM as Machine

        training_rows = self.space.fit(rows_of(batches, self.features), images=len(batches.shape) == 3).cpu()
        training_rows = training_rows[
            torch.linspace(0, len(training_rows) - 1, min(len(training_rows), MAX_ROWS)).long()
        ]
        variance = float(training_rows.var(correction=0))
        gamma = 1 / (training_rows.shape[1] * variance) if variance > 0 else 1.0
        machine = Machine(nu=self.nu, gamma=gamma, tol=1e-6).fit(training_rows.numpy())
        self.support_vectors = torch.from_numpy(machine.support_vectors_)
        self.coefficients = torch.from_numpy(machine.dual_coef_[0].copy())
        self.offset = torch.tensor(-machine.intercept_[0], dtype=torch.float64)
        self.gamma = torch.tensor(gamma, dtype=torch.float64)

    def score_batch(self, images: Tensor) -> Anomaly:
        """Signed distances outside the boundary, in the kernel's space."""
        assert self.support_vectors is not None
        assert self.coefficients is not None
        assert self.offset is not None
        assert self.gamma is not None
        distance = torch.cdist(
            self.space(rows(images, self.features)), self.support_vectors, compute_mode="donot_use_mm_for_euclid_dist"
        )
        return Anomaly(self.offset - (-self.gamma * distance.square()).exp() @ self.coefficients)

    def embedding(self, images: Tensor) -> Tensor:
        """The rows that the kernel compares."""
        return self.space(rows(images, self.features))
