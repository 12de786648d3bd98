"""New images are told from those learned from by how they look, and normal variation is not accused."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

from hizumi.data import Window, open_source
from hizumi.data.appearance import Appearance, Within, look_of
from hizumi.data.region import Region

WINDOW = Window(0, 255, "uint8")


def photographs(count: int, seed: int) -> list[Image.Image]:
    """Parts under light that varies by a tenth, in focus, with the noise of a sensor."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        part = ndimage.gaussian_filter(generator.normal(size=(72, 88)), 2.5)
        light = generator.uniform(0.95, 1.05)
        pixels = light * (120 + 300 * part) + generator.normal(0, 2.5, part.shape)
        found.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    return found


def saved(folder: Path, images: list[Image.Image], suffix: str = ".png", **options: int) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number:03d}{suffix}", **options)
    return folder


def as_jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=20)
    return Image.open(file)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Appearance:
    folder = saved(tmp_path_factory.mktemp("appearance") / "good", photographs(50, seed=0))
    found = Appearance.of(open_source(folder), WINDOW)
    assert found is not None
    assert Appearance.from_dict(found.to_dict()) == found
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: image.point(lambda value: 0.85 * value), "darker (39.6% of the window"),
        (lambda image: image.filter(ImageFilter.GaussianBlur(1.5)), "less sharp"),
        (lambda image: image.crop((0, 0, 80, 72)), "of another size (most are 80x72 pixels)"),
        (as_jpeg, "more strongly compressed"),
    ],
)
def test_what_changed_is_named(
    change: Callable[[Image.Image], Image.Image], words: str, learned: Appearance, tmp_path: Path
) -> None:
    new = photographs(20, seed=1)
    assert learned.differences(open_source(saved(tmp_path / "same", new)), WINDOW) == ()
    found = learned.differences(open_source(saved(tmp_path / "changed", [change(image) for image in new])), WINDOW)
    assert any(words in each for each in found), found


def test_file_types_are_told_apart_by_ending_and_two_spellings_are_one(learned: Appearance, tmp_path: Path) -> None:
    new = photographs(6, seed=2)
    jpeg = saved(tmp_path / "jpeg", new, ".jpg", quality=98)
    assert ".jpg files (not .png)" in learned.differences(open_source(jpeg), WINDOW)
    of_jpeg = Appearance.of(open_source(jpeg), WINDOW)
    assert of_jpeg is not None
    spelt = of_jpeg.differences(open_source(saved(tmp_path / "spelt", new, ".JPEG", quality=98)), WINDOW)
    assert not any("files" in each for each in spelt)


def test_images_drawn_like_those_learned_from_are_not_accused(tmp_path: Path) -> None:
    images = np.stack([np.asarray(image)[..., np.newaxis] for image in photographs(120, seed=3)])
    generator = np.random.default_rng(0)
    accused = 0
    for _ in range(60):
        order = generator.permutation(len(images))
        learned = Appearance.of(open_source(images[order[:24]]), WINDOW)
        assert learned is not None
        new = open_source(images[order[24 : 24 + generator.integers(3, 40)]])
        accused += bool(learned.differences(new, WINDOW))
    assert accused == 0


def test_images_of_most_different_sizes_have_the_form_of_one_another(tmp_path: Path) -> None:
    sizes = [(side, side) for side in range(40, 600, 14)] + [(40, 560), (560, 40)]
    parts = [Image.fromarray(np.full(size, 128, dtype=np.uint8)) for size in sizes]
    found = Appearance.of(open_source(saved(tmp_path / "sizes", parts)), WINDOW)
    assert found is not None
    for height, width in sizes:
        found.refuse_other_form(height, width)


def test_too_few_images_and_rows_say_nothing(learned: Appearance) -> None:
    dark = np.zeros((2, 72, 88, 1), dtype=np.uint8)
    assert learned.differences(open_source(dark), WINDOW) == ()
    assert Appearance.of(open_source(dark), WINDOW) is None
    assert Appearance.of(open_source(np.zeros((50, 4))), None) is None


def test_measures_of_a_ramp_by_hand() -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8), (64, 64))[..., np.newaxis]
    look = look_of(ramp, Window(0, 63, "uint8"), Path("ramp.TIFF"))
    assert look.brightness == pytest.approx(0.5)
    assert look.contrast == pytest.approx(57 / 63)  # quantiles of 64 levels
    assert look.blocks == pytest.approx(0)  # steps of one everywhere
    assert look.sharpness < -6  # no second differences at all
    assert (look.height, look.width, look.file_type) == (64, 64, ".tif")


def test_channels_with_ranges_of_their_own_weigh_alike() -> None:
    generator = np.random.default_rng(3)
    unit = ndimage.gaussian_filter(generator.normal(size=(64, 80, 4)), (2, 2, 0)).clip(-1, 1).astype(np.float32)
    ranges = [(0.0, 255.0), (20_000.0, 60_000.0), (-1.0, 1.0), (5.0, 6.0)]
    low, high = np.array(ranges).T
    pixels = ((unit + 1) / 2 * (high - low) + low).astype(np.float32)
    found = look_of(pixels, Window.of_each(ranges, "float32"), 0)
    expected = look_of(unit, Window(-1.0, 1.0, "float32"), 0)
    for one, other in zip(found, expected, strict=True):
        assert one == (other if other is None or isinstance(other, str) else pytest.approx(other, abs=2e-4))


def test_an_image_with_values_as_large_as_there_are_has_no_look() -> None:
    pixels = np.random.default_rng(0).normal(5, 1, (32, 32, 1)).astype(np.float32)
    pixels[:4, :4] = -3.4e38
    assert not look_of(pixels, Window(-3.4e38, 9, "float32"), 0).is_finite


def test_noise_and_colour_by_closed_form() -> None:
    generator = np.random.default_rng(0)
    window = Window(0, 1, "float32")
    flats = np.float32(0.5) + generator.normal(0, 4 / 255, (20, 512, 512, 1)).astype(np.float32)
    assert np.mean([2 ** look_of(flat, window, 0).noise for flat in flats]) == pytest.approx(4, rel=0.02)
    look = look_of(flats[0], window, 0)
    assert (look.warmth, look.tint) == (None, None)
    colour = np.broadcast_to(np.float32([0.8, 0.4, 0.2]), (64, 64, 3))
    look = look_of(colour, window, 0)
    assert look.warmth == pytest.approx(2, abs=1e-3)  # red is four times blue
    assert look.tint == pytest.approx(0, abs=1e-3)  # green is their geometric mean


def test_a_bundle_of_an_earlier_version_says_nothing_of_spreads(learned: Appearance) -> None:
    plain = learned.to_dict()
    assert set(learned.spreads) == {"brightness", "contrast", "sharpness", "blocks", "noise"}  # no colour in grey
    del plain["spreads"]
    earlier = Appearance.from_dict(plain)
    assert (earlier.ranges, earlier.spreads) == (learned.ranges, {})


def test_a_lamp_that_dims_is_seen_inside_a_small_region(tmp_path: Path) -> None:
    good = photographs(40, seed=3)
    mask = np.zeros((72, 88), dtype=bool)
    mask[20:52, 30:60] = True
    region = Region.of(mask).learned(np.asarray(image)[..., np.newaxis] for image in good)
    learned = Appearance.of(open_source(saved(tmp_path / "good", good)), WINDOW, region)
    assert learned is not None
    assert learned.differences(open_source(saved(tmp_path / "same", photographs(40, seed=4))), WINDOW, region) == ()
    dimmed = [image.point(lambda value: 0.85 * value) for image in photographs(40, seed=4)]
    (found,) = learned.differences(open_source(saved(tmp_path / "dimmed", dimmed)), WINDOW, region)
    assert found.startswith("darker")
    # By hand: the frame from the beginning of a block of JPEG, with one colour where nothing is looked at.
    pixels = np.asarray(good[0])[..., np.newaxis]
    by_hand = look_of(region.look(pixels, "it").pixels[16:52, 24:60], WINDOW, 0)._replace(height=72, width=88)
    assert Within(region).look(pixels, "it", WINDOW, 0) == by_hand
    whole = Within(region, framed=False).look(pixels, "it", WINDOW, 0)  # of a bundle of an earlier version
    assert whole == look_of(region.look(pixels, "it").pixels, WINDOW, 0)
    plain = learned.to_dict()
    del plain["framed"]
    assert not Appearance.from_dict(plain).framed
