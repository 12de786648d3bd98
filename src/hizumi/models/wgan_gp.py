"""WGAN-GP: a critic whose slope is pulled towards 1 between real and generated items, instead of clipped weights."""

from torch import Tensor, nn

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeFloat, PositiveFloat, PositiveInt
from hizumi.models.abilities import HasOpponent
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, TrainingOptions, linear_to_zero


class WGANGP(Adversarial, HasOpponent):
    """Wasserstein generative adversarial network with gradient penalty.

    The critic has no batch norm: the penalty is on the slope at each item by itself.

    Differences from the authors' code: without `residual`, convolutions start from DCGAN's N(0, 0.02²), so that the
    critic's slope starts far below that of the authors', whose layers start at He's or Glorot's scale; the generator is
    averaged.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels of the critic's first convolution.
        hidden: Widths of the hidden layers for vectors.
        learning_rate: Of both Adam optimisers; falls in a line to 0, as in the paper's longest runs.
        beta1: Their first momentum; 0 in the paper, 0.5 in most of its released code.
        penalty_weight: λ; 0.1 for low-dimensional toys.
        critic_steps: For each step of the generator.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
        residual: The residual networks of the paper's 64-pixel images, with layer norm in the critic.
        augmentation: Random changes to all images that the critic sees: "colour", "translation", "cutout" (Zhao
            et al. 2020). From a few hundred pictures it learns instead of remembering them.
    """

    card = Card(
        family="implicit",
        idea="a critic measures how far generated items have to be moved; a penalty keeps its slope near 1",
        paper="Gulrajani et al., Improved training of Wasserstein GANs, NIPS 2017",
    )
    default_budget = Budget(steps=20_000)
    presets = {
        "fast": Preset(
            lambda: WGANGP(latent=64, width=16, learning_rate=1e-3, critic_steps=2, average_decay=0.99),
            TrainingOptions(budget=Budget(steps=1000), batch_size=16),
        ),
        "small": Preset(lambda: WGANGP(width=8, hidden=(32, 32), latent=4, critic_steps=2)),
    }

    def __init__(
        self,
        latent: PositiveInt = 128,
        width: PositiveInt = 64,
        hidden: tuple[PositiveInt, ...] = (512, 512, 512),
        learning_rate: PositiveFloat = 1e-4,
        beta1: Momentum = 0.0,
        penalty_weight: NonNegativeFloat = 10.0,
        critic_steps: PositiveInt = 5,
        average_decay: Momentum | None = 0.999,
        residual: bool = False,
        augmentation: tuple[objectives.Change, ...] = (),
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.penalty_weight = penalty_weight
        self.critic_steps = critic_steps
        self.average_decay = average_decay
        self.residual = residual
        self.augmentation = augmentation

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.generator(shape, self.latent, self.width, hidden=self.hidden, residual=self.residual)
        self.critic = networks.critic(shape, self.width, batch_norm=False, hidden=self.hidden, residual=self.residual)
        self.keep_average(self.average_decay)
        self.optimise_each("critic", "generator", betas=(self.beta1, 0.9), schedule=linear_to_zero())

    @property
    def opponent(self) -> nn.Module:
        return self.critic

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(batch)))
        real, made = self.shown(batch), self.shown(fake.detach())
        loss = objectives.wasserstein_critic_loss(self.critic(real), self.critic(made))
        penalty = objectives.gradient_penalty(self.critic, real, made)
        self.update("critic", loss + self.penalty_weight * penalty)
        losses = {"distance": -loss.detach(), "penalty": penalty.detach()}
        if self.generators_turn(self.critic_steps):
            losses["generator"] = self.update(
                "generator", objectives.wasserstein_generator_loss(self.critic(self.shown(fake)))
            )
            self.follow_average()
        return losses
