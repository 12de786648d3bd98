"""The window, channels and sizes: checked by arithmetic on every level, by identities and by closed forms."""

import json

import numpy as np
import pytest

from hizumi.data import Sizing, Window, match_channels, prepare
from hizumi.data.images import as_pixels
from hizumi.errors import DataError, UsageError


@pytest.mark.parametrize(("dtype", "levels"), [(np.uint8, 256), (np.uint16, 65536)])
def test_every_level_keeps_its_own_value(dtype: type, levels: int):
    ramp = np.arange(levels, dtype=dtype)
    unit = Window.of(dtype).to_unit(ramp)
    assert unit.dtype == np.float32
    assert (np.diff(unit) > 0).all()
    np.testing.assert_allclose(unit, np.linspace(-1, 1, levels), atol=2e-7)
    assert unit[0] == -1.0


def test_a_float_window_is_the_range_of_the_images_it_was_fixed_on():
    images = [np.array([[[0.5], [2.0]]], np.float32), np.array([[[-3.0], [1.0]]], np.float32)]
    window = Window.of(images)
    assert (window.low, window.high, window.dtype) == (-3.0, 2.0, "float32")
    np.testing.assert_allclose(window.to_unit(np.array([-3, -0.5, 2, 4.5], np.float32)), [-1, 0, 1, 2], atol=1e-6)


@pytest.mark.parametrize("value", [0.0, -7.5, 1e6])
def test_constant_float_images_map_to_zero(value: float):
    image = np.full((3, 3, 1), value, np.float32)
    np.testing.assert_allclose(Window.of(image).to_unit(image), 0, atol=1e-6)


def test_another_depth_is_refused():
    with pytest.raises(DataError, match="is uint16, and the training images were uint8"):
        Window.of(np.uint8).to_unit(np.zeros((2, 2, 1), np.uint16))
    with pytest.raises(DataError, match=r"^part\.png: the image is uint16"):
        prepare(np.zeros((2, 2, 1), np.uint16), channels=1, window=Window.of(np.uint8), name="part.png")


@pytest.mark.parametrize(("dtype", "name"), [("<i8", "int64"), (">f8", "float64"), ("f2", "float16")])
def test_another_depth_is_named_as_it_was_stored(dtype, name):
    pixels, notes = as_pixels(np.zeros((2, 2), dtype), "part.npy")
    words = rf"^part\.npy: the image is float32 \({name} values kept as float32\), and the training images were uint8"
    with pytest.raises(DataError, match=words):
        prepare(pixels, channels=1, window=Window.of(np.uint8), name="part.npy", notes=("turned", *notes))


def test_a_window_survives_json():
    window = Window.of(np.array([[0.1, 0.7]], np.float32))
    each = Window.of_each([(0.0, 1.0), (-5.0, 7.5)], "float32")
    for one in (window, each):
        assert Window.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    # What earlier versions write, and read.
    assert Window.of(np.uint8).to_dict() == {"low": 0.0, "high": 255.0, "dtype": "uint8"}


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_channels_of_other_kinds_have_a_window_each(dtype: str):
    rng = np.random.default_rng(0)
    ranges = [(0.0, 255.0), (20000.0, 60000.0), (100.0, 101.5)]
    pixels = np.stack([rng.uniform(*each, (2, 6, 7)) for each in ranges], axis=1).astype(dtype)
    window = Window.of_each(ranges, dtype)
    assert (window.low, window.high) == (0, 60000)
    unit = window.to_unit(pixels)
    for channel, each in enumerate(ranges):  # as if each were an image of its own
        alone = Window(*each, dtype)
        np.testing.assert_array_equal(unit[:, channel], alone.to_unit(pixels[:, channel]))
        np.testing.assert_array_equal(unit[0, channel], window.to_unit(pixels[0])[channel])
    back, lost = window.to_pixels(unit)
    assert (back.dtype, lost) == (dtype, 0)
    np.testing.assert_allclose(back, pixels, rtol=1e-6, atol=0.002)
    assert window.ranges(3) == tuple(ranges)
    assert Window.of(np.uint8).ranges(3) == ((0, 255),) * 3
    assert Window.of_each(ranges[:1], dtype) == Window(0.0, 255.0, dtype)


def test_no_window_without_images():
    with pytest.raises(DataError, match="there are no images"):
        Window.of([])
    with pytest.raises(DataError, match="needs the images"):
        Window.of(np.float32)


def test_display_brings_every_8_bit_level_back():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    unit = Window.of(np.uint8).to_unit(prepare(ramp, channels=1, window=Window.of(np.uint8), name="ramp"))
    np.testing.assert_array_equal(Window.to_display(unit[None])[0], np.repeat(ramp, 3, axis=2))
    assert Window.to_display(np.full((1, 3, 1, 1), 9.0, np.float32)).tolist() == [[[[255, 255, 255]]]]
    five = np.linspace(-1, 1, 5, dtype=np.float32).reshape(1, 5, 1, 1)  # five channels are shown by their mean, 0
    assert Window.to_display(five).tolist() == [[[[128, 128, 128]]]]


def test_channels_are_matched_where_nothing_changes():
    grey = np.random.default_rng(0).integers(0, 256, (4, 5, 1), dtype=np.uint8)
    colour, note = match_channels(grey, 3, "a")
    assert note is not None
    for channel in range(3):
        np.testing.assert_array_equal(colour[:, :, channel], grey[:, :, 0])
    back, note = match_channels(colour, 1, "a")
    assert note is not None
    np.testing.assert_array_equal(back, grey)
    assert match_channels(grey, 1, "a") == (grey, None)


def test_channels_are_refused_where_something_would_be_lost():
    colour = np.zeros((2, 2, 3), np.uint8)
    colour[0, 0, 1] = 1
    with pytest.raises(DataError, match=r"^a\.png: is a colour image, grey was expected"):
        match_channels(colour, 1, "a.png")
    with pytest.raises(DataError, match="is a 5-channel image, colour was expected"):
        match_channels(np.zeros((2, 2, 5), np.uint8), 3, "a.png")


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int16", "int32", "uint32", "int64", "float16", "float32", "float64"]
)
def test_arrays_of_any_number_type_keep_their_levels(dtype: str):
    levels = np.array([[0, 1], [1, 0]], dtype) if dtype == "bool" else np.arange(100).reshape(10, 10).astype(dtype)
    pixels, notes = as_pixels(levels, "a")
    assert pixels.dtype == (np.uint8 if dtype == "bool" else np.float32)
    np.testing.assert_array_equal(pixels[:, :, 0], levels * 255 if dtype == "bool" else levels)
    assert bool(notes) == (dtype != "float32")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((2, 2), 2**24 + 1), "beyond"),
        (np.full((2, 2), -(2**63)), "beyond"),
        (np.full((2, 2), 1e39), "infinite values or values too large"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.full((2, 2), 1j), "complex"),
        (np.zeros((2, 2, 2, 2)), "shape"),
        (np.zeros((0, 2)), "shape"),
    ],
)
def test_arrays_that_cannot_be_kept_exactly_are_refused(array: np.ndarray, words: str):
    with pytest.raises(DataError, match=f"^a: .*{words}"):
        as_pixels(array, "a")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_fit_leaves_an_image_of_the_working_size_alone(dtype: type):
    image = (np.random.default_rng(0).random((32, 48, 2)) * 200).astype(dtype)
    for mode in ("resize", "tile"):
        assert Sizing(32, 48, mode).fit(image) is image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_halving_a_size_weighs_neighbours_with_a_triangle(dtype: type, channels: int):
    """Anti-aliased bilinear halving is a triangle of weights (1, 3, 3, 1)/8 along each side, away from the rim."""
    image = (np.random.default_rng(1).random((16, 16, channels)) * 255).astype(dtype)
    half = Sizing(8, 8).fit(image)
    assert half.dtype == dtype
    weights = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    for row, column in ((2, 3), (4, 4), (5, 1)):
        patch = image[2 * row - 1 : 2 * row + 3, 2 * column - 1 : 2 * column + 3].astype(np.float64)
        wanted = (patch * weights[:, :, None]).sum((0, 1))
        wanted = np.rint(wanted) if dtype != np.float32 else wanted
        np.testing.assert_allclose(half[row, column], wanted, atol=1e-3 if dtype == np.float32 else 1)


def test_aspect_is_kept_and_the_rest_is_padded_with_the_edge():
    image = np.zeros((50, 100, 1), np.uint8)
    image[:, 50:] = 200  # a vertical edge in the middle must stay in the middle
    image[20:30, 45:55] = 100
    fitted = Sizing(64, 64).fit(image)
    assert fitted.shape == (64, 64, 1)
    np.testing.assert_array_equal(fitted[:17, 40:, 0], 200)  # padded above with the top row
    np.testing.assert_array_equal(fitted[48:, :24, 0], 0)
    rows = np.flatnonzero(fitted[:, 32, 0] == 100)
    assert abs(rows.mean() - 31.5) < 0.6  # the square's middle is the image's middle
    assert 5 <= len(rows) <= 7  # 10 rows x 0.64


def test_thin_stripes_do_not_alias():
    stripes = np.zeros((512, 512, 1), np.float32)
    stripes[:, ::2] = 1
    np.testing.assert_allclose(Sizing(64, 64).fit(stripes), 0.5, atol=0.02)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 100), (200, 90), (33, 7), (1, 400)])
def test_a_map_comes_back_to_where_the_image_was(height: int, width: int):
    """A smooth image sent to the working size and back as a map is itself again."""
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = (np.sin(rows / max(height, 8) * 3) + np.cos(columns / max(width, 8) * 3)).astype(np.float32)
    sizing = Sizing(64, 64)
    restored = sizing.restore_map(sizing.fit(smooth[:, :, None])[:, :, 0], height, width)
    assert restored.shape == (height, width)
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, smooth, atol=0.1)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 64), (100, 300), (10, 200), (17, 9), (129, 128)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_tiles_cover_and_stitch_back_to_the_image(height: int, width: int, overlap: float):
    sizing = Sizing(32, 64, "tile", overlap)
    image = np.random.default_rng(0).random((height, width, 1)).astype(np.float32)
    fitted = sizing.fit(image)
    tiles = sizing.tiles(height, width)
    assert len(set(tiles)) == len(tiles)
    covered = np.zeros(fitted.shape[:2], int)
    for top, left in tiles:
        assert 0 <= top <= fitted.shape[0] - 32
        assert 0 <= left <= fitted.shape[1] - 64
        covered[top : top + 32, left : left + 64] += 1
    assert covered.min() >= 1
    maps = np.stack([fitted[top : top + 32, left : left + 64, 0] for top, left in tiles])
    np.testing.assert_allclose(sizing.stitch(maps, tiles, height, width), image[:, :, 0], atol=1e-5)


def test_neighbouring_tiles_share_at_least_the_overlap():
    tops = sorted({top for top, _ in Sizing(32, 32, "tile", 0.5).tiles(333, 32)})
    assert max(np.diff(tops)) <= 16
    assert tops[0] == 0
    assert tops[-1] == 333 - 32


def test_stitching_is_smooth_where_tiles_disagree():
    sizing = Sizing(32, 32, "tile", 0.5)
    tiles = sizing.tiles(32, 48)
    assert tiles == ((0, 0), (0, 16))
    maps = np.stack([np.zeros((32, 32), np.float32), np.ones((32, 32), np.float32)])
    row = sizing.stitch(maps, tiles, 32, 48)[16]
    assert (np.diff(row) >= -1e-6).all()
    assert np.diff(row).max() < 0.12
    assert row[0] == 0
    assert row[-1] == 1


@pytest.mark.parametrize("options", [(0, 5), (5, -1), (5, 5, "tile", 1.0)])
def test_sizes_that_make_no_sense(options: tuple):
    with pytest.raises(UsageError, match=r"image size|overlap"):
        Sizing(*options)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pixels_come_back_from_the_unit_range(dtype: type) -> None:
    pixels = np.arange(256).astype(dtype).reshape(1, 16, 16, 1)
    window = Window(10.0, 4095.0, np.dtype(dtype).name)
    back, lost = window.to_pixels(window.to_unit(pixels))
    np.testing.assert_allclose(back, pixels, atol=0 if np.dtype(dtype).kind == "u" else 1e-3)
    assert back.dtype == dtype
    assert lost == 0


def test_values_that_a_type_cannot_hold_are_counted() -> None:
    unit = np.array([-1.5, -1.0, 0.0, 1.0, 1.001, 1.2], dtype=np.float32)
    pixels, lost = Window.of(np.uint8).to_pixels(unit)
    assert pixels.tolist() == [0, 0, 128, 255, 255, 255]
    assert lost == pytest.approx(2 / 6)
    assert Window.of(np.uint16).to_pixels(unit[:4] * 0.5)[1] == 0
