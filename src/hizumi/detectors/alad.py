"""ALAD: a critic that tells an item twice from an item with its reconstruction sees an anomaly's differ."""

from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from hizumi import networks, objectives
from hizumi.arguments import Momentum, NonNegativeFloat, PositiveFloat, PositiveInt, Searched, Share
from hizumi.detectors.batch_statistics import batch_norm
from hizumi.detectors.detector import Anomaly, Detector, residual_map
from hizumi.models.abilities import Autoencodes, JudgesPairs
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, Card, Preset, TrainingOptions, WeightAverage, constant, linear_to_zero

CARD = Card(
    family="adversarial",
    idea="a critic that tells (x, x) from (x, G(E(x))) sees an anomaly and its reconstruction differ",
    paper="Zenati, Romain, Foo, Lecouat & Chandrasekhar, Adversarially learned anomaly detection, ICDM 2018",
    localises=True,
)


class ALADTraining(Adversarial, JudgesPairs, Autoencodes):
    """Encoder and generator against three critics: of items with codes, items twice, codes twice.

    Args:
        latent: Dimensions of the code; 32 for KDD99 and 64 for arrhythmia.
        width: Channels of the first convolutions of E, and the last of G; the critics have half as many.
        encoder_hidden: Hidden layers of E for vectors, from the item inwards; (256, 128) for arrhythmia.
        generator_hidden: Those of G, from the item inwards as well; (256, 128) for arrhythmia.
        item_critic_hidden: Those of the critic of vector pairs; (256, 128) for arrhythmia.
        code_critic_hidden: Those of the critic of code pairs; (32,) for KDD99.
        spectral_norm: Whether the layers of E and of the critics are divided by their largest singular value; not in
            the authors' runs on tables, where it is an option that is off.
        learning_rate: Of all four Adam optimisers; 1e-5 for both tables.
        decay_start: Share of the budget after which it falls in a line to 0; 1 to keep it, as the authors do.
        beta1: Their first momentum.
        average_decay: Of the running averages of E, G and the critic of items, which score.
        cycle_weight: Of ||x - G(E(x))||², summed over an item and added to the loss of E and G. The paper leaves both
            cycles to critics, which on a few hundred items, or in a few thousand steps, do not close them: G(E(x)) is
            then any item. This is the explicit cycle consistency of ALICE (Li et al. 2017).
        code_norm: Whether batch norm without gains gives E's codes mean 0 and variance 1 in each dimension, which those
            given to G have. Where items hardly differ, E else moves all codes alike, away from where G is trained, and
            the joint critic tells data from generated items by that alone.
    """

    card = CARD
    default_budget = Budget(epochs=100)
    default_batch_size = 32

    def __init__(
        self,
        latent: Annotated[PositiveInt, Searched(16, 256, log=True)] = 100,
        width: Annotated[PositiveInt, Searched(16, 128, log=True, of_rows=False)] = 128,
        encoder_hidden: tuple[PositiveInt, ...] = (64,),
        generator_hidden: tuple[PositiveInt, ...] = (128, 64),
        item_critic_hidden: tuple[PositiveInt, ...] = (128,),
        code_critic_hidden: tuple[PositiveInt, ...] = (64, 32),
        spectral_norm: bool = True,
        learning_rate: Annotated[PositiveFloat, Searched(5e-5, 2e-3, log=True)] = 2e-4,
        decay_start: Share = 0.5,
        beta1: Momentum = 0.5,
        average_decay: Momentum = 0.999,
        cycle_weight: Annotated[NonNegativeFloat, Searched(0, 1)] = 0.0,
        code_norm: bool = False,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.encoder_hidden = encoder_hidden
        self.generator_hidden = generator_hidden
        self.item_critic_hidden = item_critic_hidden
        self.code_critic_hidden = code_critic_hidden
        self.spectral_norm = spectral_norm
        self.learning_rate = learning_rate
        self.decay_start = decay_start
        self.beta1 = beta1
        self.average_decay = average_decay
        self.cycle_weight = cycle_weight
        self.code_norm = code_norm

    def build(self, shape: tuple[int, ...]) -> None:
        half, dropout = max(1, self.width // 2), 0.5 if len(shape) == 1 else 0.2
        self.generator = networks.generator(shape, self.latent, self.width, hidden=self.generator_hidden)
        self.encoder = networks.encoder(shape, self.latent, self.width, self.encoder_hidden)
        if self.code_norm:
            self.encoder = nn.Sequential(self.encoder, nn.BatchNorm1d(self.latent, affine=False))
        self.joint_critic = networks.JointCritic(shape, self.latent, half, (128,), apart=128, dropout=dropout)
        self.item_critic = networks.PairCritic(shape, half, self.item_critic_hidden, dropout=0.2)
        self.code_critic = networks.PairCritic((self.latent,), hidden=self.code_critic_hidden, dropout=0.2)
        if self.spectral_norm:
            for network in (self.encoder, self.joint_critic, self.item_critic, self.code_critic):
                networks.normalise_spectrally(network)

        self.keep_average(self.average_decay)
        self.encoder_average = WeightAverage(self.encoder, self.average_decay)
        self.item_critic_average = WeightAverage(self.item_critic, self.average_decay)
        players = {
            "joint critic": self.joint_critic.parameters(),
            "item critic": self.item_critic.parameters(),
            "code critic": self.code_critic.parameters(),
            "encoder and generator": [*self.encoder.parameters(), *self.generator.parameters()],
        }
        for name, parameters in players.items():
            self.optimise(
                name,
                parameters,
                learning_rate=self.learning_rate,
                betas=(self.beta1, 0.999),
                schedule=linear_to_zero(self.decay_start) if self.decay_start < 1 else constant,
            )

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step of each critic, then one of encoder and generator with all labels flipped."""
        codes, encoded = self.noise(len(batch)), self.encoder(batch)
        # Together: batch norm's running statistics, by which G scores, would fit neither kind of code alone.
        generated, rebuilt = self.generator(torch.cat([codes, encoded])).chunk(2)
        with batch_norm(self.encoder, "batch"):  # it scores by running statistics, which are to be those of data
            recoded = self.encoder(generated)

        pairs = {
            "joint critic": (
                self.joint_critic(items=batch, codes=encoded.detach()),
                self.joint_critic(items=generated.detach(), codes=codes),
            ),
            "item critic": (self.item_critic(batch, batch), self.item_critic(batch, rebuilt.detach())),
            "code critic": (self.code_critic(codes, codes), self.code_critic(codes, recoded.detach())),
        }
        losses = {name: self.update(name, objectives.discriminator_loss(*logits)) for name, logits in pairs.items()}

        data_pairs = self.joint_critic(items=batch, codes=encoded)
        model_pairs = self.joint_critic(items=generated, codes=codes)
        # (x, x) and (z, z) move neither E nor G: only what came round the cycle has its label flipped.
        terms = {
            "joint": objectives.discriminator_loss(model_pairs, data_pairs),
            "item cycle": objectives.non_saturating_loss(self.item_critic(batch, rebuilt)),
            "code cycle": objectives.non_saturating_loss(self.code_critic(codes, recoded)),
        }
        if self.cycle_weight:
            terms["item distance"] = self.cycle_weight * objectives.squared_distance(batch, rebuilt).mean()
        self.update("encoder and generator", torch.stack(list(terms.values())).sum())

        self.follow_average()
        self.encoder_average.follow(self.encoder, self.clock)
        self.item_critic_average.follow(self.item_critic, self.clock)
        return losses | {name: term.detach() for name, term in terms.items()}

    def validation_loss(self, batch: Tensor) -> Tensor:
        return self.distance(batch, self.reconstruct(batch)).mean()

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder_average.network(images)

    def pair_logits(self, items: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.noise(len(items))
        return self.joint_critic(items, self.encoder(items)), self.joint_critic(self.generator(codes), codes)

    def features(self, first: Tensor, second: Tensor) -> Tensor:
        """Features (n, k) of item pairs, by the average of their critic."""
        critic: Any = self.item_critic_average.network
        return critic.features(first, second)

    def distance(self, items: Tensor, rebuilt: Tensor) -> Tensor:
        """|f(x, x) - f(x, x')|₁, (n,)."""
        return (self.features(items, items) - self.features(items, rebuilt)).abs().sum(1)


class ALAD(Detector):
    """A(x) = |f(x, x) - f(x, G(E(x)))|₁, f being the features of the critic of item pairs; the map is |x - G(E(x))|.

    A BiGAN with two more critics, of (x, x) against (x, G(E(x))) and of (z, z) against (z, E(G(z))), which close both
    cycles. Terms are the paper's other scores: -log σ of the critic's logit, and the residual's L1 and L2 norms.

    Differences from the paper: the learning rate falls in a line to 0 over the second half of the training, as its
    last epoch is scored. The joint critic of images has half the published channels; its convolutions end in as many
    numbers as its one layer of codes (the paper flattens the map, and has two layers of codes); of vectors, the item's
    layer has dropout where the paper has batch norm. Spectral norm lies on every layer of E and the critics, where the
    released code has it as an option that is off. Two images meet as channels, where the code puts one below the
    other; G takes codes of both kinds in one batch, as it scores by one set of running statistics, and E has those of
    data alone; weights are drawn
    as DCGAN's, or as torch draws them.

    The preset "fast" is another method: it adds ||x - G(E(x))||² to the loss of E and G, normalises E's codes, and
    leaves out spectral norm. With the paper's losses alone, critics did not close the cycle in so few steps: E(G(z))
    told nothing of z, and G(E(x)) was farther from x than the mean image is. The distance must stay small beside the
    game: weighed so that it leads, it left G(z) where it began, since codes of parts that hardly differ have no part
    in N(0, I); the joint critic won at once, and E was driven ever farther off. On some 200 such parts G(E(x)) is then
    a good part, but still farther from x than the mean image is, as the health check says.

    `benchmarks/detectors/few_parts.py` measures it. Its weight lies between two that held-out parts with squares pasted
    into them did not tell apart.

    Args:
        model: The networks and how they are trained.
    """

    card = CARD
    presets = {
        "fast": Preset(
            lambda: ALAD(
                ALADTraining(
                    latent=32,
                    width=16,
                    spectral_norm=False,
                    learning_rate=5e-4,
                    average_decay=0.99,
                    cycle_weight=0.03,
                    code_norm=True,
                )
            ),
            TrainingOptions(budget=Budget(steps=1000), batch_size=32),
            "normalises codes and adds a little of |x - G(E(x))|² to the loss, without spectral norm: another method",
        ),
        "small": Preset(
            lambda: ALAD(ALADTraining(latent=8, width=16, learning_rate=2e-3, average_decay=0.95, code_norm=True))
        ),
    }

    def __init__(self, model: ALADTraining | None = None) -> None:
        super().__init__()
        self.model = ALADTraining() if model is None else model

    def score_batch(self, images: Tensor) -> Anomaly:
        rebuilt = self.model.reconstruct(images)
        distance = self.model.distance(images, rebuilt)
        logits = self.model.item_critic_average.network(images, rebuilt)
        residual = (images - rebuilt).flatten(1)
        terms = {
            "features": distance,
            "discrimination": softplus(-logits),
            "residual": residual.abs().sum(1),
            "residual norm": residual.norm(dim=1),
        }
        return Anomaly(distance, residual_map(images, rebuilt), terms, reconstruction=rebuilt)

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.features(images, self.model.reconstruct(images))
