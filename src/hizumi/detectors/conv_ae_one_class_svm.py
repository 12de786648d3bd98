"""Convolutional autoencoder and one-class SVM: codes that no normal image has are anomalous."""

from functools import partial

from torch import Tensor

from hizumi.arguments import ProperShare
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import MAX_WHITENED, FeatureSpace, rows
from hizumi.detectors.shard import Shard
from hizumi.detectors.support import Kernel, SupportVectorMachine
from hizumi.models.autoencoder import Autoencoder
from hizumi.training import Budget, Card, Preset, TrainingOptions

flat_autoencoder = partial(Autoencoder, code=64, layout="flat", width=32, learning_rate=1e-3)


class ConvAEOneClassSVM(Detector):
    """A(x) = ρ - Σ a k(z(x), z(xᵢ)), zero on the boundary; z are the autoencoder's codes, standardised and whitened.

    Whitened: as principal components of variance 1, 256 at most. Differences from the paper: an image is one patch,
    seen at one scale (give tiles of a larger one); what the flagged ones have in common is not looked for. Vectors get
    fully connected networks.

    Args:
        model: The autoencoder; one with a flat code of 64 numbers where not given.
        kernel: "rbf", exactly, on at most 10,000 codes; by random Fourier features ("fourier") or "linear" on all.
        nu: Upper bound on the share of training data outside.
    """

    card = Card(
        family="one class",
        idea="an autoencoder's codes, and the smallest region that holds most of the normal ones",
        paper="Seeböck et al., Identifying and categorizing anomalies in retinal imaging data, NIPS ML4HC 2016",
    )
    presets = {
        "fast": Preset(
            lambda: ConvAEOneClassSVM(flat_autoencoder(width=16)),
            TrainingOptions(budget=Budget(steps=1000), batch_size=64),
        ),
        "small": Preset(lambda: ConvAEOneClassSVM(flat_autoencoder(code=8, width=8))),
    }

    def __init__(self, model: Autoencoder | None = None, kernel: Kernel = "rbf", nu: ProperShare = 0.05) -> None:
        super().__init__()
        self.model = flat_autoencoder() if model is None else model
        self.kernel = kernel
        self.nu = nu
        self.space = FeatureSpace(self.model, max_whitened=MAX_WHITENED)
        self.machine = SupportVectorMachine(kernel, nu)

    def build(self, shape: tuple[int, ...]) -> None:
        """Switch to double precision: scores are small differences, and rounding in single depends on the batch."""
        self.model.double()

    def fit_statistics(self, batches: Batches) -> None:
        codes = Shard.of(batches).of_all(lambda batch: rows(batch.double(), self.model))
        self.machine.fit(self.space.fit(codes, images=len(batches.shape) == 3))

    def score_batch(self, images: Tensor) -> Anomaly:
        reconstruction = self.model.reconstruct(images.double()).to(images.dtype)
        return Anomaly(self.machine(self.embedding(images)), reconstruction=reconstruction)

    def embedding(self, images: Tensor) -> Tensor:
        return self.space(rows(images.double(), self.model))
