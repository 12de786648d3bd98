"""Mahalanobis: distance from the mean in units of the training data's own spread."""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hizumi.arguments import Searched
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import Features, FeatureSpace, VarianceShare, rows, rows_of
from hizumi.detectors.gaussian import Gaussian
from hizumi.detectors.moments import Moments
from hizumi.detectors.shard import Shard
from hizumi.detectors.shrunk_gaussian import ShrunkGaussian, shrinkage
from hizumi.errors import DataError
from hizumi.shapes import is_bounded, is_series
from hizumi.training import Card


class Mahalanobis(Detector):
    """A(x) = d² = (x - m)ᵀ S⁻¹ (x - m), m and S from normal data; chi-square distributed where that is Gaussian.

    A window of a series is one vector, all steps of all channels; windows overlap, and follow no chi-square law. What
    each number contributes to d² is the square of S^(-1/2) (x - m).

    Args:
        features: "raw" pixels or columns, "pca", a model that encodes, or "auto": "pca" for images, "raw" for vectors
            and windows of series.
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
        covariance: Annotated[
            Literal["ledoit-wolf", "empirical", "robust", "identity"], Searched(choices=("ledoit-wolf", "empirical"))
        ] = "ledoit-wolf",
        variance_share: Annotated[VarianceShare, Searched(0.5, 0.995, of_rows=False)] = 0.95,
    ) -> None:
        super().__init__()
        self.features = features
        self.variance_share = variance_share
        self.space = FeatureSpace(features, variance_share)
        self.covariance = covariance
        self.gaussian = Gaussian()
        self.shrunk = ShrunkGaussian()

    def fit_statistics(self, batches: Batches) -> None:
        training_rows = self.space.fit(rows_of(batches, self.features), images=is_bounded(batches.shape))
        if len(training_rows) < 2:
            raise DataError("one item to learn from, besides those held out, has no covariance; give three or more")
        count, columns = training_rows.shape
        self.gaussian, self.shrunk = Gaussian(), ShrunkGaussian()
        followed = self.covariance != "identity" and not is_series(batches.shape)
        self.degrees_of_freedom = columns if followed else None
        if self.covariance == "ledoit-wolf" and (is_series(batches.shape) or count < columns):
            self.shrunk.fit(training_rows)
        elif self.covariance in ("ledoit-wolf", "empirical") and (shard := Shard.of(batches)).fabric is not None:
            self.gaussian.assign(*self._moments_of_all(shard))
        else:
            self.gaussian.assign(*self._moments(training_rows))

    def score_batch(self, images: Tensor) -> Anomaly:
        gaussian = self.gaussian if self.shrunk.mean is None else self.shrunk
        return Anomaly(gaussian.squared_distance(self.embedding(images)))

    def contribution_batch(self, images: Tensor) -> Tensor | None:
        if self.shrunk.mean is None or self.space.basis is not None:
            return None
        return self.shrunk.contributions(self.embedding(images)).reshape(images.shape)

    def embedding(self, images: Tensor) -> Tensor:
        return self.space(rows(images, self.features))

    def _moments_of_all(self, shard: Shard) -> tuple[Tensor, Tensor]:
        """What `_moments` gives, from each process's part of the rows."""
        moments = Moments()
        for _, batch in shard.batches():
            moments.add(self.embedding(batch))
        moments = moments.of_all(shard)
        mean, covariance = moments.mean, moments.covariance
        if self.covariance == "empirical":
            return mean, covariance
        squared_lengths = shard.of_all(lambda batch: (self.embedding(batch) - mean).square().sum(1))
        columns = len(mean)
        share = shrinkage(torch.linalg.eigvalsh(covariance), squared_lengths, columns)
        spread = covariance.trace() / columns
        return mean, (1 - share) * covariance + share * spread * torch.eye(columns).to(covariance)

    def _moments(self, training_rows: Float[Tensor, "n k"]) -> tuple[Tensor, Tensor]:
        """Mean and covariance as scikit-learn estimates them."""
        from sklearn.covariance import EmpiricalCovariance, LedoitWolf, MinCovDet

        training_rows = training_rows.cpu()
        if self.covariance == "identity":
            return training_rows.mean(0), torch.eye(training_rows.shape[1], dtype=training_rows.dtype)
        estimators = {
            "ledoit-wolf": LedoitWolf(),
            "empirical": EmpiricalCovariance(),
            "robust": MinCovDet(random_state=0),
        }
        estimate = estimators[self.covariance].fit(training_rows.numpy())
        return torch.from_numpy(estimate.location_), torch.from_numpy(estimate.covariance_)
