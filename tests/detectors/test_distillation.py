"""Distillation's differences by hand, its score from its maps, and its gradient by finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

from hizumi.detectors import Distillation
from hizumi.errors import UsageError
from hizumi.objectives import direction_difference, position_difference, value_difference
from hizumi.training import Budget, TrainingOptions

RANDOM = torch.Generator().manual_seed(0)


def test_differences_by_hand() -> None:
    # Two channels, one row of two positions: as one vector (3, 0, 0, 4) and (0, 0, 0, 2).
    a = torch.tensor([[[[3.0, 0.0]], [[0.0, 4.0]]]])
    b = torch.tensor([[[[0.0, 0.0]], [[0.0, 2.0]]]])
    assert float(value_difference(a, b)) == (9 + 4) / 4
    assert math.isclose(float(direction_difference(a, b)), 1 - (4 * 2) / (5 * 2), rel_tol=1e-6)
    # At the first position b is zero and has no direction; at the second both point the same way.
    by_position = position_difference(a, b, value_weight=0.5)
    torch.testing.assert_close(by_position, torch.tensor([[[[1 + 0.5 * 9 / 2, 0.5 * 4 / 2]]]]))


@pytest.fixture(scope="module")
def fitted() -> tuple[Distillation, torch.Tensor]:
    images = torch.rand(20, 1, 32, 32, generator=RANDOM) * 2 - 1
    detector = Distillation(
        levels=(2, 3, 4), score_levels=(3, 4), width=4, value_weight=0.3, map_kind="gradient", smoothing=0.0
    )
    return detector.fit(images, TrainingOptions(budget=Budget(steps=5), batch_size=8)), images


def test_loss_is_the_sum_over_all_levels_and_the_score_over_the_later(
    fitted: tuple[Distillation, torch.Tensor],
) -> None:
    detector, images = fitted
    with torch.no_grad():
        maps = detector.model.maps(images)
        direction, value = torch.zeros(20), torch.zeros(20)
        for level in (3, 4):
            taught, learned = (one.flatten(1) for one in maps[level])
            direction += 1 - (taught * learned).sum(1) / (taught.norm(dim=1) * learned.norm(dim=1))
            value += (taught - learned).square().mean(1)
    torch.testing.assert_close(detector.score(images).image, direction + 0.3 * value, rtol=1e-4, atol=1e-5)
    shapes = {level: [tuple(one.shape) for one in pair] for level, pair in maps.items()}
    assert all(taught == learned for taught, learned in shapes.values())


def test_teacher_stays_and_student_moves() -> None:
    detector = Distillation(levels=(2, 3), score_levels=(3,), width=4)
    training = detector.model.prepare((1, 32, 32)).train()
    batch = torch.rand(8, 1, 32, 32, generator=RANDOM)
    before = {name: value.clone() for name, value in training.state_dict().items()}
    first = training.step(batch)
    for _ in range(20):
        last = training.step(batch)
    moved = {name for name, value in training.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in moved} == {"student"}
    assert last["direction"] + 0.01 * last["value"] < first["direction"] + 0.01 * first["value"]


def test_map_is_the_gradient_of_the_score(fitted: tuple[Distillation, torch.Tensor]) -> None:
    detector, images = fitted
    image = images[:1].double()
    detector = detector.double()
    with torch.no_grad():
        gradient = detector.gradient(image)
        for row, column in ((0, 0), (7, 20), (31, 13)):
            step = torch.zeros_like(image)
            step[0, 0, row, column] = 1e-6
            numeric = float(detector.score_batch(image + step).image - detector.score_batch(image - step).image) / 2e-6
            assert math.isclose(float(gradient[0, 0, row, column]), abs(numeric), rel_tol=1e-3, abs_tol=1e-7)
    detector.float()


def test_map_of_features_is_their_difference_enlarged(fitted: tuple[Distillation, torch.Tensor]) -> None:
    detector, images = fitted
    shown = Distillation(detector.model, score_levels=(3, 4), map_kind="features", smoothing=0.0)
    with torch.no_grad():
        maps = detector.model.maps(images[:1])
        pixel = shown.score_batch(images[:1]).pixel
    expected = np.zeros((32, 32))
    for level in (3, 4):
        difference = position_difference(*maps[level], 0.3)[0, 0].numpy()
        expected += zoom(difference, 32 / len(difference), order=1, mode="nearest", grid_mode=True)
    assert pixel is not None
    np.testing.assert_allclose(pixel[0, 0].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_score_levels_must_have_been_taught() -> None:
    with pytest.raises(UsageError, match="must be some of levels"):
        Distillation(levels=(2,), score_levels=(3,)).fit(torch.zeros(4, 1, 32, 32))
    with pytest.raises(UsageError, match="numbers from 1 to 9"):
        Distillation(levels=(2, 10), score_levels=(2,)).fit(torch.zeros(4, 1, 32, 32))
