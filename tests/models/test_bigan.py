"""BiGAN's game where everything can be counted: a few items, a few codes."""

import itertools
import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import Tensor, nn
from torch.distributions import Normal

from hizumi import objectives
from hizumi.models import BiGAN
from hizumi.training import Budget, TrainingOptions

LARGE = 40.0  # stands for an infinite logit


def best_critic(data_pairs: Tensor, model_pairs: Tensor) -> Tensor:
    """log P(x, E(x)) / P(G(z), z) for tables of joint probabilities (items, codes)."""
    return (data_pairs.log() - model_pairs.log()).nan_to_num(0.0, LARGE, -LARGE)


def value(logits: Tensor, data_counts: Tensor, model_counts: Tensor) -> Tensor:
    """The game's value for a table of logits, each pair as often in a batch as its count says."""
    flat = logits.flatten()
    data, model = (flat.repeat_interleave(counts.flatten()) for counts in (data_counts, model_counts))
    return -objectives.discriminator_loss(data, model)


def test_best_critic_is_the_log_ratio_and_its_value_the_divergence() -> None:
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 9, (2, 3, 4), generator=generator)
    data, model = (table.double() / table.sum() for table in counts)
    logits = best_critic(data, model).requires_grad_()
    best = value(logits, *counts)
    (gradient,) = torch.autograd.grad(best, logits)
    assert float(gradient.abs().max()) < 1e-12
    divergence = jensenshannon(data.flatten(), model.flatten()) ** 2
    assert float(best.detach()) == pytest.approx(2 * divergence - math.log(4), abs=1e-10)
    for _ in range(20):
        other = logits.detach() + 0.3 * torch.randn(3, 4, generator=generator)
        assert float(value(other, *counts)) < float(best.detach())


def test_only_an_encoder_that_inverts_the_generator_reaches_the_optimum() -> None:
    # All 27 x 27 pairs of functions between three items and three codes, each equally likely.
    functions = list(itertools.product(range(3), repeat=3))
    optima = []
    for encoder, generator in itertools.product(functions, functions):
        data, model = torch.zeros(2, 3, 3, dtype=torch.int64)
        for each in range(3):
            data[each, encoder[each]] += 1
            model[generator[each], each] += 1
        game = float(value(best_critic(data.double() / 3, model.double() / 3), data, model))
        assert game >= -math.log(4) - 1e-9
        if game < -math.log(4) + 1e-9:
            optima.append((encoder, generator))
    inverses = [(e, g) for e, g in itertools.product(functions, functions) if all(e[g[z]] == z for z in range(3))]
    assert optima == inverses
    assert len(optima) == 6


class Table(nn.Module):
    """A critic of three items and four quarters of the normal distribution's codes: a logit for each pair."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(3, 4))

    def forward(self, items: Tensor, codes: Tensor) -> Tensor:
        return self.logits[items[:, 0].round().long(), quarter(codes)]


class Encoding(nn.Module):
    """Mean and log variance of an item's code, by item."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[-0.5, 0.1], [0.2, -0.2], [0.9, 0.3]]))

    def forward(self, items: Tensor) -> Tensor:
        return self.weight[items[:, 0].long()]


class Generating(nn.Module):
    """Quarters 0 and 3 to item 0, 1 to item 1, 2 to item 2."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.0, 1.0, 2.0, 0.0]))

    def forward(self, codes: Tensor) -> Tensor:
        return self.weight[quarter(codes)][:, None]


def quarter(codes: Tensor) -> Tensor:
    return (Normal(0.0, 1.0).cdf(codes[:, 0]) * 4).long().clamp(0, 3)


def test_the_critic_that_training_finds_is_the_log_ratio() -> None:
    model = BiGAN(latent=1, encoder="stochastic", average_decay=None, weight_decay=0.0).prepare((1,))
    model.critic, model.inverse, model.generator = Table(), Encoding(), Generating()
    model.optimise("critic", model.critic.parameters(), kind="sgd", learning_rate=5.0)
    model.optimise("encoder and generator", [model.inverse.weight, model.generator.weight], learning_rate=0.0)
    batch = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 2.0]).repeat(500)[:, None]
    torch.manual_seed(0)
    total = torch.zeros(3, 4)
    for step in range(300):
        model.step(batch)
        total += model.critic.logits.detach() if step >= 200 else 0

    mean, log_variance = model.inverse.weight.detach().chunk(2, 1)
    edges = Normal(0.0, 1.0).icdf(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    within = Normal(mean, (log_variance / 2).exp()).cdf(edges).diff(dim=1)  # P(quarter | item)
    expected = (torch.tensor([[1 / 2], [1 / 3], [1 / 6]]) * within / 0.25).log()
    made = [(0, 0), (1, 1), (2, 2), (0, 3)]
    for item, code in made:
        assert float(total[item, code]) / 100 == pytest.approx(float(expected[item, code]), abs=0.06)
    others = [pair for pair in itertools.product(range(3), range(4)) if pair not in made]
    assert min(float(model.critic.logits.detach()[pair]) for pair in others) > 2  # never made: surely data


@pytest.mark.parametrize("encoder", ["deterministic", "stochastic"])
def test_encoder_and_generator_play_with_both_labels_flipped(encoder: str) -> None:
    torch.manual_seed(0)
    model = BiGAN(latent=2, encoder=encoder).prepare((3,)).train()
    losses: dict[str, Tensor] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BiGAN, "update", lambda self, name, loss: losses.setdefault(name, loss))
        torch.manual_seed(5)
        model.step(torch.randn(7, 3, generator=torch.Generator().manual_seed(1)))
    torch.manual_seed(5)
    codes, items = torch.randn(7, 2), torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    inferred = model.inverse(items)
    if encoder == "stochastic":
        inferred = inferred[:, :2] + (inferred[:, 2:] / 2).exp() * torch.randn(7, 2)
    data = model.critic(items=items, codes=inferred).sigmoid()
    made = model.critic(items=model.generator(codes), codes=codes).sigmoid()
    torch.testing.assert_close(losses["critic"], -data.log().mean() - (1 - made).log().mean())
    torch.testing.assert_close(losses["encoder and generator"], -(1 - data).log().mean() - made.log().mean())


def test_cycle_weight_adds_the_squared_distance_of_an_item_and_what_comes_back_of_it() -> None:
    items = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    losses: dict[float, Tensor] = {}
    for weight in (0.0, 2.5):
        torch.manual_seed(0)
        model = BiGAN(latent=2, cycle_weight=weight).prepare((3,)).train()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BiGAN, "update", lambda self, name, loss: loss)
            torch.manual_seed(5)
            losses[weight] = model.step(items)["encoder and generator"]
    squares = [(x - y).square().sum() for x, y in zip(items, model.generator(model.inverse(items)), strict=True)]
    torch.testing.assert_close(losses[2.5] - losses[0.0], 2.5 * sum(squares) / 7)


def test_a_cycle_brings_held_out_items_back_nearer_than_their_mean() -> None:
    data = torch.randn(232, 2, generator=torch.Generator().manual_seed(2))
    items = data @ torch.tensor([[1.0, 0.5, -1.0], [0.2, 1.0, 0.7]])
    options = TrainingOptions(budget=Budget(steps=150), batch_size=32)
    model = BiGAN(latent=2, learning_rate=2e-3, average_decay=0.9, cycle_weight=1.0)
    model.fit(items[:200], options)
    held_out = items[200:]
    with torch.no_grad():
        error = (held_out - model.eval().reconstruct(held_out)).square().mean()
    assert float(error) < 0.3 * float((held_out - items[:200].mean(0)).square().mean())


class Watching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, items: Tensor, codes: Tensor) -> Tensor:
        self.seen.append(items.detach())
        return items.sum(1) + codes.sum(1)


def test_instance_noise_lies_on_all_that_the_critic_sees_and_on_nothing_else() -> None:
    model = BiGAN(latent=2, instance_noise=0.5, average_decay=None).prepare((3,)).train()
    model.critic, model.generator = Watching(), nn.Linear(2, 3)
    nn.init.zeros_(model.generator.weight)
    nn.init.ones_(model.generator.bias)
    encoded: list[Tensor] = []
    model.inverse.register_forward_pre_hook(lambda module, given: encoded.append(given[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BiGAN, "update", lambda self, name, loss: loss.detach())
        model.step(torch.zeros(5000, 3))
    for seen, mean in zip(model.critic.seen, (0.0, 1.0, 0.0, 1.0), strict=True):
        assert float(seen.mean()) == pytest.approx(mean, abs=0.02)
        assert float(seen.std()) == pytest.approx(0.5, abs=0.02)
    assert not torch.equal(model.critic.seen[0], model.critic.seen[2])
    assert torch.equal(encoded[0], torch.zeros(5000, 3))


def test_encoder_learns_to_invert_the_generator() -> None:
    # Codes that say nothing of their item leave an error of 1 or more; over six seeds it is 0.02 to 0.05, the codes'
    # deviation 0.87 to 1.08. Two dimensions come to the same, but swing for some 1,500 steps.
    points = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0)) @ torch.tensor([[1.0, 0.6, -0.5]])
    model = BiGAN(latent=1, learning_rate=4e-3, average_decay=0.99)
    model.fit(points, TrainingOptions(budget=Budget(steps=500), batch_size=64))
    with torch.no_grad():
        error = (model.reconstruct(points) - points).square().mean() / points.var()
        codes = model.encode(points)
    assert float(error) < 0.2
    assert float(codes.std(0).min()) > 0.6
