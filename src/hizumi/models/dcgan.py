"""DCGAN: a generator and a discriminator, convolutional all the way."""

from typing import Annotated

from torch import Tensor, nn

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeInt, PositiveFloat, PositiveInt, Searched, ShareBelowOne
from hizumi.models.abilities import HasOpponent
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, TrainingOptions


class DCGAN(Adversarial, HasOpponent):
    """Deep convolutional generative adversarial network; vectors get the fully connected networks of GAN.

    Differences from the paper: normal instead of uniform codes; kernels of 4x4 and half as many channels, where it has
    5x5; the generator is averaged; both players take their step on one batch, which the released code does not.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels of the discriminator's first convolution.
        game: "non-saturating" as trained in practice, "minimax", the game's own value, which is flat for the generator
            while the discriminator wins, or "least-squares" (Mao et al. 2017).
        learning_rate: Of both Adam optimisers.
        beta1: Their first momentum; the paper's 0.5.
        discriminator_steps: For each step of the generator.
        pretraining_steps: Of the discriminator alone, before the generator first moves.
        batch_norm: In all layers but the discriminator's first and either network's last.
        label_smoothing: Real items are labelled 1 minus this for the discriminator; 0.1 calms it.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
        augmentation: Random changes to all images that the discriminator sees: "colour", "translation", "cutout" (Zhao
            et al. 2020). From a few hundred pictures it learns instead of remembering them.
    """

    card = Card(
        family="implicit",
        idea="the game of GAN between strided convolutions, which batch norm keeps stable",
        paper="Radford, Metz & Chintala, Unsupervised representation learning with DCGANs, ICLR 2016",
    )
    default_budget = Budget(steps=3000)
    default_batch_size = 128
    presets = {
        "fast": Preset(
            lambda: DCGAN(
                latent=64,
                width=16,
                learning_rate=1e-3,
                average_decay=0.99,
                augmentation=("colour", "translation", "cutout"),
            ),
            TrainingOptions(budget=Budget(steps=1500), batch_size=16),
        ),
        "small": Preset(lambda: DCGAN(width=8, latent=4)),
    }

    def __init__(
        self,
        latent: Annotated[PositiveInt, Searched(16, 256, log=True)] = 100,
        width: Annotated[PositiveInt, Searched(16, 128, log=True, of_rows=False)] = 64,
        game: objectives.GameName = "non-saturating",
        learning_rate: Annotated[PositiveFloat, Searched(5e-5, 2e-3, log=True)] = 2e-4,
        beta1: Momentum = 0.5,
        discriminator_steps: PositiveInt = 1,
        pretraining_steps: NonNegativeInt = 0,
        batch_norm: bool = True,
        label_smoothing: ShareBelowOne = 0.0,
        average_decay: Momentum | None = 0.999,
        augmentation: tuple[objectives.Change, ...] = (),
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.game = game
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.discriminator_steps = discriminator_steps
        self.pretraining_steps = pretraining_steps
        self.batch_norm = batch_norm
        self.label_smoothing = label_smoothing
        self.average_decay = average_decay
        self.augmentation = augmentation

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.generator(shape, self.latent, self.width, batch_norm=self.batch_norm)
        self.discriminator = networks.critic(shape, self.width, self.batch_norm)
        self.keep_average(self.average_decay)
        self.optimise_each("discriminator", "generator", betas=(self.beta1, 0.999))

    @property
    def opponent(self) -> nn.Module:
        return self.discriminator

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        game = objectives.GAMES[self.game]
        fake = self.generator(self.noise(len(batch)))
        real_logits, fake_logits = (self.discriminator(self.shown(items)) for items in (batch, fake.detach()))
        loss = game.discriminator(real_logits, fake_logits, self.label_smoothing)
        losses = {"discriminator": self.update("discriminator", loss)}
        if self.generators_turn(self.discriminator_steps, self.pretraining_steps):
            losses["generator"] = self.update("generator", game.generator(self.discriminator(self.shown(fake))))
            self.follow_average()
        return losses
