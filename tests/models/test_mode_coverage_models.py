"""Unrolled GAN, VEEGAN and AdaGAN against routes that do not share their code."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import softplus

from hizumi.models import VEEGAN, AdaGAN, UnrolledGAN
from hizumi.models.ada_gan import Mixture
from hizumi.training import Budget, TrainingOptions, linear_to_zero
from hizumi.training.checkpoint import load_training_state, training_state


@pytest.fixture
def _double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@torch.no_grad()
def finite_differences(value: Callable[[], float], parameters: list[nn.Parameter], size: float = 1e-5) -> list[Tensor]:
    """Central differences of a value in each number of the parameters."""
    gradients = []
    for parameter in parameters:
        gradient, flat = torch.zeros_like(parameter), parameter.data.view(-1)
        for index in range(len(flat)):
            kept = float(flat[index])
            flat[index] = kept + size
            above = value()
            flat[index] = kept - size
            below = value()
            flat[index] = kept
            gradient.view(-1)[index] = (above - below) / (2 * size)
        gradients.append(gradient)
    return gradients


def small_unrolled(unrolled_steps: int) -> tuple[UnrolledGAN, Tensor, Tensor]:
    """A tiny model in double precision whose discriminator has made a few steps, data and codes."""
    torch.manual_seed(0)
    model = UnrolledGAN(latent=2, hidden=(4,), unrolled_steps=unrolled_steps, learning_rate=0.05)
    model.prepare((2,))
    for _ in range(3):
        model.step(torch.randn(8, 2) + 1)
    return model, torch.randn(8, 2) + 1, torch.randn(8, 2)


@pytest.mark.usefixtures("_double_precision")
@pytest.mark.parametrize("unrolled_steps", [1, 3])
def test_unrolled_gradient_is_that_of_real_adam_steps_by_finite_differences(unrolled_steps: int) -> None:
    model, data, codes = small_unrolled(unrolled_steps)

    @torch.no_grad()
    def loss_after_real_steps() -> float:
        discriminator = copy.deepcopy(model.discriminator)
        adam = torch.optim.Adam(discriminator.parameters(), 0.05, (0.5, 0.999))
        adam.load_state_dict(copy.deepcopy(model.optimisers["discriminator"].state_dict()))
        fake = model.generator(codes)
        for _ in range(unrolled_steps):
            adam.zero_grad()
            with torch.enable_grad():
                (softplus(-discriminator(data)).mean() + softplus(discriminator(fake)).mean()).backward()
            adam.step()
        return float(softplus(-discriminator(data)).mean() + softplus(discriminator(fake)).mean())

    loss = model.unrolled_loss(data, model.generator(codes))
    assert float(loss.detach()) == pytest.approx(loss_after_real_steps(), rel=1e-6)
    parameters = list(model.generator.parameters())
    expected = finite_differences(loss_after_real_steps, parameters)
    for found, by_hand in zip(torch.autograd.grad(loss, parameters), expected, strict=True):
        torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("_double_precision")
def test_nothing_unrolled_is_the_minimax_game() -> None:
    model, data, codes = small_unrolled(0)
    fake, parameters = model.generator(codes), list(model.generator.parameters())
    minimax = (1 - model.discriminator(fake).sigmoid()).log().mean()
    expected = torch.autograd.grad(minimax, parameters, retain_graph=True)
    for found, by_hand in zip(torch.autograd.grad(-model.unrolled_loss(data, fake), parameters), expected, strict=True):
        torch.testing.assert_close(found, by_hand)


@pytest.mark.usefixtures("_double_precision")
def test_looking_ahead_leaves_the_discriminator_alone() -> None:
    model, data, codes = small_unrolled(3)
    before = copy.deepcopy(model.discriminator.state_dict())
    model.unrolled_loss(data, model.generator(codes)).backward()
    assert all(torch.equal(before[key], value) for key, value in model.discriminator.state_dict().items())


class Table(nn.Module):
    """A critic that tells pairs apart by whether the code and the item's first number are positive."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2, 2))

    def forward(self, items: Tensor, codes: Tensor) -> Tensor:
        return self.logits[(codes[:, 0] > 0).long(), (items[:, 0] > 0).long()]


class Function(nn.Module):
    """A network that is a fixed function, with a weight that changes nothing."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.weight = function, nn.Parameter(torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        return self.function(values) + 0 * self.weight


def test_veegan_discriminator_finds_the_ratio_of_joint_densities() -> None:
    # Item: sign of (code - 1). Data: sign of N(0.5, 1). Reconstructor: adds 0.7 to the item's second number, N(0, 1).
    torch.manual_seed(0)
    model = VEEGAN(latent=1, code_noise=0.0, average_decay=None).prepare((2,))
    model.generator = Function(lambda codes: torch.cat([torch.sign(codes - 1), codes], 1))
    model.reconstructor = Function(lambda items: items[:, 1:] + 0.7)
    model.discriminator = Table()
    for name in model.optimisers:
        model.optimise(name, getattr(model, name).parameters(), learning_rate=0.05, schedule=linear_to_zero(0.3))
    for step in range(400):
        model.clock.progress = step / 400
        model.step(torch.stack([torch.sign(torch.randn(2000) + 0.5), torch.randn(2000)], 1))
    standard = Normal(0.0, 1.0)
    below, middle = standard.cdf(torch.tensor(0.0)), standard.cdf(torch.tensor(1.0)) - 0.5
    from_prior = torch.tensor([[below, 0.0], [middle, 0.5 - middle]])  # rows: code negative, positive
    data_positive, code_positive = standard.cdf(torch.tensor(0.5)), standard.cdf(torch.tensor(0.7))
    code, item = torch.stack([1 - code_positive, code_positive]), torch.stack([1 - data_positive, data_positive])
    expected = (from_prior / (code[:, None] * item[None])).log()
    found = model.discriminator.logits.detach()
    assert found[0, 1] < -4  # pairs that the generator never makes
    torch.testing.assert_close(found[[0, 1, 1], [0, 0, 1]], expected[[0, 1, 1], [0, 0, 1]], rtol=0, atol=0.1)


@pytest.mark.usefixtures("_double_precision")
def test_veegan_gradients_are_those_of_the_printed_losses() -> None:
    torch.manual_seed(0)
    model = VEEGAN(latent=3, hidden=(4,), code_noise=0.0, learning_rate=0.0).prepare((2,))
    data, codes = torch.randn(8, 2), torch.randn(8, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VEEGAN, "noise", lambda *_: codes)
        losses = model.step(data)

    @torch.no_grad()
    def inversion() -> float:
        return float(
            sum((z - model.reconstructor(model.generator(z[None]))[0]).norm() ** 2 for z in codes) / len(codes)
        )

    @torch.no_grad()
    def generator_loss() -> float:
        return inversion() + sum(float(model.discriminator(model.generator(z[None]), z[None])) for z in codes) / len(
            codes
        )

    assert float(losses["reconstruction"]) == pytest.approx(inversion())
    for network, value in ((model.reconstructor, inversion), (model.generator, generator_loss)):
        parameters = list(network.parameters())
        for parameter, expected in zip(parameters, finite_differences(value, parameters), strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-5, atol=1e-7)


def test_mixture_draws_every_generator_as_often_as_it_should_with_normal_codes() -> None:
    mixture = Mixture([nn.Identity() for _ in range(4)])
    mixture.set_shares([0.5, 0.2, 0.3])
    codes = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))
    chosen, inner = mixture.choose(codes)
    shares = torch.bincount(chosen, minlength=4) / len(codes)
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.2, 0.3, 0.0]), rtol=0, atol=0.006)
    for part in range(3):
        ours, probabilities = inner[chosen == part], torch.linspace(0.05, 0.95, 19)
        quantiles = torch.quantile(ours, probabilities, dim=0)
        expected = Normal(0.0, 1.0).icdf(probabilities)[:, None].expand(-1, 2)
        torch.testing.assert_close(quantiles, expected, rtol=0, atol=0.04)
        assert abs(float(torch.corrcoef(ours.T)[0, 1])) < 0.02


def test_mixture_makes_each_item_by_its_own_generator_in_order() -> None:
    torch.manual_seed(0)
    mixture = Mixture([nn.Linear(3, 2) for _ in range(3)])
    mixture.set_shares([0.2, 0.5, 0.3])
    codes = torch.randn(50, 3)
    chosen, inner = mixture.choose(codes)
    expected = torch.stack([mixture.parts[part](code) for part, code in zip(chosen.tolist(), inner, strict=True)])
    torch.testing.assert_close(mixture(codes), expected)


@pytest.mark.parametrize(("beta", "expected"), [(None, [0.25] * 4), (0.5, [0.125, 0.125, 0.25, 0.5])])
def test_each_new_generator_takes_its_share_from_all_earlier_ones(beta: float | None, expected: list[float]) -> None:
    model = AdaGAN(generators=4, hidden=(8,), latent=2, beta=beta, classifier_share=0.2)
    data = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    model.fit(data, TrainingOptions(budget=Budget(steps=40), batch_size=16))
    torch.testing.assert_close(model.generator.shares, torch.tensor(expected))


def test_later_stages_leave_earlier_generators_alone() -> None:
    torch.manual_seed(0)
    model = AdaGAN(generators=3, hidden=(8,), latent=2).prepare((2,))
    for step in range(30):
        model.clock.steps_done, model.clock.progress = step, step / 30
        before = copy.deepcopy(model.generator.parts.state_dict())
        model.step(torch.randn(16, 2))
        moved = {
            key[0] for key, value in model.generator.parts.state_dict().items() if not torch.equal(value, before[key])
        }
        assert moved <= {str(math.floor(model.progress * 3))}


def test_data_that_the_mixture_misses_are_drawn_more_often() -> None:
    # The first generator is stuck at +2; a quarter of the data lie at -2. Ratios 0 and 4/3 and beta 1/2 give weights
    # 2 and 2/3, so that half of what is drawn lies there.
    torch.manual_seed(0)
    model = AdaGAN(2, latent=2, hidden=(16,), classifier_share=0.5, learning_rate=0.01, average_decay=None)
    model.prepare((1,))
    model.generator.parts[0] = Function(lambda codes: 2 + 0.1 * codes[:, :1])
    data = torch.where(torch.rand(1000, 1) < 0.25, -2.0, 2.0) + 0.1 * torch.randn(1000, 1)
    for step in range(100):
        model.clock.progress = 0.5 + 0.2 * step / 100
        model.step(data)
    drawn = model._reweighted(1, data)
    assert float((drawn < 0).float().mean()) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("stopped_at", [8, 12, 20])  # in the first game, in a classifier's time, on a boundary
def test_adagan_resumes_bit_for_bit_in_any_stage(stopped_at: int) -> None:
    def train(model: AdaGAN, start: int, stop: int) -> AdaGAN:
        for step in range(start, stop):
            torch.manual_seed(step)
            model.clock.steps_done, model.clock.progress = step, step / 30
            model.step(torch.randn(16, 2))
        return model

    def new() -> AdaGAN:
        torch.manual_seed(100)
        return AdaGAN(generators=3, hidden=(8,), latent=2, classifier_share=0.4).prepare((2,)).train()

    stopped = train(new(), 0, stopped_at)
    resumed = new()
    load_training_state(resumed, copy.deepcopy(training_state(stopped)))
    expected, found = train(new(), 0, 30).state_dict(), train(resumed, stopped_at, 30).state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_what_adagans_docstring_says_of_its_coverage_is_what_was_measured() -> None:
    results = Path(__file__).parents[2] / "benchmarks" / "results" / "models"
    captured, sharp = {}, {}
    for case in ("ada_gan_grid", "ada_gan_grid_one_part", "ada_gan_grid_one_gan"):
        figures = [json.loads((results / f"{case}-{seed}.json").read_text())["figures"] for seed in range(5)]
        captured[case] = sum(each["captured"] == 25 for each in figures)
        sharp[case] = sum(each["high_quality_share"] for each in figures)
    assert captured == {"ada_gan_grid": 5, "ada_gan_grid_one_part": 1, "ada_gan_grid_one_gan": 0}
    assert sharp["ada_gan_grid"] < sharp["ada_gan_grid_one_gan"]
