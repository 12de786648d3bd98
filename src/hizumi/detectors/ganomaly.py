"""GANomaly: an anomaly's code and the code of its reconstruction disagree."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.detectors.batch_statistics import BatchNormMode, batch_norm
from hizumi.detectors.detector import Anomaly, Detector, residual_map
from hizumi.detectors.revival import revive
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

CARD = Card(
    family="reconstruction",
    idea="the code of an anomaly and the code of its reconstruction disagree",
    paper="Akcay, Atapour-Abarghouei & Breckon, GANomaly, ACCV 2018",
    localises=True,
)


class GANomalyTraining(Trainable):
    """Encoder, decoder and second encoder against a discriminator.

    Args:
        latent: Dimensions of the code.
        width: Channels of the first convolution.
        weights: Of the adversarial, contextual and encoding losses.
        adversarial: "features" compares the discriminator's features; "bce" is the first release's loss.
        learning_rate: Of both Adam optimisers.
        beta1: Their first momentum.
    """

    card = CARD
    default_budget = Budget(epochs=15)

    def __init__(
        self,
        latent: Annotated[PositiveInt, Searched(16, 256, log=True)] = 100,
        width: Annotated[PositiveInt, Searched(8, 128, log=True, of_rows=False)] = 64,
        weights: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = (1.0, 50.0, 1.0),
        adversarial: Literal["features", "bce"] = "features",
        learning_rate: Annotated[PositiveFloat, Searched(5e-5, 2e-3, log=True)] = 2e-4,
        beta1: Momentum = 0.5,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.weights = weights
        self.adversarial = adversarial
        self.learning_rate = learning_rate
        self.beta1 = beta1

    def build(self, shape: tuple[int, ...]) -> None:
        self.encoder = networks.encoder(shape, self.latent, self.width)
        self.decoder = networks.generator(shape, self.latent, self.width)
        self.second_encoder = networks.encoder(shape, self.latent, self.width)
        self.discriminator = networks.critic(shape, self.width)
        generator = nn.ModuleList([self.encoder, self.decoder, self.second_encoder]).parameters()
        betas = (self.beta1, 0.999)
        self.optimise("generator", generator, learning_rate=self.learning_rate, betas=betas)
        self.optimise("discriminator", self.discriminator.parameters(), learning_rate=self.learning_rate, betas=betas)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        code, rebuilt, second_code = self.rebuild(batch)
        # Both updates go back through the same passes of the discriminator, which only the second one changes.
        real_features, fake_features = self.discriminator.features(batch), self.discriminator.features(rebuilt)
        terms = {
            "adversarial": self._adversarial_loss(real_features.detach(), fake_features),
            "contextual": l1_loss(rebuilt, batch),
            "encoding": mse_loss(second_code, code),
        }
        weighted = [weight * term for weight, term in zip(self.weights, terms.values(), strict=True)]
        self.update("generator", torch.stack(weighted).sum(), keep_graph=True)
        real_logits, fake_logits = self.discriminator.judge(real_features), self.discriminator.judge(fake_features)
        discriminator = self.update("discriminator", objectives.discriminator_loss(real_logits, fake_logits) / 2)
        revive(self, self.discriminator, discriminator, lambda: networks.critic(self.require_built(), self.width))
        return {term: value.detach() for term, value in terms.items()} | {"discriminator": discriminator}

    def validation_loss(self, batch: Tensor) -> Tensor:
        code, rebuilt, second_code = self.rebuild(batch)
        return self.weights[1] * l1_loss(rebuilt, batch) + self.weights[2] * mse_loss(second_code, code)

    def rebuild(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, reconstructions, and the reconstructions' codes."""
        code = self.encoder(images)
        rebuilt = self.decoder(code)
        return code, rebuilt, self.second_encoder(rebuilt)

    def _adversarial_loss(self, real_features: Tensor, fake_features: Tensor) -> Tensor:
        match self.adversarial:
            case "features":
                return mse_loss(fake_features, real_features)
            case "bce":
                return objectives.non_saturating_loss(self.discriminator.judge(fake_features))


class GANomaly(Detector):
    """A(x) = mean (z - z')², z = E(x), z' = E'(G(z)); the map is |x - G(z)|.

    Differences from the paper: scores in evaluation mode, one image at a time as well as in batches; no scaling by the
    test set; the last epoch, not the best on test data; images whose sides are no multiples of 16 are padded inside;
    vectors get fully connected networks. The paper's learning rate is 2e-3, the released code's, used here, 2e-4.

    Args:
        model: The networks and how they are trained.
        bn_mode: "batch" scores by the batch's own statistics, only to reproduce the released code: see `batch_norm`.
    """

    card = CARD
    presets = {
        "fast": Preset(
            lambda: GANomaly(GANomalyTraining(latent=32, width=16)),
            TrainingOptions(budget=Budget(steps=1500), batch_size=64),
        ),
        "small": Preset(lambda: GANomaly(GANomalyTraining(latent=8, width=8))),
    }

    def __init__(self, model: GANomalyTraining | None = None, bn_mode: BatchNormMode = "eval") -> None:
        super().__init__()
        self.model = GANomalyTraining() if model is None else model
        self.bn_mode = bn_mode

    def score_batch(self, images: Tensor) -> Anomaly:
        with batch_norm(self.model, self.bn_mode):
            code, rebuilt, second_code = self.model.rebuild(images)
        latent = (code - second_code).square().mean(1)
        terms = {"latent": latent, "residual": (images - rebuilt).abs().flatten(1).mean(1)}
        return Anomaly(latent, residual_map(images, rebuilt), terms, reconstruction=rebuilt)

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.discriminator.features(images).flatten(1)
