"""Continuation GAN: a generator that is told how a window begins, and goes on from there."""

import torch
from torch import Tensor

from hizumi import networks, objectives
from hizumi.arguments import Momentum, PositiveFloat, PositiveInt
from hizumi.models.abilities import CanContinue
from hizumi.models.adversarial import SAMPLES_AT_ONCE
from hizumi.networks.parts import in_parts
from hizumi.training import Budget, Card, Preset, TrainingOptions, WeightAverage

UNTOLD = 0.25  # share of the items whose beginning the generator is not told, so that it makes whole ones too


class ContinuationGAN(CanContinue):
    """Conditional GAN whose condition is the beginning of the item, of a length that changes from item to item.

    The discriminator is told which columns were given, and sees these and the others as one item: a jump between them
    gives a generated one away.

    Args:
        latent: Dimensions of the code, drawn from N(0, I), and of what is kept of the beginning.
        width: Channels of the first convolution of the discriminator and of the encoder.
        learning_rate: Of both Adam optimisers.
        beta1: Their first momentum.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
    """

    card = Card(
        family="implicit",
        idea="tell generator and discriminator how an item begins, then ask for the rest",
        paper="Mirza & Osindero, Conditional generative adversarial nets, arXiv:1411.1784, 2014",
        inputs=("images",),
    )
    default_budget = Budget(steps=3000)
    default_batch_size = 64
    presets = {
        "fast": Preset(
            lambda: ContinuationGAN(width=16, learning_rate=1e-3),
            TrainingOptions(budget=Budget(steps=2000), batch_size=32),
        ),
        "small": Preset(lambda: ContinuationGAN(width=8, latent=4)),
    }

    def __init__(
        self,
        latent: PositiveInt = 32,
        width: PositiveInt = 32,
        learning_rate: PositiveFloat = 5e-4,
        beta1: Momentum = 0.5,
        average_decay: Momentum | None = 0.99,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.average_decay = average_decay

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.ContinuationGenerator(shape, self.latent, self.width)
        self.discriminator = networks.critic((shape[0] + 1, *shape[1:]), self.width)
        self.average = WeightAverage(self.generator, self.average_decay) if self.average_decay else None
        betas = (self.beta1, 0.999)
        self.optimise("discriminator", self.discriminator.parameters(), learning_rate=self.learning_rate, betas=betas)
        self.optimise("generator", self.generator.parameters(), learning_rate=self.learning_rate, betas=betas)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        known = _known(_lengths(batch), batch)
        codes = torch.randn(len(batch), self.latent, device=batch.device)
        fake = torch.cat([self.generator(codes, batch, known), known], 1)
        real = torch.cat([batch, known], 1)
        discriminator = objectives.discriminator_loss(self.discriminator(real), self.discriminator(fake.detach()))
        discriminator = self.update("discriminator", discriminator)
        generator = self.update("generator", objectives.non_saturating_loss(self.discriminator(fake)))
        if self.average is not None:
            self.average.follow(self.generator, self.clock)
        return {"discriminator": discriminator, "generator": generator}

    def sample(self, count: int, seed: int = 0) -> Tensor:
        items = torch.zeros(count, *self.require_built(), device=self.device)
        return self._made(items, 0, seed)

    def continued(self, start: Tensor, seed: int = 0) -> Tensor:
        items = torch.zeros(len(start), *self.require_built(), device=self.device)
        items[..., : start.shape[3]] = start
        return self._made(items, start.shape[3], seed)

    @torch.no_grad()
    def _made(self, items: Tensor, columns: int, seed: int) -> Tensor:
        """Items of which so many columns are known."""
        codes = torch.randn(len(items), self.latent, generator=torch.Generator().manual_seed(seed)).to(self.device)
        known = _known(torch.full((len(items),), columns, device=self.device), items)
        self.eval()
        generator = self.generator if self.average is None else self.average.network
        parts = zip(*(in_parts(each, SAMPLES_AT_ONCE) for each in (codes, items, known)), strict=True)
        return torch.cat([generator(*part) for part in parts])


def _lengths(batch: Tensor) -> Tensor:
    """How many columns of each item the generator is told."""
    some = torch.randint(1, batch.shape[3], (len(batch),), device=batch.device)
    return some * (torch.rand(len(batch), device=batch.device) >= UNTOLD)


def _known(lengths: Tensor, items: Tensor) -> Tensor:
    """1 in the first columns, 0 in the others; (n, 1, h, w)."""
    columns = torch.arange(items.shape[3], device=items.device) < lengths[:, None]
    return columns[:, None, None].expand(-1, 1, items.shape[2], -1).to(items.dtype)
