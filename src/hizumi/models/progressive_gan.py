"""Progressive GAN: from a few pixels upwards, each doubling of the size faded in."""

from functools import partial

from torch import Tensor

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeFloat, PositiveFloat, PositiveInt
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, TrainingOptions


class ProgressiveGAN(Adversarial):
    """Progressively grown Wasserstein GAN with gradient penalty.

    The budget is divided evenly: the base map, then for each doubling a time to fade in and a time to settle.

    Differences from the authors' code: Adam starts afresh where a level enters, but not again where its fade ends; and
    the default budget shows 80,000 images in all, where theirs shows 600,000 for each fade and as many for each rest:
    samples still get better at its end.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels at full size; twice as many on each level below, at most eight times.
        learning_rate: Of Adam; its moments start afresh on each level.
        betas: Adam's.
        penalty_weight: λ of the critic's gradient penalty.
        drift_weight: Of the critic's squared scores of real items, which keeps them near 0.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
    """

    card = Card(
        family="implicit",
        idea="learn the coarse picture first: both networks grow from 4 pixels upwards, each level faded in",
        paper="Karras, Aila, Laine & Lehtinen, Progressive growing of GANs, ICLR 2018",
        inputs=("images",),
    )
    default_budget = Budget(steps=5000)
    default_batch_size = 16
    presets = {
        "fast": Preset(
            lambda: ProgressiveGAN(latent=64, width=8, average_decay=0.99),
            TrainingOptions(budget=Budget(steps=1200), batch_size=8),
        ),
        "small": Preset(lambda: ProgressiveGAN(width=2, latent=4)),
    }
    generator: networks.ProgressiveGenerator

    def __init__(
        self,
        latent: PositiveInt = 128,
        width: PositiveInt = 16,
        learning_rate: PositiveFloat = 1e-3,
        betas: tuple[Momentum, Momentum] = (0.0, 0.99),
        penalty_weight: NonNegativeFloat = 10.0,
        drift_weight: NonNegativeFloat = 1e-3,
        average_decay: Momentum | None = 0.999,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.learning_rate = learning_rate
        self.betas = betas
        self.penalty_weight = penalty_weight
        self.drift_weight = drift_weight
        self.average_decay = average_decay

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.ProgressiveGenerator(shape, self.latent, self.width)
        self.critic = networks.ProgressiveCritic(shape, self.width)
        self.keep_average(self.average_decay)
        for level in range(self.generator.pyramid.stages + 1):
            for name, network in (("critic", self.critic), ("generator", self.generator)):
                parameters = network.parameters_up_to(level)
                self.optimise(f"{name} {level}", parameters, learning_rate=self.learning_rate, betas=self.betas)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step of the critic, then one of the generator, at the size that both have grown to."""
        growth = networks.growth_at(self.progress, self.generator.pyramid.stages)
        level, fade = networks.level_and_fade(growth)
        self.generator.growth.fill_(growth)

        critic = partial(self.critic.at, level=level, fade=fade)
        real = self.critic.shown(batch, level, fade)
        fake = self.generator.at(self.noise(len(batch)), level, fade)

        real_scores = critic(real)
        loss = objectives.wasserstein_critic_loss(real_scores, critic(fake.detach()))
        penalty = objectives.gradient_penalty(critic, real, fake)
        drift = real_scores.square().mean()
        self.update(f"critic {level}", loss + self.penalty_weight * penalty + self.drift_weight * drift)
        generator = self.update(f"generator {level}", objectives.wasserstein_generator_loss(critic(fake)))
        self.follow_average()
        return {"distance": -loss.detach(), "penalty": penalty.detach(), "generator": generator}
