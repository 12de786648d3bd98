"""Moving z-score against its definition in NumPy, step by step."""

import numpy as np
import pytest
import torch

from hizumi.detectors import MovingZScore
from hizumi.errors import DataError


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("judged", "count"), [(0.5, 10), (0.25, 5), (0.01, 1)])
def test_scores_are_squared_z_of_the_last_steps(judged: float, count: int) -> None:
    training, new = random(30, 3, 1, 20, seed=0), random(7, 3, 1, 20, seed=1) + 2
    training[:, 1] = 4.0  # never varies: its unit is its own
    new[:, 0, 0, :15] = 1.0  # stands still: the floor
    detector = MovingZScore(judged, floor=0.3).fit(training)
    anomaly = detector.score(new)
    spread = training.numpy().astype(float).std(axis=(0, 2, 3))
    spread[1] = 1
    expected = np.zeros((7, 3, 20))
    for item, channel, step in np.ndindex(expected.shape):
        before = new[item, channel, 0, : 20 - count].numpy().astype(float)
        unit = max(before.std(), 0.3 * spread[channel])
        expected[item, channel, step] = ((new[item, channel, 0, step] - before.mean()) / unit) ** 2
    np.testing.assert_allclose(anomaly.image, expected[..., 20 - count :].mean((1, 2)), rtol=1e-6)
    assert anomaly.pixel is not None
    np.testing.assert_allclose(anomaly.pixel[:, 0, 0], expected.mean(1), rtol=1e-5)
    contributions = detector.contributions(new)
    assert contributions is not None
    assert float(contributions[..., : 20 - count].abs().max()) == 0
    np.testing.assert_allclose(contributions.sum((1, 2, 3)), anomaly.image, rtol=1e-9)


def test_a_spike_at_the_end_stands_out_and_a_new_level_becomes_the_rule() -> None:
    training = random(50, 1, 1, 16, seed=0)
    spike, level = training[:1].clone(), training[:1] + 50
    spike[..., -3] += 8
    detector = MovingZScore().fit(training)
    assert detector.score(spike).image > detector.score(training).image.max()
    torch.testing.assert_close(detector.score(level).image, detector.score(training[:1]).image, rtol=1e-4, atol=0)


def test_too_few_steps_to_judge_by_are_refused() -> None:
    with pytest.raises(DataError, match=r"judged=0.9 leaves fewer than two of a window's 8 steps"):
        MovingZScore(0.9).fit(random(9, 1, 1, 8, seed=0))
