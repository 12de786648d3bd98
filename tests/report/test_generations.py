"""Sheets and animations, pixel by pixel."""

import io

import numpy as np
import pytest
from PIL import Image

from hizumi.errors import UsageError
from hizumi.report.generations import animation_file, picture_file, sheet


def picture(level: int, height: int = 64, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def test_pictures_lie_row_by_row() -> None:
    page = sheet([picture(level) for level in (10, 20, 30, 40, 50)], columns=3)
    assert page.shape == (2 * 66 + 2, 3 * 66 + 2, 3)
    assert [page[34 + 66 * row, 34 + 66 * column, 0] for row in (0, 1) for column in (0, 1, 2)] == [
        10, 20, 30, 40, 50, 255,
    ]  # fmt: skip
    assert (page[:2] == 255).all()
    assert (page[:, 66:68] == 255).all()


def test_small_pictures_are_enlarged_by_whole_steps() -> None:
    small = np.random.default_rng(0).integers(0, 255, (8, 6, 3)).astype(np.uint8)
    page = sheet([small], columns=4)
    assert page.shape == (64 + 4, 48 + 4, 3)
    np.testing.assert_array_equal(page[2:-2:8, 2:-2:8], small)
    np.testing.assert_array_equal(page[9:-2:8, 9:-2:8], small)


def test_pictures_of_other_sizes_stand_in_the_middle() -> None:
    page = sheet([picture(0, 64, 64), picture(9, 32, 20)], columns=2)
    assert (page[18:50, 68 + 22 : 68 + 42] == 9).all()
    assert (page[:, 68:] == 9).sum() == 32 * 20 * 3


def test_files_hold_what_was_drawn() -> None:
    page = sheet([picture(77)], 1)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture_file(page)))), page)
    frames = [picture(level) for level in (0, 100, 200)]
    with Image.open(io.BytesIO(animation_file(frames))) as animation:
        assert animation.n_frames == 4
        assert animation.info["loop"] == 0
        shown = []
        for number in range(4):
            animation.seek(number)
            shown.append(int(np.asarray(animation.convert("RGB")).mean()))
    assert shown == [0, 100, 200, 100]


def test_nothing_makes_no_sheet() -> None:
    with pytest.raises(UsageError, match="at least one picture"):
        sheet([], 3)
