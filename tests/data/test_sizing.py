"""Scaling by Pillow, plane by plane, against torch's."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from hizumi.data import Sizing

SIZES = [((64, 48), (16, 12)), ((37, 53), (16, 23)), ((16, 16), (40, 40)), ((200, 300), (7, 11))]


def in_torch(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    planes = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1))[None]
    return interpolate(planes, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_scaled_as_torch_scales(before: tuple[int, int], after: tuple[int, int], dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*before, 3)).astype(dtype)
    fitted = Sizing(*after).fit(pixels)
    top, left, height, width = Sizing(*after).placed(*before)
    found, expected = fitted[top : top + height, left : left + width], in_torch(pixels, height, width)
    assert found.dtype == dtype
    if np.dtype(dtype).kind == "u":
        exact = np.abs(expected - np.rint(expected)) < 0.499  # else rounding may fall either way
        np.testing.assert_array_equal(found[exact], np.rint(expected)[exact])
    else:
        np.testing.assert_allclose(found, expected, rtol=0, atol=255 * 2e-6)  # torch has its weights in single


def test_a_wide_image_lies_in_the_middle_between_copies_of_its_edges() -> None:
    pixels = np.arange(32, dtype=np.uint8).reshape(4, 8, 1)
    fitted = Sizing(8, 8).fit(pixels)
    np.testing.assert_array_equal(fitted, pixels[[0, 0, 0, 1, 2, 3, 3, 3]])
    np.testing.assert_array_equal(
        Sizing(8, 8).without_padding(fitted[:, :, 0].astype(np.float32), 4, 8), pixels[:, :, 0]
    )


def test_tiles_end_where_the_image_ends_and_weigh_most_in_their_middle() -> None:
    sizing = Sizing(1, 4, mode="tile", overlap=0.5)
    tiles = sizing.tiles(1, 6)
    assert tiles == ((0, 0), (0, 2))
    stitched = sizing.stitch(np.array([np.full((1, 4), 1.0), np.full((1, 4), 3.0)]), tiles, 1, 6)[0]
    outer, inner = np.sin(np.pi / 8) ** 2, np.cos(np.pi / 8) ** 2  # which add up to 1
    expected = [1, 1, inner + 3 * outer, outer + 3 * inner, 3, 3]
    np.testing.assert_allclose(stitched, expected, rtol=1e-5)
