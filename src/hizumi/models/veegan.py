"""VEEGAN: a reconstructor takes items back to noise, and data to the prior; modes that are missed show there."""

import torch
from torch import Tensor, nn

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeFloat, PositiveFloat, PositiveInt
from hizumi.models.abilities import Autoencodes, HasOpponent, JudgesPairs
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, TrainingOptions, linear_to_zero


class VEEGAN(Adversarial, HasOpponent, JudgesPairs, Autoencodes):
    """Variational encoder enhancement to generative adversarial networks.

    The discriminator sees an item together with a code and tells (G(z), z) from (F(x), x). It estimates the logarithm
    of the ratio of their densities, so the generator steps down the bare logit. The reconstructor F learns to invert G
    alone: on modes that G misses, F(x) is unlike the prior, which the discriminator notices.

    Differences from the authors' code: noise on the codes that the discriminator sees, which `code_noise` 0 leaves
    out; learning rates that fall; an averaged generator.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels of the first convolutions, for images.
        hidden: Widths of the hidden layers from the item inwards, for vectors.
        code_noise: Standard deviation of noise that is added to every code that the discriminator sees. It makes the
            reconstructor's answer a distribution, as the bound asks for: a lone point F(x) for each of a few tight
            modes would give data away, and the discriminator would judge by codes alone.
        learning_rate: Of the three Adam optimisers; it falls to 0 in the second half of the budget.
        beta1: Their first momentum.
        average_decay: Of the running average of the generator, which samples; None for the last weights.
    """

    card = Card(
        family="implicit",
        idea="a reconstructor takes items back to noise; data that it does not take to the prior are missing modes",
        paper="Srivastava et al., VEEGAN: reducing mode collapse in GANs using implicit variational learning, "
        "NIPS 2017",
    )
    default_budget = Budget(steps=10_000)
    default_batch_size = 128
    presets = {
        "fast": Preset(
            lambda: VEEGAN(latent=16, width=16, average_decay=0.99),
            TrainingOptions(budget=Budget(steps=2000), batch_size=16),
        ),
        "small": Preset(lambda: VEEGAN(width=8, hidden=(32, 32), latent=4)),
    }

    def __init__(
        self,
        latent: PositiveInt = 32,
        width: PositiveInt = 32,
        hidden: tuple[PositiveInt, ...] = (128, 128),
        code_noise: NonNegativeFloat = 1.0,
        learning_rate: PositiveFloat = 1e-3,
        beta1: Momentum = 0.5,
        average_decay: Momentum | None = 0.999,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.hidden = hidden
        self.code_noise = code_noise
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.average_decay = average_decay

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.generator(shape, self.latent, self.width, hidden=self.hidden)
        self.reconstructor = networks.encoder(shape, self.latent, self.width, hidden=self.hidden)
        self.discriminator = networks.JointCritic(shape, self.latent, self.width, self.hidden)
        self.keep_average(self.average_decay)
        players = ("discriminator", "reconstructor", "generator")
        self.optimise_each(*players, betas=(self.beta1, 0.999), schedule=linear_to_zero(0.5))

    @property
    def opponent(self) -> nn.Module:
        return self.discriminator

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step each of the discriminator, the reconstructor and the generator, on the same codes and items."""
        codes = self.noise(len(batch))
        seen, fake = self._blurred(codes), self.generator(codes)

        model_pairs = self.discriminator(items=fake.detach(), codes=seen)
        data_pairs = self.discriminator(items=batch, codes=self._blurred(self.reconstructor(batch).detach()))
        discriminator = self.update("discriminator", objectives.discriminator_loss(model_pairs, data_pairs))

        reconstruction = self.update("reconstructor", self._inversion_error(codes, fake.detach()))

        log_ratio = self.discriminator(items=fake, codes=seen).mean()
        generator = self.update("generator", log_ratio + self._inversion_error(codes, fake))
        self.follow_average()
        return {"discriminator": discriminator, "reconstruction": reconstruction, "generator": generator}

    def encode(self, images: Tensor) -> Tensor:
        return self.reconstructor(images)

    def pair_logits(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """As for every such model positive for data, which is minus what VEEGAN's discriminator says."""
        codes = self.noise(len(items))
        data_pairs = self.discriminator(items=items, codes=self._blurred(self.reconstructor(items)))
        return -data_pairs, -self.discriminator(items=self.generator(codes), codes=self._blurred(codes))

    def _blurred(self, codes: Tensor) -> Tensor:
        return codes + self.code_noise * torch.randn_like(codes)

    def _inversion_error(self, codes: Tensor, items: Tensor) -> Tensor:
        return (codes - self.reconstructor(items)).square().sum(1).mean()
