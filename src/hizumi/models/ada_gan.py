"""AdaGAN: boosting for generators, each trained on what the mixture so far misses."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.special import ndtr, ndtri

from hizumi import networks, objectives
from hizumi.arguments import Momentum, PositiveFloat, PositiveInt, ProperShare
from hizumi.models.adversarial import Adversarial
from hizumi.networks.precision import doubled
from hizumi.training import Budget, Card, Preset, Schedule, TrainingOptions, linear_to_zero

EDGE = 1e-12  # ranks this near to 0 or 1 would become infinite codes


class AdaGAN(Adversarial):
    """A mixture of generative adversarial networks, trained one after the other, each for its share of the budget.

    Every generator but the first spends the beginning of its share on a classifier that tells data from the mixture so
    far. Then a fresh game is played on the data, drawn more often where the mixture is thin; the closed form of the
    weights takes each batch as its sample.

    The paper trains each generator in full; here all share one budget. With as many steps its samples are then less
    sharp than those of a single GAN, since the mixture is as sharp as its parts, the first ones included, and each had
    its share of the steps only. What boosting buys is coverage: on the grid of 25 modes it reached all of them with
    each of five seeds, and evenly, where one generator of the same networks missed some with four, given a part's
    steps, and with five, given all of them (`benchmarks/models/toys.py`: ada_gan_grid, ada_gan_grid_one_part,
    ada_gan_grid_one_gan).

    Args:
        generators: How many.
        latent: Dimensions of the code, drawn from N(0, I); its first number also says which generator makes the item.
        width: Channels of the discriminator's first convolution, for images.
        hidden: Sizes of the hidden layers, for vectors.
        beta: Share with which each generator enters the mixture of the earlier ones; None for 1 / t for the t-th, so
            that all count the same in the end.
        classifier_share: Share of a generator's training time that goes to the classifier before it.
        learning_rate: Of every Adam optimiser; it falls to 0 in the second half of each generator's time.
        beta1: Their first momentum.
        average_decay: Of the running averages of the generators, which sample; None for the last weights.
    """

    card = Card(
        family="implicit",
        idea="train generators one after the other, each on the data that the mixture of the earlier ones misses",
        paper="Tolstikhin et al., AdaGAN: boosting generative models, NeurIPS 2017",
    )
    default_budget = Budget(steps=10_000)
    default_batch_size = 128
    presets = {
        "fast": Preset(
            lambda: AdaGAN(generators=2, width=16, average_decay=0.99),
            TrainingOptions(budget=Budget(steps=2400), batch_size=16),
        ),
        "small": Preset(lambda: AdaGAN(generators=2, width=8, hidden=(32, 32), latent=4, classifier_share=0.3)),
    }
    generator: "Mixture"

    def __init__(
        self,
        generators: PositiveInt = 5,
        latent: PositiveInt = 32,
        width: PositiveInt = 32,
        hidden: tuple[PositiveInt, ...] = (128, 128),
        beta: ProperShare | None = None,
        classifier_share: ProperShare = 0.1,
        learning_rate: PositiveFloat = 1e-3,
        beta1: Momentum = 0.5,
        average_decay: Momentum | None = 0.999,
    ) -> None:
        super().__init__()
        self.generators = generators
        self.latent = latent
        self.width = width
        self.hidden = hidden
        self.beta = beta
        self.classifier_share = classifier_share
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.average_decay = average_decay

    def build(self, shape: tuple[int, ...]) -> None:
        stages = range(self.generators)
        self.generator = Mixture(
            [networks.generator(shape, self.latent, self.width, hidden=self.hidden) for _ in stages]
        )
        self.keep_average(self.average_decay)
        self.discriminators = nn.ModuleList(networks.critic(shape, self.width, hidden=self.hidden) for _ in stages)
        self.classifiers = nn.ModuleList(networks.critic(shape, self.width, hidden=self.hidden) for _ in stages[1:])
        bodies = {
            "generator": self.generator.parts,
            "discriminator": self.discriminators,
            "classifier": self.classifiers,
        }
        for role, members in bodies.items():
            for stage, body in enumerate(members, start=role == "classifier"):
                self.optimise(
                    f"{role} {stage}",
                    body.parameters(),
                    learning_rate=self.learning_rate,
                    betas=(self.beta1, 0.999),
                    schedule=self._falling_within(stage),
                )

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step of the stage's classifier, or of its discriminator and its generator on reweighted data."""
        stage, progress = divmod(self.progress * self.generators, 1)
        if stage > 0 and progress < self.classifier_share:
            return self._classify(int(stage), batch)
        return self._play(int(stage), batch)

    def _classify(self, stage: int, batch: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            mixture = self.eval().decode(self.noise(len(batch)))
        classifier = self.classifiers[stage - 1].train()
        loss = objectives.discriminator_loss(classifier(batch), classifier(mixture))
        return {"classifier": self.update(f"classifier {stage}", loss)}

    def _play(self, stage: int, batch: Tensor) -> dict[str, Tensor]:
        if self.average is not None and stage >= self.generator.shares.count_nonzero():
            self.average.restart()  # else the new generator's average would keep a part of its random start
        self.train().generator.set_shares(self._shares(stage))
        if stage > 0:
            batch = self._reweighted(stage, batch)
        generator, discriminator = self.generator.parts[stage], self.discriminators[stage]
        fake = generator(self.noise(len(batch)))
        loss = objectives.discriminator_loss(discriminator(batch), discriminator(fake.detach()))
        losses = {"discriminator": self.update(f"discriminator {stage}", loss)}
        loss = objectives.non_saturating_loss(discriminator(fake))
        losses["generator"] = self.update(f"generator {stage}", loss)
        self.follow_average()
        return losses

    @torch.no_grad()
    def _reweighted(self, stage: int, batch: Tensor) -> Tensor:
        ratios = objectives.density_ratio(self.classifiers[stage - 1].eval()(batch))
        weights = objectives.adagan_weights(ratios, self._beta(stage))
        return batch[torch.multinomial(weights, len(batch), replacement=True)]

    def _beta(self, stage: int) -> float:
        return 1 / (stage + 1) if self.beta is None else self.beta

    def _shares(self, last: int) -> list[float]:
        shares = [1.0]
        for stage in range(1, last + 1):
            beta = self._beta(stage)
            shares = [(1 - beta) * share for share in shares] + [beta]
        return shares

    def _falling_within(self, stage: int) -> Schedule:
        return partial(_within, stage, self.generators, linear_to_zero(0.5))


def _within(stage: int, stages: int, schedule: Schedule, progress: float) -> float:
    """A schedule that runs in one of so many stages."""
    return schedule(min(max(progress * stages - stage, 0.0), 1.0))


class Mixture(nn.Module):
    """Several generators as one.

    A code's first number decides by its rank in N(0, 1) which generator makes the item; its rank among the numbers with
    the same decision is turned back into a number from N(0, 1), so that every generator sees codes from N(0, I).
    """

    shares: Tensor

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.register_buffer("shares", torch.zeros(len(parts)))
        self.set_shares([1.0])

    def set_shares(self, shares: Sequence[float]) -> None:
        """How often each of the first generators is chosen; the others are not."""
        self.shares.zero_()[: len(shares)] = torch.tensor(shares)

    def forward(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n ..."]:
        chosen, codes = self.choose(codes)
        rows = [(chosen == part).nonzero().flatten() for part in range(len(self.parts))]
        items = torch.cat([part(codes[own]) for part, own in zip(self.parts, rows, strict=True) if len(own)])
        return items[torch.cat(rows).argsort()]

    def choose(self, codes: Float[Tensor, "n d"]) -> tuple[Int[Tensor, " n"], Float[Tensor, "n d"]]:
        """Which generator makes each item, and its code for it."""
        shares, rank = doubled(self.shares), ndtr(doubled(codes[:, 0]))
        ends = shares.cumsum(0) / shares.sum()
        chosen = torch.searchsorted(ends, rank, right=True).clamp(max=int(shares.count_nonzero()) - 1)
        width = shares[chosen] / shares.sum()
        rank = (rank - ends[chosen]) / width + 1
        inner = ndtri(rank.clamp(EDGE, 1 - EDGE)).to(codes)
        return chosen.to(codes.device), torch.cat([inner[:, None], codes[:, 1:]], dim=1)
