"""Whitened residual: what another detector rebuilds, judged by how unusual its error is among those of normal items."""

import math
from typing import Annotated

from torch import Tensor

from hizumi.arguments import NonNegativeFloat, Searched
from hizumi.data.stream import Batches
from hizumi.detectors.alad import ALAD
from hizumi.detectors.alocc import ALOCC
from hizumi.detectors.anogan import AnoGAN
from hizumi.detectors.con_ad import ConAD
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.egbad import EGBAD
from hizumi.detectors.f_anogan import FAnoGAN
from hizumi.detectors.ganomaly import GANomaly
from hizumi.detectors.pca import PCA
from hizumi.detectors.shrunk_gaussian import LARGEST
from hizumi.detectors.skip_ganomaly import SkipGANomaly
from hizumi.detectors.whitening import ResidualWhitening
from hizumi.errors import DataError
from hizumi.objectives import smooth
from hizumi.training import Card, Preset

Rebuilding = ALAD | ALOCC | AnoGAN | ConAD | EGBAD | FAnoGAN | GANomaly | PCA | SkipGANomaly
"""Detectors that rebuild every item; `Reconstruction` has this score of its own."""


class WhitenedResidual(Detector):
    """A(x) = mean of |S^(-1/2) (x - x̂ - m)|², x̂ being what another detector rebuilds; the map is its terms, blurred.

    m and S are mean and Ledoit-Wolf covariance of the residuals of the training items, so that A is a squared
    Mahalanobis distance over the length of an item: an error counts by how unusual it is, and with those beside it.
    The other detector's own score is a term. Items have at most 8,192 numbers.

    Args:
        detector: The one that rebuilds; `GANomaly()` where not given.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
    """

    card = Card(
        family="reconstruction",
        idea="errors of another detector's reconstruction, by how unusual they are among those of normal items",
        paper="Malhotra et al., LSTM-based encoder-decoder for multi-sensor anomaly detection, ICML workshop 2016",
        localises=True,
    )
    working_size = 48  # three channels of which are few enough
    presets = {
        "fast": Preset(
            lambda: WhitenedResidual(GANomaly.presets["fast"].make()),
            GANomaly.presets["fast"].options,
        ),
        "small": Preset(lambda: WhitenedResidual(GANomaly.presets["small"].make())),
    }

    def __init__(
        self,
        detector: Rebuilding | None = None,
        smoothing: Annotated[NonNegativeFloat, Searched(0, 8, of_rows=False)] = 2.0,
    ) -> None:
        super().__init__()
        self.detector = GANomaly() if detector is None else detector
        self.smoothing = smoothing
        self.reference_share = self.detector.reference_share
        self.whitening = ResidualWhitening()

    def check_items(self, shape: tuple[int, ...]) -> None:
        self.detector.card.check_shape(shape, f"WhitenedResidual of {type(self.detector).__name__}")
        if math.prod(shape) > LARGEST:
            raise DataError(
                f"WhitenedResidual takes items of at most {LARGEST:,} numbers, and these are "
                f"{'x'.join(map(str, shape))}; give smaller items or shorter windows"
            )

    def fit_statistics(self, batches: Batches) -> None:
        self.detector.fit_statistics(batches)
        self.whitening.fit(batches, lambda batch: self._rebuilt(self.detector.score_batch(batch)))

    def fit_reference(self, batches: Batches) -> None:
        self.detector.fit_reference(batches)

    def score_batch(self, images: Tensor) -> Anomaly:
        anomaly = self.detector.score_batch(images)
        rebuilt = self._rebuilt(anomaly)
        squares = self.whitening(images, rebuilt)
        pixel = None
        if images.ndim == 4:
            pixel = smooth(squares.mean(1, keepdim=True).to(images.dtype), self.smoothing)
        terms = {type(self.detector).__name__: anomaly.image}
        return Anomaly(squares.flatten(1).mean(1), pixel, terms, reconstruction=rebuilt)

    def contribution_batch(self, images: Tensor) -> Tensor:
        rebuilt = self._rebuilt(self.detector.score_batch(images))
        return self.whitening(images, rebuilt) / math.prod(images.shape[1:])

    def embedding(self, images: Tensor) -> Tensor:
        return self.detector.embedding(images)

    def _rebuilt(self, anomaly: Anomaly) -> Tensor:
        assert anomaly.reconstruction is not None
        return anomaly.reconstruction
