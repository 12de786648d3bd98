"""Reverse distillation's map by hand, and what its student is made of."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from hizumi.detectors import ReverseDistillation
from hizumi.detectors.position_scale import PositionScale
from hizumi.errors import UsageError
from hizumi.objectives import smooth
from hizumi.training import Budget, TrainingOptions

RANDOM = torch.Generator().manual_seed(0)
IMAGES = torch.rand(10, 3, 32, 64, generator=RANDOM) * 2 - 1


def fitted(standardised: bool) -> ReverseDistillation:
    detector = ReverseDistillation(
        levels=(3, 4, 6), embedding=8, widening=1, input_size=None, standardised=standardised, blur=0.6
    )
    return detector.fit(IMAGES, TrainingOptions(budget=Budget(steps=2), batch_size=4))


@torch.no_grad()
def by_hand(detector: ReverseDistillation) -> torch.Tensor:
    """The sum over levels of 1 - cosine, brought to the grid of 4x8 places, blurred."""
    model = detector.model
    maps = model.teacher(IMAGES)
    embedding = model.bottleneck(list(maps.values()))
    assert embedding.shape == (10, 8, 1, 2)  # half of level 6
    differences = [
        1 - cosine_similarity(taught, own, dim=1)
        for taught, own in zip(maps.values(), model.student(embedding), strict=True)
    ]
    finest, finer, coarsest = differences
    finest = finest.unflatten(1, (4, 2)).unflatten(3, (8, 2)).mean((2, 4))
    coarsest = torch.nn.functional.interpolate(coarsest[:, None], (4, 8), mode="bilinear")[:, 0]
    return smooth((finest + finer + coarsest)[:, None], 0.6).flatten(1)


def test_the_score_is_the_largest_of_the_summed_and_blurred_cosine_distances() -> None:
    detector = fitted(standardised=False)
    torch.testing.assert_close(detector.score(IMAGES).image, by_hand(detector).amax(1), rtol=1e-4, atol=1e-5)


def test_standardised_it_is_measured_by_place() -> None:
    detector = fitted(standardised=True)
    scale = PositionScale()
    scale.mean, scale.deviation = detector.scale.mean, detector.scale.deviation
    expected = scale(by_hand(detector)).amax(1)
    torch.testing.assert_close(detector.score(IMAGES).image, expected, rtol=1e-3, atol=1e-3)


def test_training_leaves_the_teacher_alone_and_brings_the_student_nearer() -> None:
    model = ReverseDistillation(levels=(2, 3), embedding=16, widening=1, input_size=None).model
    model.prepare((3, 32, 64)).train()
    teacher = {name: value.clone() for name, value in model.teacher.state_dict().items()}
    losses = [float(model.step(IMAGES)["direction"]) for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]
    assert all(torch.equal(value, teacher[name]) for name, value in model.teacher.state_dict().items())


def test_levels_that_cannot_be_halved_once_more_are_refused() -> None:
    with pytest.raises(UsageError, match="6 is the highest"):
        ReverseDistillation(levels=(4, 7)).fit(IMAGES)
