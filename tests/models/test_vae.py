"""The VAE's bounds against closed forms and numerical integration."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from hizumi.models import VAE
from hizumi.training import Budget, TrainingOptions


class Linear(nn.Module):
    """y = weight x + shift, columnwise; `encoder` gives mean and log variance."""

    def __init__(self, weight: float, shift: float, log_variance: float | None = None) -> None:
        super().__init__()
        self.weight, self.shift, self.log_variance = weight, shift, log_variance

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.weight * x + self.shift
        return y if self.log_variance is None else torch.cat([y, torch.full_like(y, self.log_variance)], 1)


def one_dimensional(bound: str, encoder: Linear, draws: int = 16) -> VAE:
    """p(z) = N(0, 1), p(x|z) = N(1.5 z + 0.2, 0.5); so p(x) = N(0.2, 1.5² + 0.5)."""
    vae = VAE(latent=1, bound=bound, draws=draws).prepare((1,)).eval()
    vae.encoder, vae.decoder = encoder, Linear(1.5, 0.2)
    with torch.no_grad():
        vae.log_variance.fill_(math.log(0.5))
    return vae


X = torch.linspace(-4, 4, 9)[:, None]
EVIDENCE = Normal(0.2, math.sqrt(1.5**2 + 0.5)).log_prob(X)[:, 0]
POSTERIOR_VARIANCE = 1 / (1 + 1.5**2 / 0.5)
EXACT = Linear(1.5 / 0.5 * POSTERIOR_VARIANCE, -0.2 * 1.5 / 0.5 * POSTERIOR_VARIANCE, math.log(POSTERIOR_VARIANCE))
WRONG = Linear(0.3, 0.1, math.log(0.4))


def expected_elbo(encoder: Linear) -> torch.Tensor:
    """E_q log p(x|z) - KL(q || p), by a fine grid over z."""
    mean, log_variance = encoder(X).chunk(2, 1)
    posterior = Normal(mean, (log_variance / 2).exp())
    z = mean + (log_variance / 2).exp() * torch.linspace(-9, 9, 8001)
    weight = posterior.log_prob(z).exp()
    integrand = Normal(1.5 * z + 0.2, math.sqrt(0.5)).log_prob(X) + Normal(0.0, 1.0).log_prob(z) - posterior.log_prob(z)
    return torch.trapezoid(weight * integrand, z)


def test_importance_weighting_is_exact_with_the_true_posterior() -> None:
    likelihood = one_dimensional("importance", EXACT).log_likelihood(X)
    torch.testing.assert_close(likelihood.image, EVIDENCE, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_importance_weighting_rises_to_the_evidence() -> None:
    errors = [
        float((one_dimensional("importance", WRONG, draws).log_likelihood(X).image - EVIDENCE)[3:6].abs().mean())
        for draws in (4, 4000)
    ]
    assert errors[1] < 0.02 < errors[0]


def test_elbo_at_the_mean_differs_from_the_integrated_one_by_the_known_constant() -> None:
    # For a linear decoder E_q log p(x|z) = log p(x|mean) - w² Var q / (2 v); nothing else is approximated.
    for encoder in (EXACT, WRONG):
        at_mean = one_dimensional("elbo", encoder).log_likelihood(X).image
        correction = 1.5**2 * math.exp(encoder.log_variance or 0.0) / (2 * 0.5)
        torch.testing.assert_close(at_mean - correction, expected_elbo(encoder), atol=1e-3, rtol=1e-4)
        assert bool((expected_elbo(encoder) <= EVIDENCE + 1e-4).all())


def test_reconstruction_probability_is_the_mean_over_draws() -> None:
    vae = one_dimensional("reconstruction", WRONG, draws=20000)
    mean, variance = WRONG(X).chunk(2, 1)[0][:, 0], 0.4
    exact = Normal(1.5 * mean + 0.2, math.sqrt(0.5)).log_prob(X[:, 0]) - 1.5**2 * variance / (2 * 0.5)
    torch.testing.assert_close(vae.log_likelihood(X).image, exact, atol=0.15, rtol=0.02)


@torch.no_grad()
def test_bernoulli_bound_is_a_probability_bound() -> None:
    # Over all images of a 4x4 binary grid the bounds must add up to at most one.
    torch.manual_seed(0)
    vae = VAE(latent=2, width=4, density="bernoulli").prepare((1, 4, 4)).eval()
    bits = ((torch.arange(2**16)[:, None] >> torch.arange(16)) & 1).float().reshape(-1, 1, 4, 4)
    total = sum(float(vae.log_likelihood(2 * part - 1).image.exp().sum()) for part in torch.split(bits, 8192))
    assert 0.5 < total <= 1.0 + 1e-3  # untrained: all codes lie near the prior, so the bound is nearly tight


def test_terms_and_map_add_up() -> None:
    torch.manual_seed(0)
    vae = VAE(latent=3, width=8).prepare((2, 16, 16)).eval()
    likelihood = vae.log_likelihood(torch.rand(5, 2, 16, 16) * 2 - 1)
    assert likelihood.pixel is not None
    torch.testing.assert_close(likelihood.pixel.flatten(1).sum(1), likelihood.terms["reconstruction"])
    torch.testing.assert_close(likelihood.image, sum(likelihood.terms.values()))


@pytest.mark.parametrize("density", ["gaussian", "bernoulli"])
def test_training_raises_the_bound_and_samples_look_like_the_data(density: str) -> None:
    generator = torch.Generator().manual_seed(0)
    level = torch.rand(64, 1, 1, 1, generator=generator).round() * 1.6 - 0.8  # two kinds of flat images
    images = level.expand(-1, 1, 16, 16) + 0.05 * torch.randn(64, 1, 16, 16, generator=generator)
    images = images.clamp(-1, 1)
    vae = VAE(latent=2, width=8, density=density)
    before = vae.prepare((1, 16, 16)).eval().log_likelihood(images).image.mean()
    vae.fit(images, TrainingOptions(budget=Budget(steps=300), batch_size=16))
    with torch.no_grad():
        after = vae.log_likelihood(images).image.mean()
        means = vae.sample(200).flatten(1).mean(1)
    assert after > before + 50
    assert float((means.abs() > 0.5).float().mean()) > 0.7
    assert 0.15 < float((means > 0).float().mean()) < 0.85
