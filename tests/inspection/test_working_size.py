from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.data import Sizing
from hizumi.errors import DataError
from hizumi.inspection import Inspector, load, save


@pytest.mark.parametrize(
    ("height", "width", "working_size", "expected"),
    [
        (64, 64, 64, (64, 64)),
        (256, 256, 64, (64, 64)),
        (500, 1260, 64, (40, 102)),
        (1260, 500, 224, (356, 141)),
        (40, 96, 64, (40, 96)),  # fewer pixels than 64x64
        (3, 1000, 64, (3, 1000)),
        (10, 100_000, 64, (4, 40_000)),
    ],
)
def test_the_number_of_pixels_is_bounded(height: int, width: int, working_size: int, expected: tuple[int, int]):
    sizing = Sizing.by_pixels(height, width, working_size)
    assert (sizing.height, sizing.width) == expected


@pytest.mark.parametrize(
    ("height", "width", "side", "expected"),
    [
        (448, 448, 224, (224, 224)),
        (500, 1260, 224, (224, 564)),
        (1260, 500, 320, (806, 320)),
        (100, 400, 224, (100, 400)),  # below the side
        (1000, 9000, 224, (149, 1344)),  # 224 x 896 pixels
    ],
)
def test_the_shorter_side_is_bounded(height: int, width: int, side: int, expected: tuple[int, int]):
    sizing = Sizing.by_shorter_side(height, width, side)
    assert (sizing.height, sizing.width) == expected


def noise(folder: Path, size: tuple[int, int], count: int = 10) -> Path:
    folder.mkdir()
    for seed in range(count):
        pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return folder


def test_much_shrinking_is_said_with_the_options_that_avoid_it(tmp_path: Path):
    wide = noise(tmp_path / "wide", (100, 252))
    [note] = [note for note in Inspector("pca").fit(wide).notes_ if "shrunk" in note]
    assert note.startswith("shrunk 5 times to 51x20 pixels, so that defects of less than about 10 pixels may be lost")
    assert "--tiles" in note
    assert "--image-size" in note
    assert note.endswith(": 8 images")
    for options in ({"image_size": (50, 126)}, {"image_size": 32, "sizing": "tile"}):
        assert not [note for note in Inspector("pca", **options).fit(wide).notes_ if "shrunk" in note]


def test_the_usual_size_decides_and_not_that_of_the_first_image(tmp_path: Path):
    folder = noise(tmp_path / "parts", (60, 80))
    for name, size in (("0.png", (20, 20)), ("3.png", (80, 60))):  # a thumbnail, and one on its side
        Image.fromarray(np.zeros(size, dtype=np.uint8)).save(folder / name)
    inspector = Inspector("gaussian_features", calibration_share=0.2).fit(folder)
    assert (inspector.preprocessing_.sizing.height, inspector.preprocessing_.sizing.width) == (60, 80)


def test_images_too_small_for_a_network_are_named_at_their_real_size(tmp_path: Path):
    thin = noise(tmp_path / "thin", (3, 1000))
    with pytest.raises(DataError, match=r"1000x3 pixels are too small: .* --image-size"):
        Inspector("ganomaly", preset="fast").fit(thin)


def test_the_limit_of_pixels_can_be_raised_and_is_kept(tmp_path: Path):
    folder = noise(tmp_path / "large", (40, 50))
    with pytest.raises(DataError, match=r"50x40 pixels, more than the limit of 1,000; .* --pixel-limit 2000"):
        Inspector("pca", pixel_limit=1000).fit(folder)
    inspector = load(save(Inspector("pca", pixel_limit=2000).fit(folder), tmp_path / "a.hizumi"))
    assert inspector.preprocessing_.pixel_limit == 2000
    larger = noise(tmp_path / "larger", (40, 51))
    assert [failure.name for failure in inspector.inspect(larger).failures] == [f"{n}.png" for n in range(10)]
