"""VAE: an autoencoder whose code is a distribution, trained on the evidence lower bound."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from hizumi import networks, objectives
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Share
from hizumi.models.abilities import Autoencodes, HasLikelihood, HasPrior, LogLikelihood
from hizumi.networks.precision import at_least_single
from hizumi.training import Budget, Card, Preset, drop_at

LOG_VARIANCE_RANGE = (-10.0, 10.0)


class VAE(HasPrior, Autoencodes, HasLikelihood):
    """Variational autoencoder.

    Args:
        latent: Dimensions of the code; its prior is N(0, I).
        width: Channels of the first convolution.
        density: Of each pixel given the code: "gaussian" with one variance learned for all pixels, or "bernoulli" on
            grey values brought to [0, 1]. Vectors are always Gaussian.
        beta: Weight of the divergence from the prior; 1 is the VAE.
        warmup: Share of the budget over which that weight rises from 0.
        bound: What `log_likelihood` returns: "elbo" (code at its mean), "reconstruction" (mean log p(x|z) over the
            draws, An & Cho 2015) or "importance" (importance-weighted, Burda et al. 2016). The evidence lower bound
            in its strict sense is "reconstruction" and the term "divergence", added up.
        draws: Codes drawn per item for the latter two; the same noise for every item.
        learning_rate: Of Adam; a tenth of it for the last 30 % of the budget.
    """

    card = Card(
        family="explicit, approximate",
        idea="an encoder to a distribution of codes, trained on a lower bound of the likelihood",
        paper="Kingma & Welling, Auto-encoding variational Bayes, ICLR 2014",
    )
    default_budget = Budget(steps=3000)
    presets = {"small": Preset(lambda: VAE(width=8, latent=4))}
    codes_noise: Tensor

    def __init__(
        self,
        latent: PositiveInt = 32,
        width: PositiveInt = 32,
        density: Literal["gaussian", "bernoulli"] = "gaussian",
        beta: NonNegativeFloat = 1.0,
        bound: Literal["elbo", "reconstruction", "importance"] = "elbo",
        draws: PositiveInt = 16,
        learning_rate: PositiveFloat = 1e-3,
        warmup: Share = 0.0,
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

    def build(self, shape: tuple[int, ...]) -> None:
        self.encoder = networks.encoder(shape, 2 * self.latent, self.width)
        self.decoder = networks.generator(shape, self.latent, self.width, bounded=not self._is_bernoulli(shape))
        self.log_variance = nn.Parameter(torch.zeros(()))
        noise = torch.randn(self.draws, self.latent, generator=torch.Generator().manual_seed(0))
        self.register_buffer("codes_noise", noise)
        parameters = [
            p for name, p in self.named_parameters() if name != "log_variance" or not self._is_bernoulli(shape)
        ]
        self.optimise("vae", parameters, learning_rate=self.learning_rate, schedule=drop_at(0.7))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """Step down the negative evidence lower bound, in nats per item."""
        mean, log_variance = self._posterior(batch)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        reconstruction = -self._log_density(batch, code).flatten(1).sum(1).mean()
        divergence = objectives.kl_to_standard_normal(mean, log_variance).mean()
        beta = self.beta * min(1.0, self.progress / self.warmup) if self.warmup else self.beta
        self.update("vae", reconstruction + beta * divergence)
        return {"reconstruction": reconstruction.detach(), "divergence": divergence.detach()}

    def validation_loss(self, batch: Tensor) -> Tensor:
        """Negative evidence lower bound with the code at its mean."""
        mean, log_variance = self._posterior(batch)
        divergence = objectives.kl_to_standard_normal(mean, log_variance)
        return (self.beta * divergence - self._log_density(batch, mean).flatten(1).sum(1)).mean()

    def encode(self, images: Tensor) -> Tensor:
        """Means of the codes, (n, latent)."""
        return self._posterior(images)[0]

    def decode(self, codes: Tensor) -> Tensor:
        """Items expected at codes (n, latent)."""
        decoded = self.decoder(codes)
        return 2 * decoded.sigmoid() - 1 if self._is_bernoulli(decoded.shape[1:]) else decoded

    def log_likelihood(self, images: Tensor) -> LogLikelihood:
        """The bound chosen by `bound`, in nats; its pixel map is that of log p(x | mean code)."""
        mean, log_variance = self._posterior(images)
        at_mean = self._log_density(images, mean)
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
            weight = self._log_density(images, code).flatten(1).sum(1)
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

    def _log_density(self, images: Tensor, codes: Tensor) -> Tensor:
        decoded = at_least_single(self.decoder(codes))
        if self._is_bernoulli(images.shape[1:]):
            return objectives.bernoulli_log_density((images + 1) / 2, decoded)
        return objectives.gaussian_log_density(images, decoded, self.log_variance.clamp(*LOG_VARIANCE_RANGE))

    def _is_bernoulli(self, shape: tuple[int, ...]) -> bool:
        return self.density == "bernoulli" and len(shape) == 3
