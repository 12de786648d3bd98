"""Conditional GAN: both networks see the class, so that samples of a class can be asked for."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from hizumi import networks, objectives
from hizumi.arguments import Momentum, PositiveFloat, PositiveInt
from hizumi.errors import UsageError
from hizumi.models.abilities import CanSampleClasses
from hizumi.models.adversarial import SAMPLES_AT_ONCE
from hizumi.training import Budget, Card, Preset, TrainingOptions, WeightAverage


class ConditionalGAN(CanSampleClasses):
    """Conditional generative adversarial network on DCGAN's bodies.

    The class, one-hot as a vector or as constant maps, is concatenated to the input of either network.

    Differences from the paper: those bodies and Adam, where it has maxout and SGD; normal instead of uniform codes; the
    generator is averaged.

    Args:
        classes: Number of classes; labels are 0 .. classes - 1.
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels of the discriminator's first convolution.
        learning_rate: Of both Adam optimisers.
        beta1: Their first momentum.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
    """

    card = Card(
        family="implicit",
        idea="tell generator and discriminator the class, then ask for one",
        paper="Mirza & Osindero, Conditional generative adversarial nets, arXiv:1411.1784, 2014",
        needs=("labels",),
    )
    default_budget = Budget(steps=3000)
    default_batch_size = 128
    presets = {
        "fast": Preset(
            lambda: ConditionalGAN(latent=64, width=16, learning_rate=1e-3, average_decay=0.99),
            TrainingOptions(budget=Budget(steps=1500), batch_size=32),
        ),
        "small": Preset(lambda: ConditionalGAN(width=8, latent=4)),
    }
    classes: int

    def __init__(
        self,
        classes: PositiveInt = 10,
        latent: PositiveInt = 100,
        width: PositiveInt = 64,
        learning_rate: PositiveFloat = 2e-4,
        beta1: Momentum = 0.5,
        average_decay: Momentum | None = 0.999,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.latent = latent
        self.width = width
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.average_decay = average_decay

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.generator(shape, self.latent + self.classes, self.width)
        self.discriminator = networks.critic((shape[0] + self.classes, *shape[1:]), self.width)
        self.average = WeightAverage(self.generator, self.average_decay) if self.average_decay else None
        betas = (self.beta1, 0.999)
        self.optimise("discriminator", self.discriminator.parameters(), learning_rate=self.learning_rate, betas=betas)
        self.optimise("generator", self.generator.parameters(), learning_rate=self.learning_rate, betas=betas)

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        items, labels = batch
        self.check_labels(labels)
        codes = torch.randn(len(items), self.latent, device=items.device)
        fake = self.with_class(self.generator(self.with_class(codes, labels)), labels)
        real = self.with_class(items, labels)
        discriminator = objectives.discriminator_loss(self.discriminator(real), self.discriminator(fake.detach()))
        discriminator = self.update("discriminator", discriminator)
        generator = self.update("generator", objectives.non_saturating_loss(self.discriminator(fake)))
        if self.average is not None:
            self.average.follow(self.generator, self.clock)
        return {"discriminator": discriminator, "generator": generator}

    def sample(self, count: int, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        self.require_built()
        if labels is None:
            labels = torch.arange(count) % self.classes
        if labels.shape != (count,) or not bool(((labels >= 0) & (labels < self.classes)).all()):
            raise UsageError(f"sample needs {count} labels of 0 to {self.classes - 1}, one for each item")
        codes = torch.randn(count, self.latent, generator=torch.Generator().manual_seed(seed))
        inputs = self.with_class(codes, labels.to(codes.device)).to(self.device)
        generator = self.generator if self.average is None else self.average.network
        self.eval()
        with torch.no_grad():
            return torch.cat([generator(part) for part in torch.split(inputs, SAMPLES_AT_ONCE)])

    def with_class(self, items: Tensor, labels: Tensor) -> Tensor:
        """Codes, vectors or images with the one-hot class joined to them, as constant maps for images."""
        classes = one_hot(labels, self.classes).to(items.dtype)
        classes = classes.reshape(*classes.shape, *[1] * (items.ndim - 2)).expand(-1, -1, *items.shape[2:])
        return torch.cat([items, classes], dim=1)
