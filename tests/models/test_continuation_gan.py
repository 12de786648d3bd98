"""What is known is kept, and the rest follows from it."""

import math

import pytest
import torch

from hizumi.models import ContinuationGAN
from hizumi.models.continuation_gan import UNTOLD, _lengths
from hizumi.training import Budget, TrainingOptions

STEPS, PERIOD = 32, 16


def sines(count: int, seed: int) -> torch.Tensor:
    """Of any phase, so that the second half of a window follows from the first."""
    phase = 2 * math.pi * torch.rand(count, 1, 1, 1, generator=torch.Generator().manual_seed(seed))
    return math.sqrt(2) * torch.sin(2 * math.pi * torch.arange(STEPS) / PERIOD + phase)


def test_lengths_of_all_kinds_are_told() -> None:
    torch.manual_seed(0)
    lengths = _lengths(torch.zeros(4000, 1, 1, STEPS))
    assert (lengths == 0).float().mean() == pytest.approx(UNTOLD, abs=0.03)
    assert set(lengths.tolist()) == set(range(STEPS))  # never all of it


@torch.no_grad()
def test_the_average_goes_on_where_there_is_one() -> None:
    start = sines(2, seed=0)[..., :8]
    for decay in (0.99, None):
        model = ContinuationGAN(width=4, latent=4, average_decay=decay).prepare((1, 1, STEPS))
        before = model.sample(2), model.continued(start)
        for weight in model.generator.parameters():
            weight.add_(1.0)
        for made, now in zip(before, (model.sample(2), model.continued(start)), strict=True):
            assert torch.equal(made, now) is (decay is not None)


@pytest.mark.slow
def test_the_second_half_of_a_sine_follows_from_the_first() -> None:
    model = ContinuationGAN(width=8, latent=8, learning_rate=1e-3, average_decay=0.95)
    model.fit(sines(1000, seed=0), TrainingOptions(budget=Budget(steps=400), batch_size=32))
    real = sines(200, seed=1)
    half = STEPS // 2
    made = model.continued(real[..., :half], seed=2)
    assert torch.equal(made[..., :half], real[..., :half])

    def agreement(windows: torch.Tensor) -> float:
        pair = torch.stack([windows[..., half:].flatten(), real[..., half:].flatten()])
        return float(torch.corrcoef(pair)[0, 1])

    assert agreement(made) > 0.8
    assert abs(agreement(model.sample(200, seed=2))) < 0.25  # told nothing
    jumps = (made[..., half] - made[..., half - 1]).square().mean().sqrt()
    expected = (real[..., half] - real[..., half - 1]).square().mean().sqrt()
    assert jumps < 2 * expected  # of values that have nothing to do with one another, 2.6 times
