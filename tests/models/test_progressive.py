"""The growing networks against the smaller ones they grew from, and their parts by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d

from hizumi import networks
from hizumi.models import ProgressiveGAN
from hizumi.networks import progressive

SHAPES = [(1, 32, 32), (3, 21, 34)]  # three doublings of 4x4, two of 6x9 with a border
CODES = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))


def images(shape: tuple[int, ...], count: int = 4) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def repeated(small: torch.Tensor) -> torch.Tensor:
    return small.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_at_the_start_of_a_fade_the_networks_are_the_smaller_ones(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    generator, critic = networks.ProgressiveGenerator(shape, 5, 4), networks.ProgressiveCritic(shape, 4)
    for level in range(1, generator.pyramid.stages + 1):
        smaller = generator.at(CODES, level - 1)
        assert torch.equal(generator.at(CODES, level, fade=0.0), repeated(smaller))
        assert not torch.allclose(generator.at(CODES, level), repeated(smaller), atol=0.01)
        fed = critic.shown(images(shape), level)
        assert fed.shape == generator.at(CODES, level).shape
        assert torch.equal(critic.at(fed, level, fade=0.0), critic.at(avg_pool2d(fed, 2), level - 1))
        assert not torch.allclose(critic.at(fed, level), critic.at(avg_pool2d(fed, 2), level - 1), atol=1e-4)
        coarse = critic.shown(images(shape), level - 1)
        torch.testing.assert_close(critic.shown(images(shape), level, fade=0.0), repeated(coarse))


@torch.no_grad()
def test_images_of_a_fade_are_a_blend() -> None:
    torch.manual_seed(0)
    generator, critic = networks.ProgressiveGenerator((1, 32, 32), 5, 4), networks.ProgressiveCritic((1, 32, 32), 4)
    blend = 0.7 * repeated(generator.at(CODES, 1)) + 0.3 * generator.at(CODES, 2)
    torch.testing.assert_close(generator.at(CODES, 2, fade=0.3), blend)
    full = images((1, 32, 32))
    blend = 0.7 * repeated(avg_pool2d(full, 4)) + 0.3 * avg_pool2d(full, 2)
    torch.testing.assert_close(critic.shown(full, 2, fade=0.3), blend)


@torch.no_grad()
def test_samples_show_what_the_network_has_grown_to() -> None:
    model = ProgressiveGAN(width=4, latent=5, average_decay=None).prepare((1, 30, 40))
    generator, full = model.generator, model.sample(3, seed=2)
    codes = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
    assert torch.equal(full, generator.at(codes, generator.pyramid.stages)[:, :, :30].clamp(-1, 1))
    generator.growth.fill_(1.0)
    assert torch.equal(model.sample(3, seed=2), repeated(generator.at(codes, 1))[:, :, :30].clamp(-1, 1))


def test_growth_is_even_in_its_phases() -> None:
    stages, phases = 3, 7
    for phase, expected in enumerate([(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3)]):
        for share in (0.0, 0.4, 0.99):
            growth = networks.growth_at((phase + share) / phases, stages)
            assert growth == pytest.approx(expected[0] + share * (expected[1] - expected[0]), abs=1e-9)
    assert networks.growth_at(1.0, stages) == stages
    assert networks.level_and_fade(0.0) == (0, 1.0)
    assert networks.level_and_fade(2.0) == (2, 1.0)
    assert networks.level_and_fade(1.25) == (2, 0.25)


def test_equalised_rate_is_explicit_scaling() -> None:
    torch.manual_seed(0)
    layer = progressive.EqualisedConv2d(6, 8, (3, 3), (1, 1))
    assert float(layer.weight.detach().std()) == pytest.approx(1, abs=0.1)
    maps = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(layer(maps), conv2d(maps, layer.weight * math.sqrt(2 / (6 * 9)), padding=1))

    # A plain layer of the scaled weights, at a rate scaled the same, takes the same first step of Adam.
    plain = nn.Conv2d(6, 8, 3, padding=1)
    with torch.no_grad():
        plain.weight.copy_(layer.weight * layer.scale)
        plain.bias.zero_()
    for network, rate in ((layer, 0.01), (plain, 0.01 * layer.scale)):
        optimiser = torch.optim.Adam([network.weight], rate, eps=1e-20)
        network(maps).square().sum().backward()
        optimiser.step()
    torch.testing.assert_close(layer.weight * layer.scale, plain.weight)


@pytest.mark.parametrize(("count", "groups"), [(8, [(0, 2, 4, 6), (1, 3, 5, 7)]), (6, [(0, 1, 2, 3, 4, 5)])])
def test_minibatch_deviation_by_hand(count: int, groups: list[tuple[int, ...]]) -> None:
    maps = torch.randn(count, 3, 2, 5, generator=torch.Generator().manual_seed(0))
    joined = progressive.with_minibatch_deviation(maps)
    assert torch.equal(joined[:, :3], maps)
    for group in groups:
        numbers = maps[list(group)].numpy().astype("float64")
        deviation = float(numbers.std(axis=0).mean())
        torch.testing.assert_close(joined[list(group), 3], torch.full((len(group), 2, 5), deviation))
    same = progressive.with_minibatch_deviation(maps[:1].expand(count, -1, -1, -1))
    assert float(same[:, 3].abs().max()) == pytest.approx(1e-4)  # the root of what keeps it from 0


def test_pixel_norm_gives_each_pixel_unit_mean_square() -> None:
    maps = 7 * torch.randn(2, 6, 3, 4, generator=torch.Generator().manual_seed(0))
    normalised = progressive.pixel_norm(maps)
    torch.testing.assert_close(normalised.square().mean(1), torch.ones(2, 3, 4))
    torch.testing.assert_close(normalised / maps, (normalised / maps)[:, :1].expand(-1, 6, -1, -1))


def test_a_level_trains_what_is_in_use_and_starts_with_fresh_moments() -> None:
    torch.manual_seed(0)
    model = ProgressiveGAN(width=2, latent=3).prepare((1, 16, 16)).train()
    data = images((1, 16, 16), 8)
    fresh = {name: value.clone() for name, value in model.named_parameters()}

    def moved() -> set[str]:
        return {name for name, value in model.named_parameters() if not torch.equal(value, fresh[name])}

    for progress, above in ((0.0, {"blocks.0", "blocks.1", "images.1", "images.2"}), (0.3, {"blocks.1", "images.2"})):
        model.clock.progress = progress
        model.step(data)
        assert moved()
        assert not [name for name in moved() if any(part in name for part in above)]
    assert [len(model.optimisers[f"critic {level}"].state) > 0 for level in range(3)] == [True, True, False]
    steps = {int(entry["step"]) for entry in model.optimisers["generator 1"].state.values()}
    assert steps == {1}


def test_critic_loss_is_the_papers() -> None:
    # On one batch of the base map: -(E D(x) - E D(G(z))) + 10 E(|grad D| - 1)^2 + 0.001 E D(x)^2, as one number.
    torch.manual_seed(0)
    model = ProgressiveGAN(width=2, latent=3).prepare((1, 8, 8)).train()
    data, losses = images((1, 8, 8), 8), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressiveGAN, "update", lambda self, name, loss: losses.append((name, loss)) or loss.detach())
        torch.manual_seed(5)
        model.step(data)
    torch.manual_seed(5)
    fake, share = model.generator.at(torch.randn(8, 3), 0).detach(), torch.rand(8, 1, 1, 1)
    real = avg_pool2d(data, 2)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(model.critic.at(between, 0).sum(), between)
    penalty = sum((float(one.norm()) - 1) ** 2 for one in gradient) / 8
    scores = model.critic.at(real, 0)
    expected = model.critic.at(fake, 0).mean() - scores.mean() + 10 * penalty + 0.001 * scores.square().mean()
    assert [name for name, _ in losses] == ["critic 0", "generator 0"]
    torch.testing.assert_close(losses[0][1], expected)
    torch.testing.assert_close(losses[1][1], -model.critic.at(fake, 0).mean())
