"""Deep SVDD: a network that maps normal items into a small ball; what lands far from its centre is anomalous."""

import copy
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from hizumi import networks
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, ProperShare, Searched, Share
from hizumi.data.contrast import contrast_normalised
from hizumi.data.stream import Batches, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.errors import UsageError
from hizumi.networks.precision import doubled
from hizumi.shapes import is_bounded
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions, drop_at

CARD = Card(
    family="one class",
    idea="a network without biases draws normal items into a small ball; anomalies land outside",
    paper="Ruff et al., Deep one-class classification, ICML 2018",
)
HIDDEN = (128, 64)  # of vectors' networks
NEAREST_TO_ZERO = 0.1  # coordinates of the centre: nearer ones could be reached by weights that vanish
RATE_DROP = drop_at(1 / 3)  # epoch 50 of 150


class Pretraining(Trainable):
    """The encoder, as half of an autoencoder trained on the squared error.

    Args:
        code: Dimensions of φ(x).
        widths: Channels of the stages of the encoder, each halving the image; the last is kept for further stages.
        contrast: Bring every image to mean 0 and mean absolute value 1, then all by one map to [0, 1], which the
            normal images fill. Windows of series keep their level and scale, which tell as much as their shape.
        learning_rate: Of both Adam optimisers, this phase's and the ball's.
        weight_decay: Of this phase.
    """

    card = CARD
    default_budget = Budget(epochs=150)
    default_batch_size = 200
    lowest: Tensor
    highest: Tensor

    def __init__(
        self,
        code: Annotated[PositiveInt, Searched(8, 256, log=True)] = 128,
        widths: tuple[PositiveInt, ...] = (32, 64, 128),
        contrast: bool = True,
        learning_rate: Annotated[PositiveFloat, Searched(5e-5, 5e-3, log=True)] = 1e-4,
        weight_decay: Annotated[NonNegativeFloat, Searched(1e-8, 1e-3, log=True)] = 5e-7,
    ) -> None:
        super().__init__()
        self.code = code
        self.widths = widths
        self.contrast = contrast
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    def check(self) -> None:
        if not self.widths:
            raise UsageError("Pretraining: widths is empty; give the channels of one stage or more")

    def build(self, shape: tuple[int, ...]) -> None:
        self.encoder: nn.Module
        self.decoder: nn.Module
        if len(shape) == 1:
            self.encoder = networks.bias_free_mlp(shape[0], self.code, HIDDEN)
            self.decoder = networks.bias_free_mlp(self.code, shape[0], HIDDEN[::-1])
        else:
            self.encoder = networks.BiasFreeEncoder(shape, self.code, self.widths)
            self.decoder = networks.BiasFreeDecoder(shape, self.code, self.widths)
        self.register_buffer("lowest", torch.tensor(-1.0))
        self.register_buffer("highest", torch.tensor(1.0))
        self.optimise(
            "autoencoder",
            self.parameters(),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=RATE_DROP,
        )

    def begin(self, batches: Batches) -> None:
        """Find the range of normal images after contrast normalisation."""
        if self.contrast and is_bounded(batches.shape):
            extremes = [contrast_normalised(batch).aminmax() for batch in in_order(batches)]
            self.lowest.copy_(torch.stack([extreme.min for extreme in extremes]).min())
            self.highest.copy_(torch.stack([extreme.max for extreme in extremes]).max())

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        return {"reconstruction": self.update("autoencoder", self.validation_loss(batch))}

    def validation_loss(self, batch: Tensor) -> Tensor:
        inputs = self.inputs(batch)
        return mse_loss(self.decoder(self.encoder(inputs)), inputs, reduction="sum") / len(batch)

    def inputs(self, items: Tensor) -> Tensor:
        """Items as the networks take them: images with contrast normalised, training ones in [0, 1], others as is."""
        if not is_bounded(tuple(items.shape[1:])):
            return items
        images = contrast_normalised(items) if self.contrast else items
        return (images - self.lowest) / (self.highest - self.lowest).clamp(min=1e-6)


class DeepSVDDTraining(Trainable):
    """The ball into which the pre-trained encoder learns to map normal items.

    Args:
        pretraining: Trained first, by a phase of its own.
        boundary: "hard" draws all items to the centre, "soft" those outside of the radius R, which a share `nu` of the
            normal items exceeds.
        nu: That share.
        warm_up: Share of the budget after which R begins to follow the data; R is 0 before, and with "hard" always.
        weight_decay: Of this phase.
    """

    card = CARD
    default_budget = Budget(epochs=150)
    default_batch_size = 200
    centre: Tensor
    radius: Tensor

    def __init__(
        self,
        pretraining: Pretraining | None = None,
        boundary: Literal["hard", "soft"] = "hard",
        nu: ProperShare = 0.1,
        warm_up: Share = 1 / 15,
        weight_decay: Annotated[NonNegativeFloat, Searched(1e-8, 1e-3, log=True)] = 5e-7,
    ) -> None:
        super().__init__()
        # In a tuple: it is a phase of its own, and its weights are not part of this one.
        self._pretraining = (Pretraining() if pretraining is None else pretraining,)
        self.boundary = boundary
        self.nu = nu
        self.warm_up = warm_up
        self.weight_decay = weight_decay

    @property
    def pretraining(self) -> Pretraining:
        """The phase before this one, which provides encoder, inputs and rates."""
        return self._pretraining[0]

    def build(self, shape: tuple[int, ...]) -> None:
        self.encoder = copy.deepcopy(self.pretraining.encoder)
        self.register_buffer("centre", torch.zeros(self.pretraining.code))
        self.register_buffer("radius", torch.tensor(0.0))
        self.optimise(
            "encoder",
            self.encoder.parameters(),
            learning_rate=self.pretraining.learning_rate,
            weight_decay=self.weight_decay,
            schedule=RATE_DROP,
        )

    def begin(self, batches: Batches) -> None:
        """Fix the centre: the mean of all codes before the first step."""
        codes = torch.cat([self.encode(batch) for batch in in_order(batches)])
        mean = doubled(codes).mean(0).to(codes)
        side = torch.where(mean < 0, -1.0, 1.0)
        self.centre.copy_(side * mean.abs().clamp(min=NEAREST_TO_ZERO))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """Draw the batch's codes to the centre; behind a soft boundary only those outside, and the radius with them."""
        distances = self.squared_distances(batch)
        loss = self.update("encoder", self._objective(distances))
        match self.boundary:
            case "hard":
                return {"distance": loss}
            case "soft":
                if self.progress >= self.warm_up:
                    self.radius.copy_(distances.detach().sqrt().quantile(1 - self.nu))
                return {"soft_boundary": loss, "radius": self.radius.clone()}

    def validation_loss(self, batch: Tensor) -> Tensor:
        return self._objective(self.squared_distances(batch))

    def encode(self, items: Tensor) -> Tensor:
        return self.encoder(self.pretraining.inputs(items))

    def squared_distances(self, items: Tensor) -> Tensor:
        """|φ(x) - c|², (n,)."""
        return (self.encode(items) - self.centre).square().sum(1)

    def _objective(self, distances: Tensor) -> Tensor:
        match self.boundary:
            case "hard":
                return distances.mean()
            case "soft":
                squared_radius = self.radius.square()
                return squared_radius + (distances - squared_radius).relu().mean() / self.nu


class DeepSVDD(Detector):
    """A(x) = |φ(x) - c|², minus R² where the boundary is soft; c is the mean of the codes before training.

    Differences from the paper: the decoder of the pre-training begins with a linear layer, so that every image size
    has one, and at 32 pixels no batch norm on the code before it, which the authors' decoder there begins with; vectors
    have fully connected networks, also without biases. Published settings for 28-pixel digits, the preset "digits":
    widths=(8, 4), code=32, and a weight decay of 5e-4 in the pre-training; the rate falls to a tenth after a third of
    either phase, as published for them. The defaults are those for 32-pixel photographs, but for their pre-training,
    which lasted 350 epochs and dropped the rate after 250.

    Args:
        model: The ball, with the pre-training of its encoder.
    """

    card = CARD
    presets = {
        "digits": Preset(lambda: DeepSVDD(DeepSVDDTraining(Pretraining(code=32, widths=(8, 4), weight_decay=5e-4)))),
        "fast": Preset(
            lambda: DeepSVDD(DeepSVDDTraining(Pretraining(code=32, widths=(8, 16, 32), learning_rate=1e-3))),
            TrainingOptions(budget=(Budget(steps=700), Budget(steps=800)), batch_size=100),
        ),
        "small": Preset(lambda: DeepSVDD(DeepSVDDTraining(Pretraining(code=8, widths=(8, 4), learning_rate=1e-3)))),
    }

    def __init__(self, model: DeepSVDDTraining | None = None) -> None:
        super().__init__()
        model = DeepSVDDTraining() if model is None else model
        self.pretraining = model.pretraining
        self.model = model

    def score_batch(self, images: Tensor) -> Anomaly:
        return Anomaly(self.model.squared_distances(images) - self.model.radius.square())

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.encode(images)
