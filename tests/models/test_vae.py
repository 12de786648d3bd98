"""The VAE's bounds against closed forms and numerical integration."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from hizumi.data.stream import TensorSource
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
    vae = one_dimensional("reconstruction", WRONG, draws=5000)
    mean, variance = WRONG(X).chunk(2, 1)[0][:, 0], 0.4
    exact = Normal(1.5 * mean + 0.2, math.sqrt(0.5)).log_prob(X[:, 0]) - 1.5**2 * variance / (2 * 0.5)
    torch.testing.assert_close(vae.log_likelihood(X).image, exact, atol=0.15, rtol=0.02)


class Curved(nn.Module):
    """y = 2 tanh(1.5 z): no closed form for p(x)."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return 2 * torch.tanh(1.5 * z)


@torch.no_grad()
def test_bounds_of_a_curved_decoder_lie_in_order_below_the_integrated_likelihood() -> None:
    def bounds(bound: str, draws: int) -> tuple[torch.Tensor, torch.Tensor]:
        vae = one_dimensional(bound, WRONG, draws)
        vae.decoder = Curved()
        likelihood = vae.log_likelihood(X)
        return likelihood.image, likelihood.terms["divergence"]

    # By integration over z: log p(x), and the bound as log p(x) - KL(q || p(z|x)).
    z = torch.linspace(-9, 9, 20001, dtype=torch.float64)
    x = X.double()
    joint = Normal(2 * torch.tanh(1.5 * z), math.sqrt(0.5)).log_prob(x) + Normal(0.0, 1.0).log_prob(z)
    evidence = torch.trapezoid(joint.exp(), z).log()
    mean, log_variance = WRONG(X).double().chunk(2, 1)
    posterior = Normal(mean, (log_variance / 2).exp()).log_prob(z)
    divergence = torch.trapezoid(posterior.exp() * (posterior - joint + evidence[:, None]), z)

    reconstruction, negative_divergence = bounds("reconstruction", 5000)
    elbo = reconstruction + negative_divergence
    torch.testing.assert_close(elbo.double(), evidence - divergence, atol=0.06, rtol=0.01)
    few, many = (bounds("importance", draws)[0].double() for draws in (2, 5000))
    assert bool((elbo < many).all())
    assert bool((many < evidence + 0.03).all())
    torch.testing.assert_close(many, evidence, atol=0.03, rtol=0)
    assert float((evidence - few).mean()) > float((evidence - many).abs().mean())


@pytest.mark.parametrize(
    ("density", "variance"), [("gaussian", "optimal"), ("gaussian", "learned"), ("bernoulli", "optimal")]
)
def test_a_step_descends_the_bound_of_torch_distributions(density: str, variance: str) -> None:
    torch.manual_seed(0)
    vae = VAE(latent=3, width=8, density=density, variance=variance).prepare((1, 16, 16)).train()
    images = torch.rand(6, 1, 16, 16) * 2 - 1
    mean, log_variance = vae.encoder(images).chunk(2, 1)
    posterior = Normal(mean, (log_variance / 2).exp())
    torch.manual_seed(1)
    decoded = vae.decoder(posterior.rsample())
    if density == "bernoulli":
        pixels = Bernoulli(logits=decoded, validate_args=False).log_prob((images + 1) / 2)
    else:
        deviation = (images - decoded).square().mean().sqrt() if variance == "optimal" else torch.tensor(1.0)
        pixels = Normal(decoded, deviation).log_prob(images)
    torch.manual_seed(1)
    losses = vae.step(images)
    torch.testing.assert_close(losses["reconstruction"], -pixels.flatten(1).sum(1).mean().detach())
    divergence = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1).mean().detach()
    torch.testing.assert_close(losses["divergence"], divergence)


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (0.7, 1.0)])
def test_warm_up_is_a_rising_beta(progress: float, weight: float) -> None:
    images = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))
    states = []
    for model in (VAE(latent=2, beta=2.0, warmup=0.2), VAE(latent=2, beta=2.0 * weight)):
        torch.manual_seed(0)
        model.prepare((8,)).train().clock.progress = progress
        model.step(images)
        states.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*states)


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
    # Flat images and this noise have a density of 403 nats at most; where the density is narrow, some codes lie between
    # the two kinds.
    assert after > (250 if density == "gaussian" else before + 50)
    assert float((means.abs() > 0.5).float().mean()) > (0.25 if density == "gaussian" else 0.7)
    assert 0.1 < float((means > 0).float().mean()) < 0.9


def test_series_are_drawn_with_the_noise_that_they_have_around_what_is_expected() -> None:
    generator = torch.Generator().manual_seed(0)
    period = torch.sin(torch.arange(16.0) * math.pi / 4).expand(1, 1, 16)
    windows = period + 0.4 * torch.randn(500, 1, 1, 16, generator=generator)
    vae = VAE(latent=2, width=8).fit(windows, TrainingOptions(budget=Budget(steps=300), batch_size=32))
    samples = vae.sample(400, seed=0)
    torch.testing.assert_close(samples.mean(0), period, atol=0.25, rtol=0)
    assert float(samples.std(0).mean()) == pytest.approx(0.4, rel=0.15)


def test_rows_are_drawn_as_they_are_spread() -> None:
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(2, 6, generator=torch.Generator().manual_seed(5))
    rows = torch.randn(2000, 2, generator=generator) @ directions + 0.7 * torch.randn(2000, 6, generator=generator)
    vae = VAE(latent=2).fit(rows, TrainingOptions(budget=Budget(steps=600), batch_size=64))
    torch.testing.assert_close(vae.sample(4000).T.cov(), rows.T.cov(), rtol=0, atol=0.25)


def test_variance_is_that_of_probabilistic_principal_components() -> None:
    # The best linear decoder leaves the mean of the smaller eigenvalues (Tipping & Bishop 1999), here near 0.09; a
    # variance learned by Adam has come from 1 to 0.85 by then.
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(2, 6, generator=torch.Generator().manual_seed(5))
    items = torch.randn(2000, 2, generator=generator) @ directions + 0.3 * torch.randn(2000, 6, generator=generator)
    left = float(torch.linalg.eigvalsh(items.T.cov())[:4].mean())
    vae = VAE(latent=2).fit(items, TrainingOptions(budget=Budget(steps=300), batch_size=64))
    assert float(vae.log_variance.detach().exp()) == pytest.approx(left, rel=0.3)


def test_variance_at_the_end_is_the_expected_error_of_held_out_items() -> None:
    vae = one_dimensional("elbo", WRONG)
    torch.manual_seed(0)
    with torch.no_grad():
        vae.finish(TensorSource(X.repeat(2000, 1)))
    at_mean = (X - 1.5 * WRONG(X)[:, :1] - 0.2).square().mean()
    expected = float(at_mean) + 1.5**2 * 0.4  # that of the mean code, and the decoder's slope squared times Var q
    assert float(vae.log_variance.detach().exp()) == pytest.approx(expected, rel=0.02)
