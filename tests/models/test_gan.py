"""The adversarial family: values of the games, whose turn it is, and what keeps each critic in bounds."""

import copy
import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from hizumi import objectives
from hizumi.models import DCGAN, GAN, WGAN, WGANGP
from hizumi.models.adversarial import Adversarial
from hizumi.models.wgan import long_and_short_turns
from hizumi.training import Budget, TrainingOptions

# Two distributions over five outcomes, as counts out of 100: expectations are means over repeated outcomes.
REAL = torch.tensor([10, 40, 25, 20, 5])
FAKE = torch.tensor([30, 10, 25, 5, 30])
P, Q = REAL.double() / 100, FAKE.double() / 100
OPTIMAL = P / (P + Q)


def played(loss, table: Tensor, smoothing: float = 0.0) -> Tensor:
    """A discriminator's loss where its output is a table over the outcomes."""
    return loss(table.repeat_interleave(REAL), table.repeat_interleave(FAKE), smoothing)


def optimum(loss, smoothing: float = 0.0) -> Tensor:
    """The table that minimises a loss, by Newton's method; both losses are convex and separate over the outcomes."""
    table = torch.zeros(5, dtype=torch.float64)
    for _ in range(30):
        slope, curvature = (
            torch.autograd.functional.jacobian(lambda t: played(loss, t, smoothing), table),
            torch.autograd.functional.hessian(lambda t: played(loss, t, smoothing), table).diagonal(),
        )
        table = table - slope / curvature
    return table


class TestGames:
    def test_value_at_the_optimal_discriminator(self) -> None:
        """V(D*, G) = 2 JSD(p, q) - log 4, with D* = p / (p + q)."""
        best = optimum(objectives.discriminator_loss)
        torch.testing.assert_close(best.sigmoid(), OPTIMAL)
        middle = (P + Q) / 2
        divergence = ((P * (P / middle).log()).sum() + (Q * (Q / middle).log()).sum()) / 2
        value = -played(objectives.discriminator_loss, best)
        torch.testing.assert_close(value, 2 * divergence - math.log(4))

    def test_least_squares_has_the_same_optimum(self) -> None:
        """D* = p / (p + q) without a sigmoid, where the loss is half the sum of p q / (p + q)."""
        best = optimum(objectives.least_squares_discriminator_loss)
        torch.testing.assert_close(best, OPTIMAL)
        loss = played(objectives.least_squares_discriminator_loss, best)
        torch.testing.assert_close(loss, (P * Q / (P + Q)).sum() / 2)

    @pytest.mark.parametrize("smoothing", [0.1, 0.3])
    def test_label_smoothing_is_one_sided(self, smoothing: float) -> None:
        """D* = (1 - s) p / (p + q); with the fake side smoothed too, q would appear above the line."""
        best = optimum(objectives.discriminator_loss, smoothing).sigmoid()
        torch.testing.assert_close(best, (1 - smoothing) * OPTIMAL)
        best = optimum(objectives.least_squares_discriminator_loss, smoothing)
        torch.testing.assert_close(best, (1 - smoothing) * OPTIMAL)
        real, fake = torch.randn(2, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        expected = cross_entropy(real, torch.full_like(real, 1 - smoothing)) + cross_entropy(fake, 0 * fake)
        torch.testing.assert_close(objectives.discriminator_loss(real, fake, smoothing), expected)

    def test_slopes_of_the_generators_losses(self) -> None:
        """By the logit: -σ(a) is flat where the discriminator wins, -σ(-a) is not, a - 1 not even where it loses."""
        logits = torch.linspace(-12, 12, 25, dtype=torch.float64)
        slopes = {
            name: torch.autograd.functional.jacobian(lambda a, game=game: game.generator(a), logits) * len(logits)
            for name, game in objectives.GAMES.items()
        }
        torch.testing.assert_close(slopes["minimax"], -logits.sigmoid())
        torch.testing.assert_close(slopes["non-saturating"], -(-logits).sigmoid())
        torch.testing.assert_close(slopes["least-squares"], logits - 1)

    def test_wasserstein_losses_are_one_game(self) -> None:
        real, fake = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 0.0, 1.0])
        assert float(objectives.wasserstein_critic_loss(real, fake)) == 1 - 2.5
        assert float(objectives.wasserstein_generator_loss(fake)) == -1


def moves(model: Adversarial, steps: int) -> str:
    """For each step whether it moved the generator; the opponent moves in each."""
    torch.manual_seed(0)
    batch = torch.randn(8, 2)
    model.prepare((2,)).train()
    opponent = model.opponent
    found = ""
    for step in range(steps):
        before = [copy.deepcopy(network.state_dict()) for network in (opponent, model.generator)]
        model.clock.steps_done, model.clock.progress = step, step / steps
        losses = model.step(batch)
        moved = [
            any(not torch.equal(old[key], new) for key, new in network.state_dict().items())
            for old, network in zip(before, (opponent, model.generator), strict=True)
        ]
        assert moved == [True, "generator" in losses]
        found += str(int(moved[1]))
    return found


@pytest.mark.parametrize(
    ("discriminator_steps", "pretraining_steps", "expected"),
    [(1, 0, "1111111"), (3, 0, "0010010"), (1, 4, "0000111"), (2, 3, "0000101")],
)
def test_turns(discriminator_steps: int, pretraining_steps: int, expected: str) -> None:
    model = GAN(2, (8,), discriminator_steps=discriminator_steps, pretraining_steps=pretraining_steps)
    assert moves(model, 7) == expected


def test_turns_of_critics() -> None:
    assert moves(WGANGP(2, hidden=(8,), critic_steps=3), 7) == "0010010"
    assert moves(WGAN(2, hidden=(8,), critic_steps=2, long_critic_steps=3), 7) == "0010010"


@pytest.mark.parametrize(("short", "long"), [(5, 100), (2, 7), (3, 3), (1, 4)])
def test_long_turns_as_in_the_released_loop(short: int, long: int) -> None:
    """The loop of the release: so many critic steps, one of the generator, and again."""
    expected = []
    for generator_step in range(1200):
        critic_steps = long if generator_step < 25 or generator_step % 500 == 0 else short
        expected += [False] * (critic_steps - 1) + [True]
    assert [long_and_short_turns(step, short, long) for step in range(len(expected))] == expected


def test_clipping_keeps_the_critic_in_its_box() -> None:
    torch.manual_seed(0)
    model = WGAN(2, width=4, clip=0.02, critic_steps=1, long_critic_steps=1).prepare((1, 16, 16)).train()
    for step in range(4):
        model.clock.steps_done = step
        model.step(torch.randn(8, 1, 16, 16))
        largest = [float(weight.detach().abs().max()) for weight in model.critic.parameters()]
        assert max(largest) == pytest.approx(0.02)
    assert max(float(weight.detach().abs().max()) for weight in model.generator.parameters()) > 0.03


def test_the_distance_shown_is_how_much_higher_data_score_than_what_is_made() -> None:
    torch.manual_seed(0)
    model, judged = WGAN(2, hidden=(8,)).prepare((3,)).train(), []
    model.critic.register_forward_hook(lambda network, inputs, output: judged.append(output.detach().mean()))
    shown = model.step(torch.randn(8, 3))["distance"]
    torch.testing.assert_close(shown, judged[0] - judged[1])
    assert shown != 0


@pytest.mark.parametrize("steps_each", [1, 2])
def test_weight_average_by_hand(steps_each: int) -> None:
    torch.manual_seed(0)
    model = DCGAN(4, width=4, discriminator_steps=steps_each, average_decay=0.3, learning_rate=0.01)
    model.prepare((1, 8, 8)).train()
    average = {name: value.clone() for name, value in model.generator.named_parameters()}
    for step in range(6):
        model.clock.steps_done = step
        model.step(torch.randn(8, 1, 8, 8))
        if step % steps_each == steps_each - 1:
            done = step // steps_each
            decay = min(0.3, (1 + done) / (10 + done))
            for name, value in model.generator.named_parameters():
                average[name] = decay * average[name] + (1 - decay) * value.detach()
    assert model.average is not None
    for name, value in model.average.network.named_parameters():
        torch.testing.assert_close(value, average[name])
    codes = torch.randn(5, 4, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(model.sample(5, seed=7), model.average.network.eval()(codes))
    assert not torch.allclose(model.sample(5, seed=7), model.generator.eval()(codes), atol=1e-4)


def test_without_average_the_last_weights_sample() -> None:
    data = torch.randn(16, 2)
    model = GAN(2, (8,), average_decay=None).fit(data, TrainingOptions(budget=Budget(steps=5), batch_size=8))
    codes = torch.randn(5, 2, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(model.sample(5, seed=7), model.generator(codes))


@pytest.mark.parametrize("kind", [GAN, DCGAN])
def test_batch_norm_couples_the_items_of_a_batch_and_can_be_left_out(kind: type) -> None:
    shape = (1, 16, 16)
    for batch_norm in (True, False):
        torch.manual_seed(0)
        model = kind(4, batch_norm=batch_norm).prepare(shape).train()
        items, codes = torch.randn(6, *shape), torch.randn(6, 4)
        for network, inputs in ((model.discriminator, items), (model.generator, codes)):
            alone = torch.allclose(network(inputs)[:2], network(inputs[:2]), atol=1e-5)
            assert alone != batch_norm


def test_the_penalised_critic_judges_each_item_by_itself() -> None:
    for shape in ((1, 16, 16), (3,)):
        critic = WGANGP(4, width=4).prepare(shape).train().critic
        items = torch.randn(6, *shape)
        torch.testing.assert_close(critic(items)[:2], critic(items[:2]))


def test_the_critics_distance_is_the_earth_movers() -> None:
    """Data are the generator's own items, moved by v: their distance is |v|.

    The best critic rises along v with a slope s that maximises s |v| - λ (s - 1)²: the distance shown is
    |v| (1 + |v| / (2 λ)).
    """
    torch.manual_seed(0)
    weight, shift = 5.0, torch.tensor([1.5, 2.0])
    model = WGANGP(2, hidden=(64, 64), learning_rate=2e-3, penalty_weight=weight, critic_steps=10**6)
    model.prepare((2,)).train()
    distances = []
    for step in range(400):
        model.clock.steps_done, model.clock.progress = step, step / 400
        with torch.no_grad():
            items = model.generator(model.noise(256)) + shift
        distances.append(model.step(items)["distance"])
    assert float(torch.stack(distances[-50:]).mean()) == pytest.approx(2.5 * (1 + 2.5 / (2 * weight)), rel=0.03)


@pytest.mark.parametrize("game", objectives.GAMES)
def test_every_game_finds_a_normal_distribution(game: str) -> None:
    data = 0.5 * torch.randn(2048, 1, generator=torch.Generator().manual_seed(0)) + 2
    model = GAN(2, (16, 16), game=game, learning_rate=4e-3, label_smoothing=0.1, average_decay=0.98)
    model.fit(data, TrainingOptions(budget=Budget(steps=300), batch_size=64))
    samples = model.sample(2000)
    assert float(samples.mean()) == pytest.approx(2, abs=0.3)
    assert 0.15 < float(samples.std()) < 0.85


@pytest.mark.parametrize("model", [DCGAN, WGANGP])
def test_real_and_generated_images_are_augmented_alike(
    model: type[DCGAN] | type[WGANGP], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model(latent=4, width=4, augmentation=("cutout",)).prepare((1, 16, 16))
    seen = []
    opponent = made.opponent
    original = opponent.forward
    monkeypatch.setattr(opponent, "forward", lambda items: seen.append(items.detach()) or original(items))
    made.clock.steps_done = 4
    made.step(torch.rand(8, 1, 16, 16) + 0.5)
    of_items = [items for items in seen if len(items) == 8]
    assert len(of_items) >= 3  # real ones, generated ones, and generated ones again for the generator
    # A cut-out square is exactly 0, and the real pictures are nowhere.
    cut = [(items == 0).flatten(1).float().mean(1) for items in (*of_items[:2], of_items[-1])]
    assert all(bool((share > 0).all()) for share in cut)
    assert bool((cut[0] <= 0.25).all())
