"""GAN: a generator and a discriminator, fully connected, in the two-player game of 2014."""

from torch import Tensor, nn

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeInt, PositiveFloat, PositiveInt, ShareBelowOne
from hizumi.models.abilities import HasOpponent
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, TrainingOptions


class GAN(Adversarial, HasOpponent):
    """Generative adversarial network, fully connected for images and vectors alike.

    As in the paper but for the discriminator's LeakyReLU instead of maxout with dropout, Adam instead of SGD with
    momentum, and normal instead of uniform codes.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        hidden: Widths of the discriminator's hidden layers, and of the generator's in the opposite order.
        game: "non-saturating" as trained in practice, "minimax", the game's own value, which is flat for the generator
            while the discriminator wins, or "least-squares" (Mao et al. 2017).
        learning_rate: Of both Adam optimisers.
        beta1: Their first momentum.
        discriminator_steps: For each step of the generator; the algorithm's k.
        pretraining_steps: Of the discriminator alone, before the generator first moves.
        batch_norm: In all layers but either network's first and last.
        label_smoothing: Real items are labelled 1 minus this for the discriminator; 0.1 calms it.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
    """

    card = Card(
        family="implicit",
        idea="a generator learns to fool a discriminator that learns to tell its items from real ones",
        paper="Goodfellow et al., Generative adversarial nets, NIPS 2014",
    )
    default_budget = Budget(steps=10_000)
    default_batch_size = 100
    presets = {
        "fast": Preset(
            lambda: GAN(latent=64, hidden=(256, 256), learning_rate=1e-3, average_decay=0.99),
            TrainingOptions(budget=Budget(steps=3000), batch_size=32),
        ),
        "small": Preset(lambda: GAN(hidden=(32, 32), latent=4)),
    }

    def __init__(
        self,
        latent: PositiveInt = 100,
        hidden: tuple[PositiveInt, ...] = (512, 512),
        game: objectives.GameName = "non-saturating",
        learning_rate: PositiveFloat = 2e-4,
        beta1: Momentum = 0.5,
        discriminator_steps: PositiveInt = 1,
        pretraining_steps: NonNegativeInt = 0,
        batch_norm: bool = False,
        label_smoothing: ShareBelowOne = 0.0,
        average_decay: Momentum | None = 0.999,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.hidden = hidden
        self.game = game
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.discriminator_steps = discriminator_steps
        self.pretraining_steps = pretraining_steps
        self.batch_norm = batch_norm
        self.label_smoothing = label_smoothing
        self.average_decay = average_decay

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.flat_generator(shape, self.latent, self.hidden, self.batch_norm)
        self.discriminator = networks.flat_critic(shape, self.hidden, self.batch_norm)
        self.keep_average(self.average_decay)
        self.optimise_each("discriminator", "generator", betas=(self.beta1, 0.999))

    @property
    def opponent(self) -> nn.Module:
        return self.discriminator

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        game = objectives.GAMES[self.game]
        fake = self.generator(self.noise(len(batch)))
        loss = game.discriminator(self.discriminator(batch), self.discriminator(fake.detach()), self.label_smoothing)
        losses = {"discriminator": self.update("discriminator", loss)}
        if self.generators_turn(self.discriminator_steps, self.pretraining_steps):
            losses["generator"] = self.update("generator", game.generator(self.discriminator(fake)))
            self.follow_average()
        return losses
