"""ConAD: several hypotheses of what the image should be, of which one has to be right."""

import math
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hizumi import networks, objectives
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched, Share
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.networks.precision import at_least_single
from hizumi.shapes import is_bounded
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

LOG_VARIANCE_RANGE = (-10.0, 10.0)  # of codes

CARD = Card(
    family="reconstruction",
    idea="several hypotheses of a normal image, one of which has to fit; a discriminator keeps the others honest",
    paper="Nguyen, Lou, Klar & Brox, Anomaly detection with multiple-hypotheses predictions, ICML 2019",
    localises=True,
)


class ConADTraining(Trainable):
    """A variational autoencoder with many heads against a discriminator.

    Args:
        hypotheses: Heads of the decoder, each with a mean and a variance for every number.
        latent: Dimensions of the code; its prior is N(0, I).
        width: Channels of the first convolution.
        least_deviation: Smallest standard deviation of a number, in units of [-1, 1] or of a vector's own deviation.
        loser_share: Weight that the losing hypotheses share, so that none dies.
        adversarial_weight: Of fooling the discriminator, beside the bound in nats per item.
        learning_rate: Of the autoencoder's Adam.
        discriminator_learning_rate: Of the discriminator's.
    """

    card = CARD
    default_budget = Budget(steps=5000)

    def __init__(
        self,
        hypotheses: Annotated[PositiveInt, Searched(2, 16)] = 8,
        latent: Annotated[PositiveInt, Searched(8, 128, log=True)] = 32,
        width: Annotated[PositiveInt, Searched(8, 64, log=True, of_rows=False)] = 32,
        least_deviation: PositiveFloat = 0.3,
        loser_share: Share = 0.05,
        adversarial_weight: NonNegativeFloat = 1.0,
        learning_rate: Annotated[PositiveFloat, Searched(2e-4, 5e-3, log=True)] = 1e-3,
        discriminator_learning_rate: PositiveFloat = 2e-4,
    ) -> None:
        super().__init__()
        self.hypotheses = hypotheses
        self.latent = latent
        self.width = width
        self.least_deviation = least_deviation
        self.loser_share = loser_share
        self.adversarial_weight = adversarial_weight
        self.learning_rate = learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate

    def build(self, shape: tuple[int, ...]) -> None:
        outputs = (2 * self.hypotheses * shape[0], *shape[1:])  # a mean and a log-variance for each of its numbers
        self.encoder = networks.encoder(shape, 2 * self.latent, self.width)
        self.decoder = networks.generator(outputs, self.latent, self.width, bounded=False)
        self.discriminator = networks.critic(shape, self.width)
        autoencoder = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimise("autoencoder", autoencoder, learning_rate=self.learning_rate)
        self.optimise(
            "discriminator",
            self.discriminator.parameters(),
            learning_rate=self.discriminator_learning_rate,
            betas=(0.5, 0.999),
        )

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        code_mean, code_log_variance = self.posterior(batch)
        codes = code_mean + torch.randn_like(code_mean) * (code_log_variance / 2).exp()
        means, log_variances = self.hypothesise(codes)
        imagined, _ = self.hypothesise(torch.randn_like(codes))
        drawn = torch.randint(self.hypotheses, (len(batch),), device=batch.device)
        # All heads' answers to the batch, and one head's to each code from the prior.
        fakes = torch.cat([means.flatten(0, 1), imagined[torch.arange(len(batch), device=batch.device), drawn]])

        real_logits, fake_logits = self.discriminator(batch), self.discriminator(fakes.detach())
        discriminator = self.update("discriminator", objectives.discriminator_loss(real_logits, fake_logits))

        nll = surprise(batch, means, log_variances).flatten(2).sum(2)
        terms = {
            "nll": objectives.winner_takes_all(nll, self.loser_share).mean(),
            "divergence": objectives.kl_to_standard_normal(code_mean, code_log_variance).mean(),
            "adversarial": objectives.non_saturating_loss(self.discriminator(fakes)),
        }
        self.update("autoencoder", terms["nll"] + terms["divergence"] + self.adversarial_weight * terms["adversarial"])
        return {term: value.detach() for term, value in terms.items()} | {"discriminator": discriminator}

    def posterior(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances of codes, (n, latent) each."""
        mean, log_variance = at_least_single(self.encoder(items)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def hypothesise(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Each head's mean and log-variance of every number, (n, hypotheses, *shape) each."""
        mean, log_variance = at_least_single(self.decoder(codes)).chunk(2, dim=1)
        shape = self.require_built()
        several = (-1, self.hypotheses, *shape)
        mean, log_variance = mean.reshape(several), log_variance.reshape(several)
        # Bounded softly: a variance near its bound still has a gradient to leave it by.
        least = 2 * math.log(self.least_deviation)
        log_variance = least + softplus(log_variance - least)
        return mean.tanh() if is_bounded(shape) else mean, log_variance


def surprise(items: Tensor, means: Tensor, log_variances: Tensor) -> Tensor:
    """-log N of every number under each hypothesis, (n, hypotheses, *shape)."""
    return -objectives.gaussian_log_density(items[:, None], means, log_variances)


class ConAD(Detector):
    """A(x) = -log N(x; mean_h, variance_h), summed over pixels, of the hypothesis h that fits best, code at its mean.

    The map is each pixel's part of it. Winner takes all: only the hypothesis that fits an image best learns from it, so
    each stays sharp and keeps to its own kind of normal image. The discriminator keeps the losers from saying what
    would fit an anomaly.

    Differences from the paper, of which there is no official code: networks in the manner of DCGAN; a small share of
    the loss for the losers; deviations bounded from below, as otherwise the pixels that never vary outweigh all others.

    Args:
        model: The networks and how they are trained.
        best: For the score, the hypothesis that fits best is chosen for the "image" or for each "pixel" anew.
    """

    card = CARD
    presets = {
        "fast": Preset(
            lambda: ConAD(ConADTraining(hypotheses=4, latent=16, width=16, least_deviation=0.5), best="pixel"),
            TrainingOptions(budget=Budget(steps=1500), batch_size=32),
        ),
        "small": Preset(lambda: ConAD(ConADTraining(hypotheses=3, latent=4, width=8, learning_rate=4e-3))),
    }

    def __init__(self, model: ConADTraining | None = None, best: Literal["image", "pixel"] = "image") -> None:
        super().__init__()
        self.model = ConADTraining() if model is None else model
        self.best = best

    def score_batch(self, images: Tensor) -> Anomaly:
        code_mean, code_log_variance = self.model.posterior(images)
        means, log_variances = self.model.hypothesise(code_mean)
        nll = surprise(images, means, log_variances)
        of_image, winner = nll.flatten(2).sum(2).min(1)
        place = winner.reshape(-1, *[1] * images.ndim).expand(-1, 1, *nll.shape[2:])
        by_number = {"image": nll.gather(1, place)[:, 0], "pixel": nll.amin(1)}
        terms = {
            "image nll": of_image,
            "pixel nll": by_number["pixel"].flatten(1).sum(1),
            "divergence": objectives.kl_to_standard_normal(code_mean, code_log_variance),
        }
        pixel = by_number[self.best].sum(1, keepdim=True) if images.ndim == 4 else None
        return Anomaly(terms[f"{self.best} nll"], pixel, terms, reconstruction=means.gather(1, place)[:, 0])

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.posterior(images)[0]
