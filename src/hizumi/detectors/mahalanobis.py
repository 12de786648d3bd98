"""Mahalanobis: distance from the mean in units of the training data's own spread."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import Features, FeatureSpace
from hizumi.errors import UsageError
from hizumi.training import Card, Trainable


class Mahalanobis(Detector):
    """A(x) = d² = (x - m)ᵀ S⁻¹ (x - m), m and S from normal data; chi-square distributed where that is Gaussian.

    Args:
        features: "raw" pixels or columns, "pca", a model that encodes, or "auto": "pca" for images, "raw" for vectors.
        covariance: "ledoit-wolf" shrinkage, "empirical", or "robust" (minimum covariance determinant) where some of
            the training data may be anomalous.
        variance_share: Of the data's variance, how much the principal components keep.
    """

    card: ClassVar[Card] = Card(
        family="distance",
        idea="distance from the mean in units of the training data's own spread",
        paper="Mahalanobis, On the generalised distance in statistics, 1936; shrinkage: Ledoit & Wolf, JMVA 2004",
    )
    working_size: ClassVar[int] = 32
    mean: Tensor | None
    cholesky: Tensor | None

    def __init__(
        self,
        features: Features = "auto",
        covariance: Literal["ledoit-wolf", "empirical", "robust"] = "ledoit-wolf",
        variance_share: float = 0.95,
    ) -> None:
        super().__init__()
        self.space = FeatureSpace(features, variance_share)
        self.covariance, self.variance_share = covariance, variance_share
        self.register_buffer("mean", None)
        self.register_buffer("cholesky", None)

    def phases(self) -> tuple[Trainable, ...]:
        """The encoder, where there is one."""
        return (self.space.model,) if self.space.model is not None else ()

    def fit_statistics(self, batches: Batches) -> None:
        """Mean and covariance."""
        from sklearn.covariance import EmpiricalCovariance, LedoitWolf, MinCovDet

        rows = self.space.fit(batches).cpu().numpy()
        estimators = {
            "ledoit-wolf": LedoitWolf(),
            "empirical": EmpiricalCovariance(),
            "robust": MinCovDet(random_state=0),
        }
        if self.covariance not in estimators:
            raise UsageError(f"covariance {self.covariance!r} is not known; use {', '.join(estimators)}")
        estimate = estimators[self.covariance].fit(rows)
        covariance = torch.from_numpy(estimate.covariance_)
        # A direction in which nothing varied still needs a spread; a millionth of the mean keeps the rest as it is.
        floor = max(1e-6 * float(covariance.diagonal().mean()), 1e-12)
        self.mean = torch.from_numpy(estimate.location_)
        self.cholesky = torch.linalg.cholesky(covariance + floor * torch.eye(len(covariance), dtype=torch.float64))
        self.degrees_of_freedom = rows.shape[1]

    def score_batch(self, images: Tensor) -> Anomaly:
        """Squared distances."""
        assert self.mean is not None
        assert self.cholesky is not None
        whitened = torch.linalg.solve_triangular(self.cholesky, (self.space(images) - self.mean).T, upper=False)
        return Anomaly(whitened.square().sum(0))

    def features(self, images: Tensor) -> Tensor:
        """The rows that distances are measured between."""
        features: Tensor = self.space(images)
        return features
