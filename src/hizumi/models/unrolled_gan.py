"""Unrolled GAN: the generator plays against the discriminator as it will be some steps later."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeInt, PositiveFloat, PositiveInt
from hizumi.models.abilities import HasOpponent
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, linear_to_zero

EPSILON = 1e-8  # Adam's


class UnrolledGAN(Adversarial, HasOpponent):
    """Generative adversarial network whose generator looks ahead.

    Putting all mass on one mode pays only until the discriminator answers; a generator that sees the answer coming
    does not do it. The steps looked ahead are those that the discriminator's own Adam would take on the same batch,
    its moments carried on, and the generator's gradient passes through all of them.

    Differences from the authors' demonstration: the discriminator steps first, the generator after it; hidden layers
    are LeakyReLU with PyTorch's own start, not tanh with an orthogonal one; both players have one learning rate, which
    falls; the generator is averaged.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels of the discriminator's first convolution, for images.
        hidden: Sizes of the hidden layers, for vectors.
        unrolled_steps: How many steps to look ahead; 0 is the minimax game. Time and memory grow with it.
        learning_rate: Of both Adam optimisers; it falls to 0 in the second half of the budget.
        beta1: Their first momentum.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
    """

    card = Card(
        family="implicit",
        idea="train the generator against the discriminator as it will be some steps later",
        paper="Metz, Poole, Pfau & Sohl-Dickstein, Unrolled generative adversarial networks, ICLR 2017",
    )
    default_budget = Budget(steps=4000)
    default_batch_size = 128
    presets = {"small": Preset(lambda: UnrolledGAN(width=8, hidden=(32, 32), latent=4, unrolled_steps=2))}

    def __init__(
        self,
        latent: PositiveInt = 32,
        width: PositiveInt = 32,
        hidden: tuple[PositiveInt, ...] = (64, 64),
        unrolled_steps: NonNegativeInt = 5,
        learning_rate: PositiveFloat = 1e-3,
        beta1: Momentum = 0.5,
        average_decay: Momentum | None = 0.999,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.hidden = hidden
        self.unrolled_steps = unrolled_steps
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.average_decay = average_decay

    def build(self, shape: tuple[int, ...]) -> None:
        """Make generator and discriminator; batch statistics would not stay put while weights are tried out."""
        self.generator = networks.generator(shape, self.latent, self.width, hidden=self.hidden)
        self.keep_average(self.average_decay)
        self.discriminator = networks.critic(shape, self.width, hidden=self.hidden, batch_norm=False)
        self.optimise_each("discriminator", "generator", betas=(self.beta1, 0.999), schedule=linear_to_zero(0.5))

    @property
    def opponent(self) -> nn.Module:
        return self.discriminator

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One ordinary step of the discriminator, then one of the generator against the unrolled one."""
        fake = self.generator(self.noise(len(batch)))
        loss = objectives.discriminator_loss(self.discriminator(batch), self.discriminator(fake.detach()))
        discriminator = self.update("discriminator", loss)
        generator = self.update("generator", -self.unrolled_loss(batch, fake))
        self.follow_average()
        return {"discriminator": discriminator, "generator": generator}

    def unrolled_loss(self, batch: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator will lose on these items after its next steps on them; differentiable in `fake`."""
        weights = torch.cat([parameter.flatten() for parameter in self.discriminator.parameters()])
        optimiser = self.optimisers["discriminator"]
        ((beta1, beta2), rate) = (optimiser.param_groups[0][key] for key in ("betas", "lr"))
        states = [optimiser.state[parameter] for parameter in self.discriminator.parameters()]
        mean = square = torch.zeros_like(weights)
        taken = int(states[0].get("step", 0))  # none yet in the first batches of an accumulated step
        if taken:
            mean, square = (torch.cat([state[key].flatten() for state in states]) for key in ("exp_avg", "exp_avg_sq"))
        for step in range(taken + 1, taken + self.unrolled_steps + 1):
            (gradient,) = torch.autograd.grad(self._loss_with(weights, batch, fake), weights, create_graph=True)
            mean = beta1 * mean + (1 - beta1) * gradient
            square = beta2 * square + (1 - beta2) * gradient.square()
            # The root has no slope at 0, where the weights of dead units lie.
            root = (square / (1 - beta2**step) + EPSILON**2).sqrt() + EPSILON
            weights = weights - rate / (1 - beta1**step) * mean / root
        return self._loss_with(weights, batch, fake)

    def _loss_with(self, weights: Tensor, batch: Tensor, fake: Tensor) -> Tensor:
        parameters = dict(self.discriminator.named_parameters())
        parts = torch.split(weights, [parameter.numel() for parameter in parameters.values()])
        own = {name: part.view(parameters[name].shape) for name, part in zip(parameters, parts, strict=True)}
        logits = functional_call(self.discriminator, own, (torch.cat([batch, fake]),))
        return objectives.discriminator_loss(*logits.tensor_split([len(batch)]))
