"""Deep belief network and one-class SVM: a plane, or a ball, around what the top layer makes of normal items."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from hizumi.data.stream import Batches, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import FeatureSpace
from hizumi.detectors.support import SupportVectorBall, SupportVectorMachine
from hizumi.models.deep_belief_network import DeepBeliefNetwork
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

MAX_COMPONENTS = 256


class DBNOneClassSVM(Detector):
    """A(x) = ρ - w·h(x), or |z(x) - a|² - R², zero on the boundary; h(x) in [0, 1] is the network's top layer.

    A plane can part h from the origin because none of its numbers is negative. All other boundaries are drawn around
    z, which is h standardised and whitened: in h itself anomalies, which excite few features, lie among the normal
    items. Differences from the paper: that whitening; the layers are trained one by one only, not fine-tuned together
    afterwards; "fourier" and "rbf" are not in it.

    Args:
        hidden: Sizes of the hidden layers from the bottom up.
        learning_rate: Of the network, as for `DeepBeliefNetwork`.
        boundary: "linear", a plane; "ball", the linear kernel's support vector data description; "fourier" or "rbf",
            the machine with a Gaussian kernel, approximately and on all codes, or exactly on at most 10,000.
        nu: Upper bound on the share of training data outside.
    """

    card: ClassVar[Card] = Card(
        family="one class",
        idea="layers of binary features learned without labels, and a plane that parts normal ones from the rest",
        paper="Erfani et al., High-dimensional anomaly detection using a linear one-class SVM with deep learning, "
        "Pattern Recognition 2016",
    )
    working_size: int = 32
    presets: ClassVar[Mapping[str, Preset]] = {
        "fast": Preset(
            lambda: DBNOneClassSVM(hidden=(500, 300), boundary="ball"),
            TrainingOptions(budget=Budget(steps=600), batch_size=100),
        )
    }

    def __init__(
        self,
        hidden: tuple[int, ...] = (500, 100),
        learning_rate: float = 0.1,
        boundary: Literal["linear", "ball", "fourier", "rbf"] = "linear",
        nu: float = 0.05,
    ) -> None:
        super().__init__()
        self.hidden, self.learning_rate, self.boundary, self.nu = hidden, learning_rate, boundary, nu
        self.model = DeepBeliefNetwork(hidden, chains=0, learning_rate=learning_rate)
        self.space = FeatureSpace(self.model, max_whitened=MAX_COMPONENTS)
        self.machine: SupportVectorBall | SupportVectorMachine
        self.machine = SupportVectorBall(nu) if boundary == "ball" else SupportVectorMachine(boundary, nu)

    def build(self, shape: tuple[int, ...]) -> None:
        """Go on in double precision: scores are small differences, which single precision rounds batch by batch."""
        self.model.double()

    def phases(self) -> tuple[Trainable]:
        """The network."""
        return (self.model,)

    def fit_statistics(self, batches: Batches) -> None:
        """The boundary around the codes."""
        codes = torch.cat([self.model.encode(batch.double()) for batch in in_order(batches)])
        self.machine.fit(codes if self.boundary == "linear" else self.space.fit(codes, images=len(batches.shape) == 3))

    def score_batch(self, images: Tensor) -> Anomaly:
        """How far codes lie outside the boundary; beside it, what the network would have in the item's place."""
        return Anomaly(self.machine(self.embedding(images)), normal=self.model.reconstruct(images.double()).float())

    def embedding(self, images: Tensor) -> Tensor:
        """Mean activations of the top layer, whitened for a boundary that is no plane."""
        codes = self.model.encode(images.double())
        return codes if self.boundary == "linear" else self.space(codes)
