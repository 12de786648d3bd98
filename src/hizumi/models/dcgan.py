"""DCGAN: a generator and a discriminator, convolutional all the way."""

from typing import ClassVar, Literal

from torch import Tensor

from hizumi import networks, objectives
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card


class DCGAN(Adversarial):
    """Deep convolutional generative adversarial network.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels of the discriminator's first convolution.
        game: The generator's loss: "non-saturating" as trained in practice, or "minimax", the game's own value.
        learning_rate: Of both Adam optimisers.
        beta1: Their first momentum; the paper's 0.5.
    """

    card: ClassVar[Card] = Card(
        family="implicit",
        idea="a generator learns to fool a discriminator; strided convolutions and batch norm keep them stable",
        paper="Radford, Metz & Chintala, Unsupervised representation learning with DCGANs, ICLR 2016",
    )
    default_budget: ClassVar[Budget] = Budget(steps=3000)
    default_batch_size: ClassVar[int] = 128

    def __init__(
        self,
        latent: int = 100,
        width: int = 64,
        game: Literal["non-saturating", "minimax"] = "non-saturating",
        learning_rate: float = 2e-4,
        beta1: float = 0.5,
    ) -> None:
        super().__init__()
        self.latent, self.width, self.game = latent, width, game
        self.learning_rate, self.beta1 = learning_rate, beta1

    def build(self, shape: tuple[int, ...]) -> None:
        """Make generator and discriminator."""
        self.generator = networks.generator(shape, self.latent, self.width)
        self.keep_average(None)
        self.discriminator = networks.critic(shape, self.width)
        betas = (self.beta1, 0.999)
        self.optimise("discriminator", self.discriminator.parameters(), learning_rate=self.learning_rate, betas=betas)
        self.optimise("generator", self.generator.parameters(), learning_rate=self.learning_rate, betas=betas)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step of the discriminator, then one of the generator."""
        fake = self.generator(self.noise(len(batch)))
        discriminator = objectives.discriminator_loss(self.discriminator(batch), self.discriminator(fake.detach()))
        discriminator = self.update("discriminator", discriminator)
        fooling = objectives.minimax_loss if self.game == "minimax" else objectives.non_saturating_loss
        generator = self.update("generator", fooling(self.discriminator(fake)))
        return {"discriminator": discriminator, "generator": generator}
