"""Likelihood: what a model of normal items finds improbable is anomalous."""

from typing import ClassVar

from torch import Tensor

from hizumi.detectors.detector import Anomaly, Detector
from hizumi.errors import UsageError
from hizumi.models.abilities import CanEncode, CanReconstruct, HasLikelihood
from hizumi.models.vae import VAE
from hizumi.objectives import smooth
from hizumi.training import Card, Trainable


class Likelihood(Detector):
    """A(x) = -log p(x) in nats; the map is each pixel's share of it, smoothed.

    Beware that likelihood alone can find simple anomalies *more* probable than normal images (Nalisnick et al. 2019).

    Args:
        model: Any model with a likelihood: `VAE()`; its own arguments choose the bound.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
    """

    card: ClassVar[Card] = Card(
        family="density",
        idea="what a model of normal items finds improbable is anomalous",
        paper="An & Cho, Variational autoencoder based anomaly detection using reconstruction probability, 2015",
        localises=True,
    )

    def __init__(self, model: Trainable | None = None, smoothing: float = 2.0) -> None:
        super().__init__()
        self.model = VAE() if model is None else model
        self.smoothing = smoothing

    def phases(self) -> tuple[Trainable]:
        """The model."""
        return (self.model,)

    def score_batch(self, images: Tensor) -> Anomaly:
        """Negative log-likelihood, with the model's own terms."""
        likelihood = self._model().log_likelihood(images)
        pixel = None if likelihood.pixel is None else smooth(-likelihood.pixel, self.smoothing)
        terms = {name: -value for name, value in likelihood.terms.items()}
        normal = self.model.reconstruct(images) if isinstance(self.model, CanReconstruct) else None
        return Anomaly(-likelihood.image, pixel, terms, normal)

    def embedding(self, images: Tensor) -> Tensor:
        """Codes where the model has them, else the items themselves."""
        return self.model.encode(images).flatten(1) if isinstance(self.model, CanEncode) else images.flatten(1)

    def _model(self) -> HasLikelihood:
        if not isinstance(self.model, HasLikelihood):
            raise UsageError(f"{type(self.model).__name__} has no likelihood; give VAE() as model")
        return self.model
