"""WGAN: a critic estimates the earth mover's distance, kept Lipschitz by weights in a small box."""

import torch
from torch import Tensor, nn

from hizumi import networks, objectives
from hizumi.arguments import Momentum, PositiveFloat, PositiveInt
from hizumi.models.abilities import HasOpponent
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, TrainingOptions

LONG_AT_FIRST = 25  # generator steps
LONG_EVERY = 500


class WGAN(Adversarial, HasOpponent):
    """Wasserstein generative adversarial network with weight clipping.

    The weights are clipped after each step of the critic, as in the paper; the released code clips before it.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels of the critic's first convolution.
        hidden: Widths of the hidden layers for vectors.
        learning_rate: Of both RMSprop optimisers; momentum was found to make training unstable.
        clip: Every weight of the critic stays in [-clip, clip].
        critic_steps: For each step of the generator.
        long_critic_steps: For each of the generator's first 25 steps and every 500th, as in the released code: the
            critic must be good before its gradient is meaningful. Equal to `critic_steps` to switch this off.
        batch_norm: In the convolutional networks, the critic's included, as in the released code.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
    """

    card = Card(
        family="implicit",
        idea="a critic measures how far generated items have to be moved; clipped weights keep its slope bounded",
        paper="Arjovsky, Chintala & Bottou, Wasserstein generative adversarial networks, ICML 2017",
    )
    default_budget = Budget(steps=20_000)
    presets = {
        "fast": Preset(
            lambda: WGAN(
                latent=64, width=16, learning_rate=5e-4, critic_steps=2, long_critic_steps=20, average_decay=0.99
            ),
            TrainingOptions(budget=Budget(steps=4000), batch_size=16),
        ),
        "small": Preset(lambda: WGAN(width=8, hidden=(32, 32), latent=4, critic_steps=2, long_critic_steps=3)),
    }

    def __init__(
        self,
        latent: PositiveInt = 100,
        width: PositiveInt = 64,
        hidden: tuple[PositiveInt, ...] = (512, 512, 512),
        learning_rate: PositiveFloat = 5e-5,
        clip: PositiveFloat = 0.01,
        critic_steps: PositiveInt = 5,
        long_critic_steps: PositiveInt = 100,
        batch_norm: bool = True,
        average_decay: Momentum | None = 0.999,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.clip = clip
        self.critic_steps = critic_steps
        self.long_critic_steps = long_critic_steps
        self.batch_norm = batch_norm
        self.average_decay = average_decay

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.generator(
            shape, self.latent, self.width, batch_norm=self.batch_norm, hidden=self.hidden
        )
        self.critic = networks.critic(shape, self.width, self.batch_norm, self.hidden)
        self.keep_average(self.average_decay)
        self.optimise("critic", self.critic.parameters(), kind="rmsprop", learning_rate=self.learning_rate)
        self.optimise("generator", self.generator.parameters(), kind="rmsprop", learning_rate=self.learning_rate)

    @property
    def opponent(self) -> nn.Module:
        return self.critic

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(batch)))
        loss = objectives.wasserstein_critic_loss(self.critic(batch), self.critic(fake.detach()))
        losses = {"distance": -self.update("critic", loss)}
        with torch.no_grad():
            for weight in self.critic.parameters():
                weight.clamp_(-self.clip, self.clip)
        if long_and_short_turns(self.steps_done, self.critic_steps, self.long_critic_steps):
            losses["generator"] = self.update("generator", objectives.wasserstein_generator_loss(self.critic(fake)))
            self.follow_average()
        return losses


def long_and_short_turns(critic_steps_done: int, short: int, long: int) -> bool:
    """Whether the generator moves after this critic step: after `long` of them at first and now and then, else `short`.

    Generator steps 0 to 24, 500, 1000, ... wait for `long` critic steps.
    """
    step = critic_steps_done - LONG_AT_FIRST * long
    if step < 0:
        return (step + 1) % long == 0
    # Counted from a multiple of LONG_EVERY; the short turns that remain before the first one stand at the cycle's end.
    cycle = long + (LONG_EVERY - 1) * short
    position = (step - (LONG_EVERY - LONG_AT_FIRST) * short) % cycle
    return position == long - 1 or (position >= long and (position - long + 1) % short == 0)
