"""Deep belief network and one-class SVM: a plane, or a ball, around what the top layer makes of normal items."""

from functools import partial
from typing import Literal

from torch import Tensor

from hizumi.arguments import ProperShare
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.features import MAX_WHITENED, FeatureSpace
from hizumi.detectors.reach import within_reach
from hizumi.detectors.shard import Shard
from hizumi.detectors.support import SupportVectorBall, SupportVectorMachine
from hizumi.models.deep_belief_network import DeepBeliefNetwork
from hizumi.training import Budget, Card, Preset, TrainingOptions

greedy_network = partial(DeepBeliefNetwork, hidden=(500, 100), chains=0)


class DBNOneClassSVM(Detector):
    """A(x) = ρ - w·h(x), or |z(x) - a|² - R², zero on the boundary; h(x) in [0, 1] is the network's top layer.

    A plane can part h from the origin because none of its numbers is negative. All other boundaries are drawn around
    z, which is h standardised and whitened: in h itself anomalies, which excite few features, lie among the normal
    items. Differences from the paper: that whitening; the layers are trained one by one only, not fine-tuned together
    afterwards; "fourier" and "rbf" are not in it; numbers beyond ±10, where all units are saturated, are clipped and
    what was clipped is added to the score.

    Args:
        model: The network; of 500 and 100 hidden units, all layers trained by CD-1, where not given.
        boundary: "linear", a plane; "ball", the linear kernel's support vector data description; "fourier" or "rbf",
            the machine with a Gaussian kernel, approximately and on all codes, or exactly on at most 10,000.
        nu: Upper bound on the share of training data outside.
    """

    card = Card(
        family="one class",
        idea="layers of binary features learned without labels, and a plane that parts normal ones from the rest",
        paper="Erfani et al., High-dimensional anomaly detection using a linear one-class SVM with deep learning, "
        "Pattern Recognition 2016",
    )
    working_size = 32
    presets = {
        "fast": Preset(
            lambda: DBNOneClassSVM(greedy_network(hidden=(500, 300)), boundary="ball"),
            TrainingOptions(budget=Budget(steps=600), batch_size=100),
        ),
        "small": Preset(lambda: DBNOneClassSVM(greedy_network(hidden=(64,)), boundary="ball")),
    }

    def __init__(
        self,
        model: DeepBeliefNetwork | None = None,
        boundary: Literal["linear", "ball", "fourier", "rbf"] = "linear",
        nu: ProperShare = 0.05,
    ) -> None:
        super().__init__()
        self.model = greedy_network() if model is None else model
        self.boundary = boundary
        self.nu = nu
        self.space = FeatureSpace(self.model, max_whitened=MAX_WHITENED)
        self.machine: SupportVectorBall | SupportVectorMachine
        self.machine = SupportVectorBall(nu) if boundary == "ball" else SupportVectorMachine(boundary, nu)

    def build(self, shape: tuple[int, ...]) -> None:
        """Switch to double precision: scores are small differences, and rounding in single depends on the batch."""
        self.model.double()

    def fit_statistics(self, batches: Batches) -> None:
        codes = Shard.of(batches).of_all(lambda batch: self.model.encode(batch.double()))
        self.machine.fit(codes if self.boundary == "linear" else self.space.fit(codes, images=len(batches.shape) == 3))

    def score_batch(self, images: Tensor) -> Anomaly:
        items, excess = within_reach(images)
        reconstruction = self.model.reconstruct(items.double()).to(images.dtype)
        return Anomaly(self.machine(self.embedding(items)) + excess, reconstruction=reconstruction)

    def embedding(self, images: Tensor) -> Tensor:
        """Mean activations of the top layer, whitened for a boundary that is no plane."""
        codes = self.model.encode(images.double())
        return codes if self.boundary == "linear" else self.space(codes)
