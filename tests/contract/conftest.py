"""Small instances of every class that the registry finds."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
import torch

from hizumi.detectors import Detector
from hizumi.registry import find_detectors, find_models
from hizumi.shapes import is_bounded, is_series
from hizumi.training import Budget, Trainable, TrainingOptions
from hizumi.training.preset import preset_of

CLASSES: dict[str, type[Detector] | type[Trainable]] = {**find_models(), **find_detectors()}
SHAPES = {
    "grey": (1, 32, 32),
    "colour odd": (3, 21, 34),
    "four channels": (4, 24, 32),
    "vectors": (6,),
    "series": (2, 1, 32),
}
MOTION_SHAPES = {"grey with flow": (4, 24, 32), "colour with flow, odd": (6, 21, 34)}


def small(name: str) -> Any:
    """An instance that trains in well under a second a step."""
    return preset_of(CLASSES[name], "small").make()


@pytest.fixture(autouse=True)
def _exempted(request: pytest.FixtureRequest) -> None:
    """Skip a check that the class under test declares it cannot meet."""
    if "name" in request.fixturenames:
        exemptions = CLASSES[request.getfixturevalue("name")].exemptions
        check = request.node.originalname.removeprefix("test_")
        if check in exemptions:
            pytest.skip(exemptions[check])


def items(shape: tuple[int, ...], count: int = 24, seed: int = 0) -> torch.Tensor:
    """Normal data: smooth images in [-1, 1] that vary in a few ways, windows likewise, or correlated vectors."""
    generator = torch.Generator().manual_seed(seed)
    if len(shape) == 1:
        return torch.randn(count, 2, generator=generator) @ torch.randn(
            2, *shape, generator=torch.Generator().manual_seed(9)
        ) + 0.1 * torch.randn(count, *shape, generator=generator)
    channels, height, width = shape
    amplitude, phase = torch.rand(2, count, channels, 1, 1, generator=generator)
    rows, columns = torch.arange(height)[:, None] / 8, torch.arange(width)[None] / 8
    wave = torch.sin(rows + columns + phase) * (0.3 + 0.3 * amplitude)
    noisy = wave + 0.02 * torch.randn(count, *shape, generator=generator)
    return 3 * noisy if is_series(shape) else noisy


def batch_for(found: type[Trainable], shape: tuple[int, ...], count: int = 24, seed: int = 0) -> Any:
    """What a model trains on: items, or items with labels, or with what they turn into."""
    data = items(shape, count, seed)
    if "labels" in found.card.needs:
        return data, torch.arange(count) % 3
    if "pairs" in found.card.needs or "two sets" in found.card.needs:
        return data, -data
    return data


def wrong_for(data: torch.Tensor) -> list[tuple[Any, str]]:
    """What nobody takes in place of these items, with words of the refusal."""
    broken, endless = data.clone(), data.clone()
    broken.view(-1)[-1], endless.view(-1)[0] = float("nan"), float("inf")
    wrong = [
        (data[0], "takes .n, .*not float32 of shape"),
        (data[..., :-1], "takes .n, .*not float32 of shape"),
        (data[:0], "was given no items"),
        (broken, f"was given nan in item {len(data) - 1}"),
        (endless.double().numpy(), "was given inf in item 0"),
        ([["a", "b"]], "takes a tensor or array of numbers"),
        (None, "takes a tensor or array of numbers, not a NoneType"),
        (data.to(torch.complex64), "takes real numbers"),
        (np.ma.masked_less(data.numpy(), float(data.median())), "of which .* numbers are masked"),
    ]
    if not is_bounded(tuple(data.shape[1:])):
        return wrong
    pixels = (data.clamp(-1, 1) + 1) * 127.5
    return [*wrong, (pixels.byte().numpy(), "not uint8.*; scale pixels to"), (pixels, "not values from .*; scale pix")]


def take_steps(model: Trainable, batch: Any, count: int) -> dict[str, torch.Tensor]:
    """Steps through a whole budget, as the loop takes them, and the last losses of each name."""
    losses: dict[str, torch.Tensor] = {}
    for step in range(count):
        model.clock.steps_done, model.clock.progress = step, step / count
        losses |= model.step(batch)
        model.clock.images_seen += 8
    return losses


def options(steps: int = 3, **changes: Any) -> TrainingOptions:
    """A short training."""
    return TrainingOptions(budget=Budget(steps=steps), batch_size=8, **changes)


def shapes_of(found: type[Detector] | type[Trainable]) -> list[tuple[int, ...]]:
    """Shapes that a class says it takes."""
    return list(labelled_shapes(found).values())


def labelled_shapes(found: type[Detector] | type[Trainable]) -> dict[str, tuple[int, ...]]:
    """Shapes that a class says it takes, by the names that tests give them."""
    if "motion" in found.card.needs:
        return MOTION_SHAPES
    kinds = {(1, False): "vectors", (3, True): "images", (3, False): "series"}
    return {label: shape for label, shape in SHAPES.items() if kinds[len(shape), is_bounded(shape)] in found.card.takes}


def cases(classes: dict[str, Any], slow: Collection[str] = ()) -> list[Any]:
    """Every class with every shape it takes, named for the test's report; names and shapes of `slow` wait for those."""
    return [
        pytest.param(
            name, shape, id=f"{name}-{label}", marks=[pytest.mark.slow] if {label, f"{name}-{label}"} & {*slow} else []
        )
        for name, found in classes.items()
        for label, shape in labelled_shapes(found).items()
    ]


def equal_states(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Bit for bit, parameters and buffers."""
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
