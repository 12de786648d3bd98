"""Gaussian mixture: a density made of a few Gaussians."""

import math
import time
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from torch import Tensor

from hizumi.arguments import PositiveInt, Searched
from hizumi.data.stream import Batches
from hizumi.detectors.abridged import is_abridged, leave_out
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import Features, FeatureSpace, VarianceShare, rows, rows_of
from hizumi.training import Card

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture as Mixture

STARTS, MOST_ROUNDS = 2, 500


class GaussianMixture(Detector):
    """A(x) = -log Σ w N(x; m, S), by expectation-maximisation; the number of Gaussians by the Bayesian criterion.

    Args:
        features: "raw" pixels or columns, "pca", a model that encodes, or "auto": "pca" for images, "raw" for vectors.
        max_components: The most Gaussians to try.
        variance_share: Of the data's variance, how much the principal components keep.
    """

    card = Card(
        family="density",
        idea="a density made of a few Gaussians",
        paper="Dempster, Laird & Rubin, Maximum likelihood from incomplete data via the EM algorithm, 1977",
    )
    working_size = 32
    log_weights: Tensor
    means: Tensor
    precision_factors: Tensor  # upper triangular P with P Pᵀ = S⁻¹, one for each Gaussian

    def __init__(
        self,
        features: Features = "auto",
        max_components: Annotated[PositiveInt, Searched(1, 20, log=True)] = 5,
        variance_share: Annotated[VarianceShare, Searched(0.5, 0.995, of_rows=False)] = 0.95,
    ) -> None:
        super().__init__()
        self.features = features
        self.variance_share = variance_share
        self.space = FeatureSpace(features, variance_share)
        self.max_components = max_components
        for name in ("log_weights", "means", "precision_factors"):
            self.register_buffer(name, None)

    def fit_statistics(self, batches: Batches) -> None:
        training_rows = self.space.fit(rows_of(batches, self.features), images=len(batches.shape) == 3).cpu().numpy()
        floor = max(1e-6 * float(training_rows.var(axis=0).mean()), 1e-12)
        distinct = len(np.unique(training_rows, axis=0))
        most = min(self.max_components, max(1, len(training_rows) // 2), distinct)
        if len(training_rows) < 2:
            training_rows = training_rows.repeat(2, axis=0)  # one item is a Gaussian as narrow as the floor
        if is_abridged():
            best = _of_a_plan(training_rows, most, floor)
        else:
            mixtures = [_mixture(training_rows, components, floor, STARTS) for components in range(1, most + 1)]
            best = min(mixtures, key=lambda mixture: mixture.bic(training_rows))
        self.log_weights = torch.from_numpy(best.weights_).log()
        self.means = torch.from_numpy(best.means_)
        self.precision_factors = torch.from_numpy(best.precisions_cholesky_)

    def score_batch(self, images: Tensor) -> Anomaly:
        # By Gaussian first, (k, n, ...): to sums over the last side of (n, k, d), OpenVINO adds the numbers of the k
        # Gaussians by item, and reads on beyond the last of them.
        whitened = (self.embedding(images) - self.means[:, None]) @ self.precision_factors
        log_scale = self.precision_factors.diagonal(dim1=1, dim2=2).log().sum(1)
        constant = 0.5 * self.means.shape[1] * math.log(2 * math.pi)
        log_peak = self.log_weights + log_scale - constant
        return Anomaly(-(log_peak[:, None] - 0.5 * whitened.square().sum(2)).logsumexp(0))

    def embedding(self, images: Tensor) -> Tensor:
        return self.space(rows(images, self.features))


def _mixture(training_rows: np.ndarray, components: int, floor: float, starts: int) -> "Mixture":
    from sklearn.mixture import GaussianMixture as Mixture

    settings = {"reg_covar": floor, "n_init": starts, "max_iter": MOST_ROUNDS, "random_state": 0}
    return Mixture(components, **settings).fit(training_rows)


def _of_a_plan(training_rows: np.ndarray, most: int, floor: float) -> "Mixture":
    """The largest mixture, from one start: it and one of half as many Gaussians tell what all take.

    A round takes time as the Gaussians are many, and so, roughly, are the rounds.
    """
    seconds: dict[int, float] = {}
    for components in sorted({math.ceil(most / 2), most}):
        began = time.monotonic()
        mixture = _mixture(training_rows, components, floor, starts=1)
        seconds[components] = time.monotonic() - began
    by_square = float(np.mean([taken / components**2 for components, taken in seconds.items()]))
    whole = STARTS * by_square * sum(components**2 for components in range(1, most + 1))
    leave_out(max(0.0, whole - sum(seconds.values())))
    return mixture
