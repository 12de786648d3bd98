"""Skip-GANomaly: a U-Net rebuilds the image, and a discriminator's features say how well."""

from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Searched, Share
from hizumi.detectors.batch_statistics import BatchNormMode, batch_norm
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.revival import revive
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

FEATURES = 100
SIZES = {"l1": torch.abs, "l2": torch.square}

CARD = Card(
    family="reconstruction",
    idea="a U-Net rebuilds the normal; pixels and a discriminator's features show what it could not",
    paper="Akcay, Atapour-Abarghouei & Breckon, Skip-GANomaly, IJCNN 2019",
    inputs=("images",),  # without skips between maps there is nothing left that is not GANomaly
    localises=True,
)


class SkipGANomalyTraining(Trainable):
    """A U-Net against a discriminator.

    Args:
        width: Channels of the first convolution of both networks.
        closed_skips: How many levels of the U-Net, from the outermost, pass nothing across. With all skips open an
            anomaly may be copied across, and the outermost copies best.
        weights: Of the adversarial, contextual and latent losses.
        noise: Standard deviation of Gaussian noise on what the generator is given in training. The released code adds
            noise that it never draws, so that there is none.
        learning_rate: Of both Adam optimisers.
        beta1: Their first momentum.
    """

    card = CARD
    default_budget = Budget(epochs=15)

    def __init__(
        self,
        width: Annotated[PositiveInt, Searched(8, 128, log=True)] = 64,
        closed_skips: NonNegativeInt = 0,
        weights: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = (1.0, 50.0, 1.0),
        noise: NonNegativeFloat = 0.0,
        learning_rate: Annotated[PositiveFloat, Searched(5e-5, 2e-3, log=True)] = 2e-4,
        beta1: Momentum = 0.5,
    ) -> None:
        super().__init__()
        self.width = width
        self.closed_skips = closed_skips
        self.weights = weights
        self.noise = noise
        self.learning_rate = learning_rate
        self.beta1 = beta1

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.UNet(shape, shape[0], self.width, closed_skips=self.closed_skips)
        self.discriminator = networks.CodeCritic(shape, FEATURES, self.width)
        betas = (self.beta1, 0.999)
        self.optimise("generator", self.generator.parameters(), learning_rate=self.learning_rate, betas=betas)
        self.optimise("discriminator", self.discriminator.parameters(), learning_rate=self.learning_rate, betas=betas)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        rebuilt = self.generator(batch + self.noise * torch.randn_like(batch) if self.noise else batch)
        real_features, fake_features = self.discriminator.features(batch), self.discriminator.features(rebuilt)
        terms = {
            "adversarial": objectives.non_saturating_loss(self.discriminator.judge(fake_features)),
            "contextual": l1_loss(rebuilt, batch),
            "latent": mse_loss(fake_features, real_features.detach()),
        }
        weighted = [weight * term for weight, term in zip(self.weights, terms.values(), strict=True)]
        self.update("generator", torch.stack(weighted).sum(), keep_graph=True)
        real_logits, fake_logits = self.discriminator.judge(real_features), self.discriminator.judge(fake_features)
        loss = self.update("discriminator", objectives.discriminator_loss(real_logits, fake_logits))
        revive(self, self.discriminator, loss, lambda: networks.CodeCritic(self.require_built(), FEATURES, self.width))
        return {term: value.detach() for term, value in terms.items()} | {"discriminator": loss}

    def validation_loss(self, batch: Tensor) -> Tensor:
        return l1_loss(self.generator(batch), batch)


class SkipGANomaly(Detector):
    """A(x) = λ R(x) + (1 - λ) L(x), R = mean (x - G(x))², L = mean (f(x) - f(G(x)))²; the map is |x - G(x)|.

    f are the 100 features from which the discriminator D makes its logit.

    Differences from the paper: scores in evaluation mode, one image at a time as well as in batches; no scaling by the
    test set; the last epoch, not the best on test data; other sizes than powers of two are padded inside. The released
    code's learning rate (the paper's is 2e-3) and contextual weight (the paper's is 40). Not taken over from the
    code: that its discriminator, too, minimises the latent loss, against the paper.

    The preset "fast" is another method: of the U-Net's skips the three outermost are closed, and the residual alone,
    by absolute values, is the score; the discriminator's features take no part in it.

    Args:
        model: The networks and how they are trained.
        residual_share: λ.
        difference: Both parts of the score by their squares, "l2", as in the code, or by absolute values, "l1".
        bn_mode: "batch" scores by the batch's own statistics, only to reproduce the released code: see `batch_norm`.
    """

    card = CARD
    presets = {
        "fast": Preset(
            lambda: SkipGANomaly(
                SkipGANomalyTraining(width=8, closed_skips=3, learning_rate=1e-3), residual_share=1.0, difference="l1"
            ),
            TrainingOptions(budget=Budget(steps=2000), batch_size=32),
            "scores by the residual alone, of a U-Net with three closed skips: another method",
        ),
        "small": Preset(lambda: SkipGANomaly(SkipGANomalyTraining(width=8))),
    }

    def __init__(
        self,
        model: SkipGANomalyTraining | None = None,
        residual_share: Annotated[Share, Searched(0.5, 1)] = 0.9,
        difference: Literal["l1", "l2"] = "l2",
        bn_mode: BatchNormMode = "eval",
    ) -> None:
        super().__init__()
        self.model = SkipGANomalyTraining() if model is None else model
        self.residual_share = residual_share
        self.difference = difference
        self.bn_mode = bn_mode

    def score_batch(self, images: Tensor) -> Anomaly:
        with batch_norm(self.model, self.bn_mode):
            rebuilt = self.model.generator(images)
            features, rebuilt_features = (self.model.discriminator.features(x) for x in (images, rebuilt))
        residual, latent = images - rebuilt, features - rebuilt_features
        terms = {"residual": self._size(residual), "latent": self._size(latent)}
        score = self.residual_share * terms["residual"] + (1 - self.residual_share) * terms["latent"]
        return Anomaly(score, residual.abs().mean(1, keepdim=True), terms, reconstruction=rebuilt)

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.discriminator.features(images)

    def _size(self, difference: Tensor) -> Tensor:
        return SIZES[self.difference](difference).flatten(1).mean(1)
