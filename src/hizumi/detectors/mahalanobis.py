"""Mahalanobis: distance from the mean in units of the training data's own spread."""

from typing import Literal

import torch
from torch import Tensor

from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import Features, FeatureSpace, VarianceShare, rows, rows_of
from hizumi.detectors.gaussian import Gaussian
from hizumi.errors import DataError
from hizumi.training import Card


class Mahalanobis(Detector):
    """A(x) = d² = (x - m)ᵀ S⁻¹ (x - m), m and S from normal data; chi-square distributed where that is Gaussian.

    Args:
        features: "raw" pixels or columns, "pca", a model that encodes, or "auto": "pca" for images, "raw" for vectors.
        covariance: "ledoit-wolf" shrinkage, "empirical", "robust" (minimum covariance determinant) where some of the
            training data may be anomalous, or "identity": the plain distance from the mean, which is what anything
            that rebuilds every item as the mean would say; no chi-square law then.
        variance_share: Of the data's variance, how much the principal components keep.
    """

    card = Card(
        family="distance",
        idea="distance from the mean in units of the training data's own spread",
        paper="Mahalanobis, On the generalised distance in statistics, 1936; shrinkage: Ledoit & Wolf, JMVA 2004",
    )
    working_size = 32
    follows_chi_square = True

    def __init__(
        self,
        features: Features = "auto",
        covariance: Literal["ledoit-wolf", "empirical", "robust", "identity"] = "ledoit-wolf",
        variance_share: VarianceShare = 0.95,
    ) -> None:
        super().__init__()
        self.features = features
        self.variance_share = variance_share
        self.space = FeatureSpace(features, variance_share)
        self.covariance = covariance
        self.gaussian = Gaussian()

    def fit_statistics(self, batches: Batches) -> None:
        from sklearn.covariance import EmpiricalCovariance, LedoitWolf, MinCovDet

        training_rows = self.space.fit(rows_of(batches, self.features), images=len(batches.shape) == 3).cpu().numpy()
        if len(training_rows) < 2:
            raise DataError("one item to learn from, besides those held out, has no covariance; give three or more")
        if self.covariance == "identity":
            mean = torch.from_numpy(training_rows.mean(0))
            self.gaussian.assign(mean, torch.eye(len(mean), dtype=mean.dtype))
            self.degrees_of_freedom = None
            return
        estimators = {
            "ledoit-wolf": LedoitWolf(),
            "empirical": EmpiricalCovariance(),
            "robust": MinCovDet(random_state=0),
        }
        estimate = estimators[self.covariance].fit(training_rows)
        self.gaussian.assign(torch.from_numpy(estimate.location_), torch.from_numpy(estimate.covariance_))
        self.degrees_of_freedom = training_rows.shape[1]

    def score_batch(self, images: Tensor) -> Anomaly:
        return Anomaly(self.gaussian.squared_distance(self.embedding(images)))

    def embedding(self, images: Tensor) -> Tensor:
        return self.space(rows(images, self.features))
