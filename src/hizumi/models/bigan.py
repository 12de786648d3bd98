"""BiGAN: a generator and its inverse learn in one game; ALI is the same with a stochastic encoder."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from hizumi import networks, objectives
from hizumi.arguments import (
    Momentum,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Searched,
    Share,
    ShareBelowOne,
)
from hizumi.models.abilities import Autoencodes, HasOpponent, JudgesPairs
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, TrainingOptions, WeightAverage, constant, linear_to_zero


class BiGAN(Adversarial, HasOpponent, JudgesPairs, Autoencodes):
    """Bidirectional generative adversarial network.

    The critic sees an item together with a code, and tells (x, E(x)) from (G(z), z). Where it cannot, E inverts G.

    Differences from BiGAN: codes are normal, not uniform; the critic steps first and then E and G, not all at once;
    weight decay acts on all parameters, also on gains and biases, which the authors leave out; E and G are averaged.

    Args:
        latent: Dimensions of the code, drawn from N(0, I).
        width: Channels of the first convolutions.
        encoder: "deterministic" as in BiGAN, or "stochastic" as in ALI: a mean and a variance for each item.
        learning_rate: Of both Adam optimisers.
        decay_start: Share of the budget after which it falls in a line to 0, by default the half after which BiGAN's
            falls exponentially; 1 to keep it.
        beta1: Their first momentum; the papers' 0.5.
        weight_decay: Of both; BiGAN's.
        average_decay: Of the running averages of E and G, which encode and sample; None for the last weights.
        encoder_hidden: Hidden layers of E for vectors, from the item inwards.
        generator_hidden: Those of G, from the item inwards as well.
        critic_hidden: Those in which the critic sees a vector with its code.
        critic_apart: Units of a layer that item and code each pass before they are joined; 0 for none.
        critic_met: Features of an image, and as many of its code, that are joined; 0 for 8 times the width.
        critic_depth: Layers after image and code are joined.
        dropout: Chance of dropping an activation in the critic.
        instance_noise: Standard deviation of the noise on the items that the critic sees, data and generated ones; it
            hides from the critic what no generator can match, such as exactly black pixels (Arjovsky & Bottou 2017).
        spectral_norm: Whether the critic's layers are divided by their largest singular value, so that it cannot win.
        cycle_weight: Of ||x - G(E(x))||², summed over an item and added to the loss of E and G. Only a critic that
            cannot be fooled makes E the inverse of G; on a few hundred items, or in a few thousand steps, none gets
            there, and G(E(x)) is any item. This is the explicit cycle consistency of ALICE (Li et al. 2017).
    """

    card = Card(
        family="implicit",
        idea="tell pairs (x, E(x)) from pairs (G(z), z): the encoder learns to invert the generator",
        paper="Donahue, Krähenbühl & Darrell, Adversarial feature learning, ICLR 2017; "
        "Dumoulin et al., Adversarially learned inference, ICLR 2017",
    )
    default_budget = Budget(steps=5000)
    default_batch_size = 128
    presets = {
        "fast": Preset(
            lambda: BiGAN(latent=16, width=16, learning_rate=1e-3, average_decay=0.99, cycle_weight=1.0),
            TrainingOptions(budget=Budget(steps=2000), batch_size=16),
            departure="adds the squared distance of x and G(E(x)) to the loss: another method",
        ),
        "small": Preset(lambda: BiGAN(width=8, latent=4)),
    }

    def __init__(
        self,
        latent: Annotated[PositiveInt, Searched(8, 256, log=True)] = 50,
        width: Annotated[PositiveInt, Searched(16, 128, log=True, of_rows=False)] = 64,
        encoder: Literal["deterministic", "stochastic"] = "deterministic",
        learning_rate: Annotated[PositiveFloat, Searched(5e-5, 2e-3, log=True)] = 2e-4,
        decay_start: Share = 0.5,
        beta1: Momentum = 0.5,
        weight_decay: NonNegativeFloat = 2.5e-5,
        average_decay: Momentum | None = 0.999,
        encoder_hidden: tuple[PositiveInt, ...] = (128, 64),
        generator_hidden: tuple[PositiveInt, ...] = (128, 64),
        critic_hidden: tuple[PositiveInt, ...] = (128, 64),
        critic_apart: NonNegativeInt = 0,
        critic_met: NonNegativeInt = 0,
        critic_depth: PositiveInt = 1,
        dropout: ShareBelowOne = 0.0,
        instance_noise: NonNegativeFloat = 0.0,
        spectral_norm: bool = False,
        cycle_weight: Annotated[NonNegativeFloat, Searched(0, 20)] = 0.0,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.encoder = encoder
        self.learning_rate = learning_rate
        self.decay_start = decay_start
        self.beta1 = beta1
        self.weight_decay = weight_decay
        self.average_decay = average_decay
        self.encoder_hidden = encoder_hidden
        self.generator_hidden = generator_hidden
        self.critic_hidden = critic_hidden
        self.critic_apart = critic_apart
        self.critic_met = critic_met
        self.critic_depth = critic_depth
        self.dropout = dropout
        self.instance_noise = instance_noise
        self.spectral_norm = spectral_norm
        self.cycle_weight = cycle_weight

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = networks.generator(shape, self.latent, self.width, hidden=self.generator_hidden)
        codes = self.latent * (1 + self._is_stochastic())
        self.inverse = networks.encoder(shape, codes, self.width, self.encoder_hidden)
        self.critic = networks.JointCritic(
            shape,
            self.latent,
            self.width,
            self.critic_hidden,
            apart=self.critic_apart,
            dropout=self.dropout,
            met=self.critic_met,
            depth=self.critic_depth,
        )
        if self.spectral_norm:
            networks.normalise_spectrally(self.critic)
        self.keep_average(self.average_decay)
        self.inverse_average = WeightAverage(self.inverse, self.average_decay) if self.average_decay else None
        players = {
            "critic": self.critic.parameters(),
            "encoder and generator": [*self.inverse.parameters(), *self.generator.parameters()],
        }
        for name, parameters in players.items():
            self.optimise(
                name,
                parameters,
                learning_rate=self.learning_rate,
                betas=(self.beta1, 0.999),
                weight_decay=self.weight_decay,
                schedule=linear_to_zero(self.decay_start) if self.decay_start < 1 else constant,
            )

    @property
    def opponent(self) -> nn.Module:
        return self.critic

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step of the critic, then one of encoder and generator with both labels flipped."""
        codes, encoded = self.noise(len(batch)), self._drawn(batch)
        if self.cycle_weight:
            # Together: batch norm's running statistics would fit neither kind of code alone.
            generated, rebuilt = self.generator(torch.cat([codes, encoded])).chunk(2)
        else:
            generated, rebuilt = self.generator(codes), None

        data_pairs = self._judged(batch, encoded.detach())
        model_pairs = self._judged(generated.detach(), codes)
        critic = self.update("critic", objectives.discriminator_loss(data_pairs, model_pairs))

        data_pairs = self._judged(batch, encoded)
        model_pairs = self._judged(generated, codes)
        loss = objectives.discriminator_loss(model_pairs, data_pairs)
        if rebuilt is not None:
            loss = loss + self.cycle_weight * objectives.squared_distance(batch, rebuilt).mean()
        flipped = self.update("encoder and generator", loss)

        self.follow_average()
        if self.inverse_average is not None:
            self.inverse_average.follow(self.inverse, self.clock)
        return {"critic": critic, "encoder and generator": flipped}

    def encode(self, images: Tensor) -> Tensor:
        """Codes E(x), (n, latent); their means where the encoder is stochastic."""
        inverse = self.inverse if self.inverse_average is None else self.inverse_average.network
        return inverse(images)[:, : self.latent]

    def pair_logits(self, items: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.noise(len(items))
        return self._judged(items, self._drawn(items)), self._judged(self.generator(codes), codes)

    def _judged(self, items: Tensor, codes: Tensor) -> Tensor:
        if self.instance_noise:
            items = items + self.instance_noise * torch.randn_like(items)
        return self.critic(items=items, codes=codes)

    def _drawn(self, items: Tensor) -> Tensor:
        if not self._is_stochastic():
            return self.inverse(items)
        mean, log_variance = self.inverse(items).chunk(2, dim=1)
        return mean + torch.randn_like(mean) * (log_variance / 2).exp()

    def _is_stochastic(self) -> bool:
        return self.encoder == "stochastic"
