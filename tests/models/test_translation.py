"""pix2pix and CycleGAN: their losses by hand, the pool's statistics, and small tasks learned."""

import math

import pytest
import torch
from torch import nn

from hizumi.data import ReadyMade
from hizumi.models import CycleGAN, Pix2Pix
from hizumi.models.image_pool import ImagePool
from hizumi.training import Budget, TrainingOptions

SIZE = 50


class Scale(nn.Module):
    """x to factor x + shift, with parameters that can be trained."""

    def __init__(self, factor: float, shift: float = 0.0) -> None:
        super().__init__()
        self.factor, self.shift = nn.Parameter(torch.tensor(factor)), nn.Parameter(torch.tensor(shift))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.factor * images + self.shift


# --- the pool of earlier images -----------------------------------------------------------------------------------


def queried(count: int, batch: int, size: int = SIZE, seed: int = 0) -> tuple[torch.Tensor, ImagePool]:
    """Ages, in images, of what the pool shows for images numbered 0, 1, 2, ..."""
    torch.manual_seed(seed)
    pool, shown = ImagePool((1, 1, 1), size), []
    for start in range(0, count, batch):
        images = torch.arange(start, start + batch).float().reshape(-1, 1, 1, 1)
        shown.append(pool.exchange(images, torch.rand(batch, 2)).flatten())
    return torch.arange(count) - torch.cat(shown).long(), pool


def test_the_pool_fills_before_it_exchanges() -> None:
    ages, pool = queried(SIZE, 10)
    assert not bool(ages.any())
    assert pool.bits.view(torch.float32).flatten().tolist() == list(range(SIZE))
    assert int(pool.filled) == SIZE


@pytest.mark.parametrize("batch", [1, 8])
def test_once_full_half_of_the_images_are_exchanged_for_ones_of_geometric_age(batch: int) -> None:
    count = 16_000
    ages, _ = queried(count, batch)
    ages = ages[count // 4 :]  # long after the first fill
    # An image enters with chance 1/2 and then leaves with chance 1/(2 size) each time:
    # P(age 0) = 1/2, P(age a) = 1/2 * 1/(2 size) * (1 - 1/(2 size))^(a-1).
    old = ages[ages > 0].double()
    assert abs(len(old) / len(ages) - 0.5) < 4 * math.sqrt(0.25 / len(ages))
    assert abs(float(old.mean()) / (2 * SIZE) - 1) < 0.08
    for age in (1, 30, 100, 250):
        expected = (1 - 1 / (2 * SIZE)) ** age
        spread = math.sqrt(expected * (1 - expected) / len(old))
        assert abs(float((old > age).double().mean()) - expected) < 6 * spread + 1e-4


def test_a_pool_of_none_shows_every_image_at_once() -> None:
    assert not bool(queried(40, 8, size=0)[0].any())


def test_the_pool_keeps_every_bit_in_its_state() -> None:
    first, second = ImagePool((3, 4, 4), 4), ImagePool((3, 4, 4), 4)
    images = torch.randn(4, 3, 4, 4) * 1e-20
    images[0, 0, 0, 0] = math.nan  # as bits, which averaging would destroy
    first.exchange(images, torch.rand(4, 2))
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.bits.view(torch.float32).nan_to_num(), images.nan_to_num())
    assert not any(buffer.is_floating_point() for buffer in first.buffers())


# --- losses by hand -----------------------------------------------------------------------------------------------

X = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
Y = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1


def by_hand_cycle_gan(identity_weight: float) -> tuple[CycleGAN, dict[str, torch.Tensor]]:
    """G(x) = 2x, F(y) = y/4, D_Y(y) = y + 0.5, D_X(x) = -x; learning rate 0, so that nothing moves."""
    model = CycleGAN(width=4, blocks=1, identity_weight=identity_weight, learning_rate=0.0).prepare((1, 8, 8)).train()
    model.to_y, model.to_x, model.judge_y, model.judge_x = Scale(2.0), Scale(0.25), Scale(1.0, 0.5), Scale(-1.0)
    generators = [*model.to_y.parameters(), *model.to_x.parameters()]
    judges = [*model.judge_y.parameters(), *model.judge_x.parameters()]
    model.optimise("generators", generators, learning_rate=0.0)
    model.optimise("discriminators", judges, learning_rate=0.0)
    return model, model.step((X, Y))


def test_cycle_gan_losses_by_hand() -> None:
    _, losses = by_hand_cycle_gan(0.5)
    expected = {
        "fooling": ((2 * X + 0.5 - 1) ** 2).mean() + ((-Y / 4 - 1) ** 2).mean(),
        "cycle": (0.5 * X - X).abs().mean() + (0.5 * Y - Y).abs().mean(),
        "identity": (2 * Y - Y).abs().mean() + (X / 4 - X).abs().mean(),
        "discriminators": 0.5 * ((Y + 0.5 - 1) ** 2).mean()
        + 0.5 * ((2 * X + 0.5) ** 2).mean()
        + 0.5 * ((-X - 1) ** 2).mean()
        + 0.5 * ((-Y / 4) ** 2).mean(),
    }
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    assert "identity" not in by_hand_cycle_gan(0.0)[1]


def test_cycle_gan_weighs_its_terms_as_published() -> None:
    model, _ = by_hand_cycle_gan(0.5)
    factor = model.to_y.factor
    adversarial = (2 * (2 * X + 0.5 - 1) * X).mean()  # d(D(g x) - 1)² at g = 2
    cycle = -(X.abs() + Y.abs()).mean() / 4  # d|g x/4 - x| and d|g y/4 - y|
    identity = Y.abs().mean()  # d|g y - y|
    assert factor.grad is not None
    torch.testing.assert_close(factor.grad, adversarial + 10 * cycle + 10 * 0.5 * identity)


def test_discriminators_are_shown_earlier_fakes() -> None:
    model, _ = by_hand_cycle_gan(0.0)
    seen: list[torch.Tensor] = []
    model.judge_y.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    model.pool_y, model.pool_x = ImagePool((1, 8, 8), 3), ImagePool((1, 8, 8), 3)
    for step in range(40):
        seen.clear()
        model.step((X + step, Y))
        now, real, shown = seen  # the generator's turn, then the discriminator's
        assert torch.equal(now, 2 * (X + step))
        assert torch.equal(real, Y)
        if step > 0 and not torch.equal(shown, now):
            return
    pytest.fail("the discriminator never saw an earlier image")


def test_a_translation_that_fails_leaves_dropout_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(_: torch.Tensor) -> torch.Tensor:
        raise MemoryError

    model = Pix2Pix(width=4).prepare((1, 8, 8)).eval()
    monkeypatch.setattr(model.generator, "forward", short)
    with pytest.raises(MemoryError):
        model.translate(torch.zeros(2, 1, 8, 8), seed=0)
    assert not any(module.training for module in model.modules())


def test_pix2pix_losses_by_hand() -> None:
    model = Pix2Pix(width=4, learning_rate=0.0).prepare((1, 8, 8)).train()
    model.generator = Scale(0.5)
    model.discriminator = nn.Conv2d(2, 1, 1)  # logit a·x + b·y + c, pixel by pixel
    with torch.no_grad():
        model.discriminator.weight.copy_(torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1))
        model.discriminator.bias.fill_(0.1)
    model.optimise("generator", model.generator.parameters(), learning_rate=0.0)
    model.optimise("discriminator", model.discriminator.parameters(), learning_rate=0.0)
    losses = model.step((X, Y))
    real, fake = X - 2 * Y + 0.1, X - 2 * 0.5 * X + 0.1
    expected = {
        "discriminator": -0.5 * (torch.log(torch.sigmoid(real)).mean() + torch.log(1 - torch.sigmoid(fake)).mean()),
        "fooling": -torch.log(torch.sigmoid(fake)).mean(),
        "l1": (0.5 * X - Y).abs().mean(),
    }
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)

    # The generator's gradient holds the L1 term a hundred times, and no more.
    gradient = (-(1 - torch.sigmoid(fake)) * -2 * X).mean() + 100 * ((0.5 * X - Y).sign() * X).mean()
    assert model.generator.factor.grad is not None
    torch.testing.assert_close(model.generator.factor.grad, gradient)


# --- abilities ----------------------------------------------------------------------------------------------------


def test_pix2pix_answers_the_same_without_a_seed_and_differently_with_seeds() -> None:
    torch.manual_seed(0)
    model = Pix2Pix(target_channels=3, width=8).prepare((2, 16, 16)).eval()
    images = torch.rand(5, 2, 16, 16) * 2 - 1
    state = torch.get_rng_state()
    with torch.no_grad():
        plain = model.translate(images)
        assert plain.shape == (5, 3, 16, 16)
        torch.testing.assert_close(model.translate(images[3:4]), plain[3:4])
        assert torch.equal(model.translate(images, seed=1), model.translate(images, seed=1))
        assert not torch.equal(model.translate(images, seed=1), model.translate(images, seed=2))
        assert torch.equal(model.translate(images), plain)
    assert torch.equal(torch.get_rng_state(), state)


def striped(count: int, seed: int) -> torch.Tensor:
    """Images of soft horizontal stripes with a random phase and wavelength."""
    generator = torch.Generator().manual_seed(seed)
    phase, length = torch.rand(2, count, 1, 1, 1, generator=generator)
    return torch.sin(torch.arange(8.0)[:, None] / (1.2 + length) + 6.3 * phase).expand(-1, 1, 8, 8).contiguous()


def test_pix2pix_learns_to_invert_and_recolour() -> None:
    images = striped(64, 0)
    targets = torch.cat([-images, 0.5 * images], 1)
    model = Pix2Pix(target_channels=2, width=8, dropout=0.0, learning_rate=2e-3)
    model.fit((images, targets), TrainingOptions(budget=Budget(steps=120), batch_size=8))
    unseen = striped(16, 1)
    with torch.no_grad():
        error = (model.translate(unseen) - torch.cat([-unseen, 0.5 * unseen], 1)).abs().mean()
    assert float(error) < 0.12


@pytest.mark.slow
def test_cycle_gan_learns_from_unpaired_sets_to_shift_the_brightness_there_and_back() -> None:
    # X is dark, Y bright; only the sets say so, no pair does.
    dark, bright = 0.4 * striped(64, 0) - 0.5, 0.4 * striped(48, 5) + 0.5
    model = CycleGAN(width=8, blocks=1, learning_rate=2e-3)
    model.fit((dark, bright), TrainingOptions(budget=Budget(steps=120), batch_size=4))
    unseen = 0.4 * striped(16, 1) - 0.5
    with torch.no_grad():
        there = model.translate(unseen)
        back = model.translate_back(there)
    assert abs(float(there.mean()) - 0.5) < 0.15
    assert float((back - unseen).abs().mean()) < 0.12


def test_models_train_on_ready_made_pairs() -> None:
    from hizumi.data import Colour

    coloured = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    model = Pix2Pix(target_channels=3, width=4).fit(
        ReadyMade(coloured, Colour()), TrainingOptions(budget=Budget(steps=2))
    )
    assert model.shape == (1, 8, 8)
    with torch.no_grad():
        assert model.translate(torch.zeros(2, 1, 8, 8)).shape == (2, 3, 8, 8)
