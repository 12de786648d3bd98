"""Convolutional autoencoder and one-class SVM: codes that no normal image has are anomalous."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from hizumi.data.stream import Batches, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import FeatureSpace
from hizumi.detectors.support import Kernel, SupportVectorMachine
from hizumi.models.autoencoder import Autoencoder
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

MAX_COMPONENTS = 256


class ConvAEOneClassSVM(Detector):
    """A(x) = ρ - Σ a k(z(x), z(xᵢ)), zero on the boundary; z are the autoencoder's codes, standardised and whitened.

    Whitened: as principal components of variance 1, 256 at most. Differences from the paper: an image is one patch,
    seen at one scale (give tiles of a larger one); what the flagged ones have in common is not looked for. Vectors get
    fully connected networks.

    Args:
        code: Numbers in the code.
        width: Channels of the autoencoder's first convolution.
        noise: Standard deviation of Gaussian noise on what the autoencoder sees in training.
        kernel: "rbf", exactly, on at most 10,000 codes; by random Fourier features ("fourier") or "linear" on all.
        nu: Upper bound on the share of training data outside.
        learning_rate: Of the autoencoder's Adam; a tenth of it for the last 30 % of the budget.
    """

    card: ClassVar[Card] = Card(
        family="one class",
        idea="an autoencoder's codes, and the smallest region that holds most of the normal ones",
        paper="Seeböck et al., Identifying and categorizing anomalies in retinal imaging data, NIPS ML4HC 2016",
    )
    presets: ClassVar[Mapping[str, Preset]] = {
        "fast": Preset(lambda: ConvAEOneClassSVM(width=16), TrainingOptions(budget=Budget(steps=1000), batch_size=64))
    }

    def __init__(
        self,
        code: int = 64,
        width: int = 32,
        noise: float = 0.0,
        kernel: Kernel = "rbf",
        nu: float = 0.05,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__()
        self.code, self.width, self.noise, self.kernel, self.nu = code, width, noise, kernel, nu
        self.learning_rate = learning_rate
        self.model = Autoencoder(code, "flat", width, learning_rate, noise)
        self.space = FeatureSpace(self.model, max_whitened=MAX_COMPONENTS)
        self.machine = SupportVectorMachine(kernel, nu)

    def build(self, shape: tuple[int, ...]) -> None:
        """Go on in double precision: scores are small differences, which single precision rounds batch by batch."""
        self.model.double()

    def phases(self) -> tuple[Trainable]:
        """The autoencoder."""
        return (self.model,)

    def fit_statistics(self, batches: Batches) -> None:
        """The support vector machine on the codes."""
        codes = torch.cat([self._codes(batch) for batch in in_order(batches)])
        self.machine.fit(self.space.fit(codes, images=len(batches.shape) == 3))

    def score_batch(self, images: Tensor) -> Anomaly:
        """Signed distances outside the boundary, in the kernel's space."""
        normal = self.model.reconstruct(images.double()).float()
        return Anomaly(self.machine(self.embedding(images)), normal=normal)

    def embedding(self, images: Tensor) -> Tensor:
        """Whitened codes."""
        return self.space(self._codes(images))

    def _codes(self, images: Tensor) -> Tensor:
        return self.model.encode(images.double()).flatten(1)
