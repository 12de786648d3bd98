"""Gradient accumulation: several small batches make the step of one large batch."""

import copy
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from hizumi.errors import DataError, UsageError
from hizumi.models import DCGAN, Autoencoder, PixelCNN
from hizumi.training import Budget, Card, Trainable, TrainingOptions, WeightAverage, linear_to_zero
from hizumi.training.loop import fit

VECTORS = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
IMAGES = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
LARGE, SMALL = {"batch_size": 16}, {"batch_size": 8, "accumulation": 2}


def trained(model: Trainable, data: Tensor, steps: int, options: dict[str, Any]) -> dict[str, Tensor]:
    fit([model], data, TrainingOptions(budget=Budget(steps=steps), **options))
    return model.state_dict()


class Game(Trainable):
    """A critic and a generator of vectors, whose codes are the first two numbers of each item.

    The generator moves after every `critic_steps` steps, before the critic or after it.
    """

    card: ClassVar[Card] = Card(family="test", idea="a game", paper="none")
    default_budget: ClassVar[Budget] = Budget(steps=6)

    def __init__(self, generator_first: bool = True, critic_steps: int = 2) -> None:
        super().__init__()
        self.generator_first = generator_first
        self.critic_steps = critic_steps

    def build(self, shape: tuple[int, ...]) -> None:
        self.generator = nn.Linear(2, *shape)
        self.critic = nn.Sequential(nn.Linear(*shape, 8), nn.Tanh(), nn.Linear(8, 1))
        self.average = WeightAverage(self.generator, 0.9)
        for name, network in (("generator", self.generator), ("critic", self.critic)):
            self.optimise(
                name,
                network.parameters(),
                kind="sgd",
                learning_rate=0.1,
                momentum=0.5,
                schedule=linear_to_zero(0.2),
                clip_norm=0.5,
            )

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        losses = {}
        moves = (self.steps_done + 1) % self.critic_steps == 0
        fake = self.generator(batch[:, :2])
        shown = fake.detach()
        if moves and self.generator_first:
            losses["generator"] = self.update("generator", -self.critic(fake).mean())
        losses["critic"] = self.update("critic", self.critic(shown).mean() - self.critic(batch).mean())
        if moves and not self.generator_first:
            losses["generator"] = self.update("generator", -self.critic(fake).mean())
        if moves:
            self.average.follow(self.generator, self.clock)
        return losses


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: Autoencoder(code=2), VECTORS),
        (lambda: PixelCNN(levels=4, width=4, blocks=1), IMAGES),
        (Game, VECTORS),
        (lambda: Game(critic_steps=3), VECTORS),
    ],
    ids=["autoencoder", "with a running average", "game", "game of three"],
)
def test_two_small_batches_are_one_large_batch(make: Any, data: Tensor) -> None:
    large, small = trained(make(), data, 6, LARGE), trained(make(), data, 6, SMALL)
    for key, value in large.items():
        torch.testing.assert_close(small[key], value, rtol=1e-3, atol=2e-5)


def test_the_journal_holds_mean_losses_of_whole_steps() -> None:
    records = [
        fit([Game()], VECTORS, TrainingOptions(budget=Budget(steps=6), **options)).records for options in (LARGE, SMALL)
    ]
    for one, other in zip(*records, strict=True):
        assert (one["step"], one["images_seen"]) == (other["step"], other["images_seen"])
        assert one["losses"] == pytest.approx(other["losses"], rel=1e-4, abs=1e-5)


def test_a_generator_that_moves_second_meets_the_new_critic_in_the_last_batch_only() -> None:
    model = Game(generator_first=False, critic_steps=1).prepare((5,)).train()
    model.clock.accumulation = 2
    started = copy.deepcopy(model.generator)
    critics = [copy.deepcopy(model.critic)]
    halves = VECTORS[:16].split(8)
    for model.clock.batch, half in enumerate(halves):
        model.step(half)
    critics.append(model.critic)

    judged = [-critic(started(half[:, :2])).mean() for critic, half in zip(critics, halves, strict=True)]
    gradients = torch.autograd.grad(sum(judged) / 2, list(started.parameters()))
    shortened = min(1.0, 0.5 / float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
    for ended, start, gradient in zip(model.generator.parameters(), started.parameters(), gradients, strict=True):
        torch.testing.assert_close(ended, start - 0.1 * shortened * gradient)


def test_every_optimiser_steps_as_often_as_without() -> None:
    class Twice(Trainable):
        """One optimiser that moves once in a step, and one that moves twice."""

        card: ClassVar[Card] = Game.card
        default_budget: ClassVar[Budget] = Game.default_budget

        def build(self, shape: tuple[int, ...]) -> None:
            self.once, self.twice = nn.Linear(*shape, 1), nn.Linear(*shape, 1)
            self.optimise("once", self.once.parameters(), learning_rate=0.1)
            self.optimise("twice", self.twice.parameters(), learning_rate=0.1)

        def step(self, batch: Tensor) -> dict[str, Tensor]:
            self.update("once", self.once(batch).mean())
            self.update("twice", self.twice(batch).mean())
            return {"twice": self.update("twice", self.twice(batch).mean())}

    for accumulation in (1, 2, 3):
        model = Twice()
        trained(model, VECTORS, 4, {"batch_size": 4, "accumulation": accumulation})
        taken = {name: [int(state["step"]) for state in each.state.values()] for name, each in model.optimisers.items()}
        assert taken == {"once": [4, 4], "twice": [8, 8]}


def test_gradients_of_a_step_that_breaks_off_are_not_kept() -> None:
    class Stops(Game):
        """A generator that does not move in the last batch of a step."""

        def step(self, batch: Tensor) -> dict[str, Tensor]:
            loss = -self.critic(self.generator(batch[:, :2])).mean()
            return {"generator": loss.detach() if self.clock.in_last_batch else self.update("generator", loss)}

    model = Stops()
    trained(model, VECTORS, 3, SMALL)
    assert not model.optimisers["generator"].state


def test_epochs_and_images_are_counted_in_steps() -> None:
    options = TrainingOptions(budget=Budget(epochs=2), batch_size=4, accumulation=3)  # 40 items: 3 steps an epoch
    rates: list[float] = []
    model = Game()
    records = fit(
        [model], VECTORS, options, observe=lambda _: rates.append(model.optimisers["critic"].param_groups[0]["lr"])
    ).records
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert [record["images_seen"] for record in records] == [12, 24, 36, 48, 60, 72]
    assert rates == [0.1 * min(1.0, (1 - step / 6) / 0.8) for step in range(6)]


def test_resumed_run_equals_straight_run(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(record: Any) -> None:
        if record["step"] == 3:
            raise KilledError

    options = TrainingOptions(budget=Budget(steps=6), batch_size=4, accumulation=2, checkpoint_seconds=0.0)
    images = torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    straight, killed, resumed = (DCGAN(width=4, latent=3) for _ in range(3))
    fit([straight], images, options)
    with pytest.raises(KilledError):
        fit([killed], images, options, run_folder=tmp_path, observe=kill)
    fit([resumed], images, options, run_folder=tmp_path)
    expected, found = straight.state_dict(), resumed.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_few_items_make_smaller_batches() -> None:
    model = Game()
    trained(model, VECTORS[:11], 2, {"batch_size": 8, "accumulation": 3})  # three batches of 3
    assert model.images_seen == 18
    with pytest.raises(DataError, match="2 items cannot be divided into 3 batches; lower accumulation"):
        trained(Game(), VECTORS[:2], 2, {"accumulation": 3})


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2", None])
def test_wrong_values_are_refused(value: Any) -> None:
    options = TrainingOptions()
    object.__setattr__(options, "accumulation", value)  # in tests, the constructor also checks types
    with pytest.raises(UsageError, match=f"accumulation is {value!r}; it must be a whole number of at least 1"):
        options.__post_init__()
