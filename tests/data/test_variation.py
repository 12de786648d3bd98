"""Declared variation: what changes, by exact routes; that it never touches what is held out; that it resumes."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from hizumi.data.stream import Stream, TensorSource, View, in_order
from hizumi.data.variation import COPIES, DRAWS, Variation, Varied, as_photographed
from hizumi.errors import UsageError

DOWN, RIGHT, ANGLE, LIGHT, MIRROR_X, MIRROR_Y = range(6)


def drawn(**values: float) -> Tensor:
    """Random numbers for one image: the middle of every range, but for those given."""
    draws = torch.full((1, DRAWS), 0.5)
    for name, value in values.items():
        draws[0, globals()[name]] = value
    return draws


def images(height: int = 24, width: int = 32, seed: int = 0) -> Tensor:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 3)
    return torch.from_numpy(smooth / np.abs(smooth).max() * 0.9).float()[None, None]


def test_shifts_and_flips_keep_every_value_and_reflect_at_borders() -> None:
    image = images()
    moved = Variation(shifts=0.25).changed(image, drawn(DOWN=1.0, RIGHT=0.0))  # 6 rows down, 8 columns to the left
    expected = np.pad(image[0, 0].numpy(), 8, mode="symmetric")[8 + 6 : 8 + 6 + 24, 0:32]
    assert torch.allclose(moved[0, 0], torch.from_numpy(expected), atol=1e-5)
    both = Variation(flips="both").changed(image, drawn(MIRROR_X=0.1, MIRROR_Y=0.1))
    assert torch.allclose(both, image.flip(2, 3), atol=1e-5)
    one = Variation(flips="horizontal").changed(image, drawn(MIRROR_X=0.1, MIRROR_Y=0.1))
    assert torch.allclose(one, image.flip(3), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40)])
def test_turns_are_those_of_scipy_and_leave_no_wedge(height: int, width: int) -> None:
    image = images(height, width)
    turned = Variation(turns=20).changed(image, drawn(ANGLE=1.0))[0, 0].numpy()
    expected = ndimage.rotate(image[0, 0].numpy(), 20, reshape=False, order=3, mode="reflect")
    other = ndimage.rotate(image[0, 0].numpy(), -20, reshape=False, order=3, mode="reflect")
    error = min(np.abs(turned - each).max() for each in (expected, other))
    assert error < 0.02
    bright = Variation(turns=180, shifts=0.5).changed(image * 0 + 0.7, torch.rand(1, DRAWS))
    assert torch.allclose(bright, image * 0 + 0.7, atol=1e-6)
    quarter = Variation(turns=90).changed(images(32, 32), drawn(ANGLE=1.0))
    assert min(float((quarter - images(32, 32).rot90(k, (2, 3))).abs().max()) for k in (1, 3)) < 1e-5


def test_light_scales_what_lies_above_the_dark_end_and_saturates_at_the_bright_one() -> None:
    image = torch.tensor([[[[-1.0, 0.0, 0.9]]]])
    brighter = Variation(brightness=0.2).changed(image, drawn(LIGHT=1.0))
    darker = Variation(brightness=0.2).changed(image, drawn(LIGHT=0.0))
    assert torch.allclose(brighter, torch.tensor([-1.0, 0.2, 1.0]))
    assert torch.allclose(darker, torch.tensor([-1.0, -0.2, 0.52]))


def test_each_image_is_itself_once_and_changed_in_copies_and_held_out_ones_never_are() -> None:
    source = TensorSource(torch.cat([images(8, 8, seed) for seed in range(50)]))
    varied = Varied(source, Variation(shifts=0.5))
    passes = torch.cat(list(in_order(varied)))
    assert len(passes) == 50 * (COPIES + 1)
    same = sum(
        bool((one == other).all()) for one, other in zip(passes, source.items.repeat(COPIES + 1, 1, 1, 1), strict=True)
    )
    assert abs(same - 50) < 30  # one of ten, and hardly a shift by nothing at all
    assert (varied.batch(torch.arange(50)) == source.items).all()
    assert as_photographed(varied) is source
    assert (torch.cat(list(in_order(varied))) == passes).all()


def test_the_stream_depends_on_seed_and_step_alone() -> None:
    source = TensorSource(torch.cat([images(8, 8, seed) for seed in range(12)]))
    variation = Variation(shifts=0.2, turns=10, brightness=0.1)
    straight = Stream(Varied(source, variation), 4, seed=3)
    seen = [straight.batch(step) for step in range(8)]
    resumed = Stream(Varied(View(source), variation), 4, seed=3)
    assert all((resumed.batch(step) == seen[step]).all() for step in (5, 6, 7))
    assert not (seen[0] == Stream(source, 4, seed=3).batch(0)).all()
    other = Stream(Varied(source, variation), 4, seed=4)
    assert not (seen[0] == other.batch(0)).all()


@pytest.mark.parametrize("wrong", [{}, {"shifts": 0.7}, {"turns": 181}, {"turns": float("nan")}, {"brightness": -0.1}])
def test_what_cannot_be_declared_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Variation(**wrong)


def test_what_is_assumed_is_said() -> None:
    said = " ".join(Variation(shifts=0.05, turns=180, flips="horizontal", brightness=0.1).assumptions)
    for words in (
        "5% of the image's sides",
        "turned by any angle",
        "mirrored left to right",
        "10% brighter or darker",
    ):
        assert words in said
    assert Variation(turns=5).assumptions == (
        "declared that parts may lie turned by up to 5 degrees: one like this will not be found",
    )
    assert Variation(**asdict(Variation(turns=5))) == Variation(turns=5)
