"""ALOCC: a refiner cleans what is normal and spoils what is not; the critic that taught it judges the result."""

from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from hizumi import networks, objectives
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.data.stream import Batches, in_order
from hizumi.detectors.batch_statistics import BatchNormMode, batch_norm
from hizumi.detectors.detector import Anomaly, Detector, residual_map
from hizumi.detectors.reach import within_reach
from hizumi.networks.precision import doubled
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

REFINER_STEPS = 2  # for each of the critic
ERROR_MEMORY = 0.95  # share of the running refinement error that each step keeps
LEAST_VARIANCE = 1e-12  # where all images are the same

CARD = Card(
    family="adversarial",
    idea="a refiner cleans the normal and spoils the rest; its critic judges what comes out",
    paper="Sabokrou, Khalooei, Fathy & Adeli, Adversarially learned one-class classifier, CVPR 2018",
    inputs=("images",),  # far from all that a critic of vectors was trained on, it may say anything, real included
    localises=True,
)


class ALOCCTraining(Trainable):
    """Refiner against critic.

    Args:
        width: Channels of the first convolution of both networks.
        noise: Standard deviation of the Gaussian noise that the refiner is to take away in training.
        refinement_weight: λ, of ||x - R(x)||², summed over an image, as the paper writes it. Of its mean over pixels
            the refiner can afford so much that the critic never wins, and learns nothing.
        stop_error: ρ, as a share of the training images' variance about their mean image: once the mean of (x - R(x))²,
            running over some 20 batches, is below it, training stands still; 0 for never. The better the refiner, the
            less its work tells the critic. The paper bounds the error itself, and gives no number; one bound for all
            sets would stop on parts in a fixture, which hardly vary, before anything was learned.
        learning_rate: Of both RMSprop optimisers.
    """

    card = CARD
    default_budget = Budget(epochs=40)
    default_batch_size = 128
    images_variance: Tensor
    refinement_error: Tensor  # a share of the variance

    def __init__(
        self,
        width: Annotated[PositiveInt, Searched(8, 128, log=True)] = 64,
        noise: Annotated[NonNegativeFloat, Searched(0.05, 1)] = 0.155,
        refinement_weight: NonNegativeFloat = 0.4,
        stop_error: NonNegativeFloat = 0.1,
        learning_rate: Annotated[PositiveFloat, Searched(2e-4, 1e-2, log=True)] = 2e-3,
    ) -> None:
        super().__init__()
        self.width = width
        self.noise = noise
        self.refinement_weight = refinement_weight
        self.stop_error = stop_error
        self.learning_rate = learning_rate

    def build(self, shape: tuple[int, ...]) -> None:
        self.refiner = networks.Hourglass(shape, self.width)
        self.critic = networks.critic(shape, self.width)
        self.register_buffer("images_variance", torch.ones(()))
        self.register_buffer("refinement_error", torch.ones(()))
        self.register_load_state_dict_pre_hook(_variance_if_absent)  # type: ignore[no-untyped-call]  # torch has no types here
        for name, network in (("critic", self.critic), ("refiner", self.refiner)):
            self.optimise(name, network.parameters(), kind="rmsprop", learning_rate=self.learning_rate)

    def begin(self, batches: Batches) -> None:
        """Find the variance of the images about their mean image."""
        mean = sum(doubled(batch).sum(0) for batch in in_order(batches)) / (batches.views * len(batches))
        squares = [(doubled(batch) - mean).square().flatten(1).mean(1) for batch in in_order(batches)]
        self.images_variance.copy_(torch.cat(squares).mean().clamp(min=LEAST_VARIANCE))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step of the critic, then two of the refiner; none once the running error is below ρ."""
        if self.refinement_error < self.stop_error:
            return {"refinement": self.refinement_error.clone()}
        noisy = batch + self.noise * torch.randn_like(batch)
        with torch.no_grad():
            refined = self.refiner(noisy)
        loss = objectives.discriminator_loss(self.critic(batch), self.critic(refined))
        losses = {"critic": self.update("critic", loss)}
        for _ in range(REFINER_STEPS):
            refined = self.refiner(noisy)
            losses["fooling"] = objectives.non_saturating_loss(self.critic(refined))
            losses["refinement"] = mse_loss(refined, batch)
            squared_distance = batch[0].numel() * losses["refinement"]
            self.update("refiner", losses["fooling"] + self.refinement_weight * squared_distance)
        self.refinement_error.lerp_(losses["refinement"].detach() / self.images_variance, 1 - ERROR_MEMORY)
        return {name: loss.detach() for name, loss in losses.items()}

    def validation_loss(self, batch: Tensor) -> Tensor:
        return mse_loss(self.refiner(batch), batch)


def _variance_if_absent(training: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Accept weights of bundles from before the variance was kept; they are only read."""
    state.setdefault(f"{prefix}images_variance", training.images_variance)


class ALOCC(Detector):
    """A(x) = -D(R(x)) or -D(x), with the refiner R and the critic D; the map is |x - R(x)|.

    D is a logit: it orders items as the paper's probability σ(D) does, without the ties where that reaches 0 or 1.

    Differences from the paper: scores in evaluation mode, one image at a time as well as in batches; 4x4 kernels, and
    at 32 pixels three halvings, not four; the refiner's adversarial loss does not saturate; pixels beyond ±10 are
    clipped, and what was clipped is added to the score; training stops by the error's share of the images' variance,
    not by the error itself; RMSprop has PyTorch's constants (smoothing 0.99, ε 1e-8) where the released code has
    TensorFlow's (0.9, 1e-10); the critic's first layer has no batch norm. Not taken over from the released code: that
    refined images are compared by a cross-entropy, which its author calls a slip.

    The preset "fast" is another method: the score is the refiner's residual, and training never stops early. In so few
    steps the critic learns to tell refined images from others, not good parts from bad ones.

    Args:
        model: The networks and how they are trained.
        judged: "refined" scores by D(R(x)), "original" by D(x); "residual", which is not in the paper, by the mean of
            |x - R(x)|: the critic need not know a flaw in a texture from what it was trained on.
        bn_mode: "batch" scores by the batch's own statistics, only to reproduce the released code: see `batch_norm`.
    """

    card = CARD
    tolerance = 1e-5  # a logit near 0 is a difference, which keeps fewer digits than what it is made of
    presets = {
        "fast": Preset(
            lambda: ALOCC(ALOCCTraining(width=8, noise=0.5, stop_error=0.0, learning_rate=1e-3), judged="residual"),
            TrainingOptions(budget=Budget(steps=1000), batch_size=32),
            "scores by the refiner's residual, and never stops early: another method",
        ),
        "small": Preset(lambda: ALOCC(ALOCCTraining(width=8))),
    }
    exemptions = {
        "toy_anomaly_scores_higher_than_normal": "its critic judges objects as a whole; the toy is a flaw in a texture"
    }

    def __init__(
        self,
        model: ALOCCTraining | None = None,
        judged: Literal["refined", "original", "residual"] = "refined",
        bn_mode: BatchNormMode = "eval",
    ) -> None:
        super().__init__()
        self.model = ALOCCTraining() if model is None else model
        self.judged = judged
        self.bn_mode = bn_mode

    def score_batch(self, images: Tensor) -> Anomaly:
        with batch_norm(self.model, self.bn_mode):
            items, excess = within_reach(images)
            refined = self.model.refiner(items)
            terms = {"refined": -self.model.critic(refined), "original": -self.model.critic(items)}
        terms["residual"] = (items - refined).abs().flatten(1).mean(1)
        return Anomaly(terms[self.judged] + excess, residual_map(images, refined), terms, reconstruction=refined)

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.critic.features(images).flatten(1)
