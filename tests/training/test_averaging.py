"""Averaged weights: against a plain loop, and that none keeps the random start of what it follows."""

from typing import Any

import pytest
import torch
from torch import nn

from hizumi.detectors.alad import ALADTraining
from hizumi.models import GAN, VEEGAN, WGAN, WGANGP, AdaGAN, BiGAN, UnrolledGAN
from hizumi.training import Budget, Trainable, TrainingOptions, WeightAverage
from hizumi.training.clock import Clock


def test_warm_up_counts_updates_however_late_they_come() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay=0.9)
    expected = network.weight.item()
    for update in range(100):
        network.weight.data.fill_(float(update))
        decay = min(0.9, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * update
        average.follow(network, Clock(steps_done=10_000 + 100 * update))
    assert next(average.network.parameters()).item() == pytest.approx(expected, rel=1e-5)


def test_batches_before_a_steps_last_do_not_count() -> None:
    network = nn.Linear(1, 1)
    average = WeightAverage(network)
    average.follow(network, Clock(accumulation=2, batch=0))
    assert int(average.updates) == 0
    average.follow(network, Clock(accumulation=2, batch=1))
    assert int(average.updates) == 1


def test_count_is_part_of_the_state_and_may_be_absent_from_earlier_ones() -> None:
    network = nn.Linear(1, 1)
    average, again = WeightAverage(network), WeightAverage(network)
    average.follow(network, Clock())
    again.load_state_dict(average.state_dict())
    assert int(again.updates) == 1
    nested = nn.ModuleList([WeightAverage(network)])
    nested.load_state_dict({key: value for key, value in nested.state_dict().items() if not key.endswith("updates")})


PLAYERS: list[Any] = [
    AdaGAN(generators=3, latent=2),
    ALADTraining(latent=2),
    BiGAN(latent=2),
    GAN(latent=2),
    UnrolledGAN(latent=2),
    VEEGAN(latent=2),
    WGAN(latent=2, long_critic_steps=1),
    WGANGP(latent=2),
]


@pytest.mark.parametrize("model", PLAYERS, ids=lambda model: type(model).__name__)
def test_every_averaged_network_leaves_its_start_behind(model: Trainable) -> None:
    points = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    model.prepare((2,)).train()
    start = {name: value.clone() for name, value in model.named_parameters()}
    for step in range(30):
        model.clock.steps_done, model.clock.progress = step, step / 30
        model.step(points)
    averages = {name: part for name, part in model.named_modules() if isinstance(part, WeightAverage)}
    assert averages
    for name, average in averages.items():
        weights = dict(average.network.named_parameters())
        moved = [not torch.equal(value, start[f"{name}.network.{key}"]) for key, value in weights.items()]
        assert all(moved)


def test_each_stage_of_adagan_starts_its_average_anew() -> None:
    model = AdaGAN(generators=3, latent=2, classifier_share=0.5)
    model.fit(torch.randn(64, 2), TrainingOptions(budget=Budget(steps=30), batch_size=16))
    assert model.average is not None
    assert int(model.average.updates) == 5  # of 10 steps of the last stage, half were the classifier's
