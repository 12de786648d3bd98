"""VAE: an autoencoder whose code is a distribution, trained on the evidence lower bound."""

import math
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from hizumi import networks, objectives
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched, Share
from hizumi.data.stream import Batches, in_order
from hizumi.errors import UsageError
from hizumi.models.abilities import Autoencodes, HasLikelihood, HasPrior, LogLikelihood
from hizumi.networks.precision import at_least_single, doubled
from hizumi.shapes import is_bounded, is_series
from hizumi.training import Budget, Card, Preset, TrainingOptions, drop_at

LOG_VARIANCE_RANGE = (-10.0, 10.0)
GREY_LEVELS = 127.5  # of a unit of brightness: each beyond black or white costs a nat under a Bernoulli density
HELD_OUT_SHARE = 0.1  # of the training data, for the variance that is left at the end


class VAE(HasPrior, Autoencodes, HasLikelihood):
    """Variational autoencoder.

    The variance of a Gaussian density weighs the error against the divergence. By default it is not learned along with
    the weights but is at its optimum in every step: the batch's mean squared error (Rybkin et al., Simple and effective
    VAE training with calibrated decoders, 2021). At the end it becomes that of items held out of the training, since
    the error on few training items is too small. Learned by Adam it falls by a factor of 3 in 1,500 steps, while the
    divergence weighs too much and codes go unused (`benchmarks/models/vae_variance.py`).

    Samples of series and of rows have the noise of that variance, which is part of what a sensor says. Those of images
    are the means that codes decode to, as is usual.

    Args:
        latent: Dimensions of the code; its prior is N(0, I).
        width: Channels of the first convolution.
        density: Of each pixel given the code: "gaussian" with one variance for all pixels, or "bernoulli" on grey
            values brought to [0, 1], where each of 255 levels beyond black or white costs a nat. Vectors are always
            Gaussian, and so must windows of series be.
        variance: Of the Gaussian density: "optimal", or "learned" as one more of Adam's parameters, which is the plain
            VAE.
        beta: Weight of the divergence from the prior; 1 is the VAE.
        warmup: Share of the budget over which that weight rises from 0.
        bound: What `log_likelihood` returns: "elbo" (code at its mean), "reconstruction" (mean log p(x|z) over the
            draws, An & Cho 2015) or "importance" (importance-weighted, Burda et al. 2016). The evidence lower bound
            in its strict sense is "reconstruction" and the term "divergence", added up.
        draws: Codes drawn per item for the latter two; the same noise for every item.
        learning_rate: Of Adam; a tenth of it for the last 30% of the budget.
    """

    card = Card(
        family="explicit, approximate",
        idea="an encoder to a distribution of codes, trained on a lower bound of the likelihood",
        paper="Kingma & Welling, Auto-encoding variational Bayes, ICLR 2014",
    )
    default_budget = Budget(steps=3000)
    presets = {
        "fast": Preset(lambda: VAE(latent=16, width=16), TrainingOptions(budget=Budget(steps=1500), batch_size=64)),
        "small": Preset(lambda: VAE(width=8, latent=4)),
    }
    codes_noise: Tensor

    def __init__(
        self,
        latent: Annotated[PositiveInt, Searched(4, 128, log=True)] = 32,
        width: Annotated[PositiveInt, Searched(8, 64, log=True, of_rows=False)] = 32,
        density: Literal["gaussian", "bernoulli"] = "gaussian",
        beta: Annotated[NonNegativeFloat, Searched(0.1, 10, log=True)] = 1.0,
        bound: Literal["elbo", "reconstruction", "importance"] = "elbo",
        draws: PositiveInt = 16,
        learning_rate: Annotated[PositiveFloat, Searched(3e-4, 1e-2, log=True)] = 1e-3,
        warmup: Share = 0.0,
        variance: Literal["optimal", "learned"] = "optimal",
    ) -> None:
        super().__init__()
        self.latent = latent
        self.width = width
        self.density = density
        self.beta = beta
        self.bound = bound
        self.draws = draws
        self.learning_rate = learning_rate
        self.warmup = warmup
        self.variance = variance

    def build(self, shape: tuple[int, ...]) -> None:
        if self._is_bernoulli(shape) and is_series(shape):
            raise UsageError(
                'density "bernoulli" is for grey values, which series have none of; set density="gaussian"'
            )
        self.encoder = networks.encoder(shape, 2 * self.latent, self.width)
        self.decoder = networks.generator(shape, self.latent, self.width, bounded=not self._is_bernoulli(shape))
        self.log_variance = nn.Parameter(torch.zeros(()))
        noise = torch.randn(self.draws, self.latent, generator=torch.Generator().manual_seed(0))
        self.register_buffer("codes_noise", noise)
        gaussian = not self._is_bernoulli(shape)
        self.held_out_share = HELD_OUT_SHARE if gaussian and self.variance == "optimal" else 0.0
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        if gaussian and self.variance == "learned":
            parameters.append(self.log_variance)
        self.optimise("vae", parameters, learning_rate=self.learning_rate, schedule=drop_at(0.7))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """Step down the negative evidence lower bound, in nats per item."""
        mean, log_variance = self._posterior(batch)
        decoded = self._decoded(_drawn(mean, log_variance))
        if self.held_out_share:
            # Held constant: at the optimum the bound does not change with it.
            self._set_variance(self.mean_over_processes((batch - decoded).square().mean()))
        reconstruction = -self._log_density(batch, decoded).flatten(1).sum(1).mean()
        divergence = objectives.kl_to_standard_normal(mean, log_variance).mean()
        beta = self.beta * min(1.0, self.progress / self.warmup) if self.warmup else self.beta
        self.update("vae", reconstruction + beta * divergence)
        return {"reconstruction": reconstruction.detach(), "divergence": divergence.detach()}

    def finish(self, batches: Batches) -> None:
        """Set the variance to the mean squared error on held-out items, whose codes are drawn."""
        errors = []
        for batch in in_order(batches):
            decoded = self._decoded(_drawn(*self._posterior(batch)))
            errors.append(doubled((batch - decoded).square().flatten(1).mean(1)))
        self._set_variance(torch.cat(errors).mean())

    def validation_loss(self, batch: Tensor) -> Tensor:
        """Negative evidence lower bound with the code at its mean."""
        mean, log_variance = self._posterior(batch)
        divergence = objectives.kl_to_standard_normal(mean, log_variance)
        return (self.beta * divergence - self._log_density(batch, self._decoded(mean)).flatten(1).sum(1)).mean()

    def encode(self, images: Tensor) -> Tensor:
        """Means of the codes, (n, latent)."""
        return self._posterior(images)[0]

    def decode(self, codes: Tensor) -> Tensor:
        """Items expected at codes (n, latent)."""
        decoded = self.decoder(codes)
        return 2 * decoded.sigmoid() - 1 if self._is_bernoulli(decoded.shape[1:]) else decoded

    def spread(self) -> float:
        return 0.0 if is_bounded(self.require_built()) else math.exp(self.log_variance.item() / 2)

    def log_likelihood(self, images: Tensor) -> LogLikelihood:
        """The bound chosen by `bound`, in nats; its pixel map is that of log p(x | mean code)."""
        mean, log_variance = self._posterior(images)
        at_mean = self._log_density(images, self._decoded(mean))
        terms = {
            "reconstruction": at_mean.flatten(1).sum(1),
            "divergence": -objectives.kl_to_standard_normal(mean, log_variance),
        }
        if self.bound == "elbo":
            image = terms["reconstruction"] + terms["divergence"]
        else:
            image = self._over_draws(images, mean, log_variance)
        pixel = at_mean.sum(1, keepdim=True) if images.ndim == 4 else None
        return LogLikelihood(image, pixel, terms)

    def _over_draws(self, images: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        weights = []
        for noise in self.codes_noise:
            code = mean + noise * (log_variance / 2).exp()
            weight = self._log_density(images, self._decoded(code)).flatten(1).sum(1)
            if self.bound == "importance":
                zero = torch.zeros_like(code)
                prior = objectives.gaussian_log_density(code, zero, zero)
                posterior = objectives.gaussian_log_density(code, mean, log_variance)
                weight = weight + (prior - posterior).sum(1)
            weights.append(weight)
        stacked = torch.stack(weights)
        if self.bound == "importance":
            return stacked.logsumexp(0) - math.log(self.draws)
        return stacked.mean(0)

    def _posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = at_least_single(self.encoder(images)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def _decoded(self, codes: Tensor) -> Tensor:
        """Means of the Gaussian density, or logits of the other."""
        return at_least_single(self.decoder(codes))

    def _log_density(self, images: Tensor, decoded: Tensor) -> Tensor:
        if self._is_bernoulli(images.shape[1:]):
            within = images.clamp(-1, 1)  # beyond it this would be no density, and reward what is brighter than white
            return objectives.bernoulli_log_density((within + 1) / 2, decoded) - GREY_LEVELS * (images - within).abs()
        return objectives.gaussian_log_density(images, decoded, self.log_variance.clamp(*LOG_VARIANCE_RANGE))

    @torch.no_grad()
    def _set_variance(self, variance: Tensor) -> None:
        self.log_variance.copy_(variance.log().clamp(*LOG_VARIANCE_RANGE))

    def _is_bernoulli(self, shape: tuple[int, ...]) -> bool:
        return self.density == "bernoulli" and len(shape) == 3


def _drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    return mean + torch.randn_like(mean) * (log_variance / 2).exp()
