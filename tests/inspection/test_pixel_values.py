from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from sklearn.base import clone

from hizumi import runtime
from hizumi.cli.options.data import parsed_window
from hizumi.data import open_source
from hizumi.data.levels import Levels, _sample
from hizumi.data.missing import Filling
from hizumi.detectors import GaussianFeatures
from hizumi.errors import DataError, UsageError
from hizumi.export import export
from hizumi.generation import Modeller
from hizumi.inspection import Inspector, load, save
from hizumi.inspection.loaded import restore

COUNT = 24


def measured(low: float, high: float, dtype: type, seed: int = 0) -> np.ndarray:
    """(24, 16, 16) smooth textures with all values from low to high."""
    rng = np.random.default_rng(seed)
    columns = np.linspace(0, np.pi, 16)
    images = np.sin(columns[:, None] + rng.uniform(0, 1, (COUNT, 1, 1))) * np.cos(columns) / 2 + 0.5
    return (low + (high - low) * images).astype(dtype)


def fitted(images: object, **options: object) -> Inspector:
    return Inspector("pca", **options).fit(images)


def findings(inspector: Inspector) -> dict[str, str]:
    return {finding.name: f"{finding.message}; {finding.remedy}" for finding in inspector.findings_}


def test_a_window_hardly_used_is_a_finding_with_the_option_to_give():
    found = findings(fitted(measured(0, 4095, np.uint16)))
    assert "6.2% of the window from 0 to 65535" in found["narrow use of the window"]
    assert "--window auto" in found["narrow use of the window"]
    for images, window in ((measured(0, 255, np.uint8), None), (measured(0, 4095, np.uint16), (0, 4095))):
        assert "narrow use of the window" not in findings(fitted(images, window=window))


@pytest.mark.parametrize(("window", "is_found"), [((300, 400), True), ((0, 40), True), ((60, 255), False)])
def test_pixels_mostly_outside_of_the_window_are_a_finding(window: tuple[int, int], is_found: bool):
    found = findings(fitted(measured(0, 255, np.uint8), window=window))
    assert ("outside of the window" in found) == is_found
    assert not is_found or "--window auto" in found["outside of the window"]


def test_auto_takes_the_window_from_the_training_data_and_keeps_it(tmp_path: Path):
    inspector = fitted(measured(51241, 52181, np.uint16), window="auto")
    window = load(save(inspector, tmp_path / "a.hizumi")).preprocessing_.window
    assert window == inspector.preprocessing_.window
    assert window.low == pytest.approx(51241 - 47, abs=60)
    assert window.high == pytest.approx(52181 + 47, abs=60)
    assert "narrow use of the window" not in findings(inspector)


@pytest.mark.parametrize("window", [None, (0, 255), "auto"])
def test_the_depth_of_most_images_decides_and_not_that_of_the_first(
    window: tuple[int, int] | str | None, tmp_path: Path
):
    for number, image in enumerate(measured(0, 255, np.uint8)):
        deep = number % 4 == 0
        Image.fromarray(image.astype(np.uint16) * 257 if deep else image).save(tmp_path / f"{number:02}.png")
    inspector = fitted(tmp_path, window=window)
    assert inspector.preprocessing_.window.dtype == "uint8"
    assert len(inspector.failures_) == COUNT / 4
    assert "outside of the window" not in findings(inspector)
    options = inspector.options_
    assert options["training_images"] + options["calibration_images"] == COUNT * 3 / 4


@pytest.mark.parametrize(("gap", "is_far"), [(2.5, False), (3.5, True)])
def test_values_are_far_beyond_a_gap_three_times_as_wide_as_most_of_them(gap: float, is_far: bool):
    image = np.arange(1001.0).reshape(7, 143)  # whose middle nine tenths span 900
    image[-1, -1] = 999 + 900 * gap
    levels = Levels.of([image])
    assert (levels.high == 999) == is_far
    assert levels.highest == 999 + 900 * gap


def test_what_is_filled_is_what_was_asked_for():
    image = np.array([[[np.nan], [0.1], [2.0]]], np.float32)
    filled, _ = Filling(nodata=0.1).fill(image, "it")  # which is another number in double precision
    np.testing.assert_array_equal(filled.ravel(), np.float32([np.nan, np.nan, 2]))
    filled, _ = Filling(nan=True).fill(image, "it")
    np.testing.assert_array_equal(filled.ravel(), np.float32([0.1, 0.1, 2]))


def with_gaps(nodata: float) -> np.ndarray:
    images = measured(0, 1, np.float32)
    images[::4, :2] = nodata
    return images


@pytest.mark.parametrize("nodata", [-9999.0, -3.4028234663852886e38])
def test_one_far_value_that_images_share_is_named_and_left_out(nodata: float, tmp_path: Path):
    found = findings(fitted(with_gaps(-9999.0)))
    assert "--nodata=-9999" in found["far values"]
    inspector = fitted(with_gaps(nodata), nodata=nodata)
    assert "far values" not in findings(inspector)
    assert 0 <= inspector.preprocessing_.window.low < inspector.preprocessing_.window.high <= 1
    assert any("filled with the nearest measured value: 5 images" in note for note in inspector.notes_)
    # What is missing in a new image is filled as well: its score is that of the nearest values.
    image = with_gaps(nodata)[:1]
    by_hand = image.copy()
    by_hand[0, :2] = image[0, 2]
    path = save(inspector, tmp_path / "a.hizumi")
    for judge in (inspector, restore(path), load(path)):
        scores = [judge.inspect(each).verdicts[0].score for each in (image, by_hand)]
        assert scores[0] == scores[1]


def test_far_values_outside_of_an_automatic_window_are_named():
    inspector = fitted(with_gaps(-9999.0), window="auto")
    assert inspector.preprocessing_.window.low == pytest.approx(0, abs=0.2)
    assert "--nodata=-9999" in findings(inspector)["far values"]


def test_values_without_a_gap_between_them_are_not_far():
    rng = np.random.default_rng(0)
    sparse = [rng.exponential(10, (32, 32)).astype(np.float32) for _ in range(8)]
    levels = Levels.of(sparse)
    assert levels.far_share == 0
    sparse[0][3, 3] = 65535
    levels = Levels.of(sparse)
    assert (levels.highest, levels.nodata) == (65535, None)
    assert levels.high == max(image[image < 65535].max() for image in sparse)


def of_other_kinds() -> np.ndarray:
    """(24, 16, 16, 4): an 8-bit picture twice, depth, and a channel of one value."""
    colour, depth = measured(0, 255, np.uint16), measured(20_000, 60_000, np.uint16, seed=1)
    return np.stack([colour, measured(0, 255, np.uint16, seed=2), depth, np.full_like(depth, 7)], axis=-1)


def test_channels_of_images_that_are_no_photographs_have_a_window_each(tmp_path: Path):
    images = of_other_kinds()
    for window in (None, "auto"):
        inspector = fitted(images, window=window)
        ranges = inspector.preprocessing_.window.of_channels
        np.testing.assert_allclose(ranges[:3], [(-12, 267)] * 2 + [(18_000, 62_000)], rtol=0.05, atol=2)
        assert ranges[3] == (3.5, 10.5)
        assert not findings(inspector).keys() & {"nearly flat channels", "far values", "narrow use of the window"}
    # As if each had been brought to its range beforehand, in a fit that knows of one for all.
    unit = inspector.preprocessing_.window.to_unit(images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    alike = fitted(unit, window=(-1, 1))
    np.testing.assert_allclose(inspector.score_samples(images), alike.score_samples(unit), rtol=1e-5)
    # In every form in which a bundle is read, and in a graph.
    path, exported = save(inspector, tmp_path / "a.hizumi"), tmp_path / "graph.hizumi"
    export(inspector, exported, images)
    scores = [verdict.score for verdict in inspector.inspect(images)]
    for judge, tolerance in ((restore(path), 0), (load(path), 0), (runtime.load(exported), 1e-4)):
        np.testing.assert_allclose([verdict.score for verdict in judge.inspect(images)], scores, rtol=tolerance)
        assert judge.preprocessing_.window == inspector.preprocessing_.window
    # And back from a model, each in its own units.
    crops = images.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(inspector.preprocessing_.to_data(inspector.preprocessing_.to_model(crops)), images)


def test_channels_that_are_flat_beside_others_are_named_with_the_option_to_give():
    images = of_other_kinds()
    for given in (images, images[..., :3]):
        # Three channels may be a photograph's, whose colours one window keeps.
        options = {"window": (0, 65_535)} if given.shape[3] == 4 else {}
        found = findings(fitted(given, **options))["nearly flat channels"]
        assert f"of {given.shape[3]} channels, 1, 2 use at most 0.4% of the window from 0 to 65535" in found
        option = parsed_window(found.rpartition("--window=")[2])
        assert len(option) == given.shape[3]
        again = fitted(given, window=option)
        assert again.preprocessing_.window.of_channels == tuple(option)
        assert "nearly flat channels" not in findings(again)
    scaled = np.stack([measured(0, 65535, np.uint16, seed) for seed in (0, 1, 2)], axis=-1)
    inspector = fitted(scaled)
    assert inspector.preprocessing_.window.of_channels == ()
    assert "nearly flat channels" not in findings(inspector)


@pytest.mark.parametrize(("channels", "is_told"), [(1, False), (3, False), (12, False), (13, True)])
def test_a_network_that_sees_means_of_channels_is_a_finding(channels: int, is_told: bool):
    images = np.stack([measured(0, 255, np.uint8, seed) for seed in range(channels)], axis=-1)
    found = findings(Inspector("gaussian_features", preset="small", image_size=16).fit(images))
    assert ("channels averaged" in found) == is_told
    assert not is_told or "means of each 2 neighbouring channels, 7 pictures" in found["channels averaged"]
    assert "channels averaged" not in findings(fitted(images))


def test_three_channels_that_have_windows_of_their_own_are_no_colours_unless_it_is_said():
    images = np.stack([measured(0, 255, np.uint16, seed) for seed in (0, 1, 2)], axis=-1)

    def found(images: np.ndarray, window: object, **settings: object) -> dict[str, str]:
        detector = GaussianFeatures(map_levels=(2, 3), input_size=None, **settings)
        return findings(Inspector(detector, image_size=16, window=window).fit(images))

    of_each = [(0, 255), (0, 255), (0, 300)]
    assert "colours=False" in found(images, of_each)["taken for colours"]
    assert "taken for colours" not in found(images, of_each, colours=False)
    assert "taken for colours" not in found(images, (0, 300))
    assert "taken for colours" not in found(of_other_kinds(), None)


def test_windows_of_channels_are_kept_with_what_was_asked_for(tmp_path: Path):
    window = [(0, 300), (0, 300), (10_000, 65_000), (0, 10)]
    inspector = fitted(of_other_kinds(), window=window)
    kept = load(save(inspector, tmp_path / "a.hizumi"))
    assert kept.get_params()["window"] == tuple(window)
    again = clone(kept).fit(of_other_kinds())
    assert again.preprocessing_.window == inspector.preprocessing_.window
    assert again.preprocessing_.window.of_channels == tuple(window)


def test_what_is_wrong_in_one_channel_is_said_of_that_channel():
    images = of_other_kinds().astype(np.float32)
    images[..., 2] /= 1000
    images[::4, :2, :, 2] = -9999  # no depth was measured there
    found = findings(fitted(images))
    assert found["far values"].startswith("pixels of channel 3 lie from ")
    assert "--nodata=-9999" in found["far values"]
    window = [(0, 255), (300, 400), (20_000, 60_000), (0, 10)]
    found = findings(fitted(of_other_kinds(), window=window))
    assert found["outside of the window"].startswith("pixels of channel 2 lie from 0 to 25")


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ([(0, 255), (0, 4095)], "window has 2 ranges, and the images have 4 channels"),
        ([(0, 255), (0, 1), (9, 3), (0, 1)], "first value must lie below"),
        ((0.0, float("inf")), "it must be a tuple of 2 numbers, a list of tuples of 2 numbers, 'auto'"),
        ([], "give two numbers"),
    ],
)
def test_a_window_that_is_none_is_refused(window: object, message: str):
    with pytest.raises(UsageError, match=message):
        fitted(of_other_kinds(), window=window)


def test_a_window_is_read_from_the_command_line():
    assert parsed_window("0,4095") == (0, 4095)
    assert parsed_window("0,255/-5,5") == [(0, 255), (-5, 5)]
    for wrong in ("0,255/", "0,255/1", "0:255", "low,high"):
        with pytest.raises(UsageError, match="give two numbers, such as 0,4095, or two for each channel"):
            parsed_window(wrong)


@pytest.mark.parametrize("side", [224, 256, 400, 512, 1000])
def test_all_channels_and_columns_are_looked_at(side: int):
    image = np.zeros((side, side, 3), np.uint16)
    image[..., 0], image[..., 1] = 100, 2_000
    image[..., 2] = np.linspace(0, 60_000, side)[:, np.newaxis]
    levels = Levels.of([image])
    assert (levels.low, levels.lowest) == (0, 0)
    assert levels.high == levels.highest > 59_000
    striped = np.zeros((side, side, 1), np.uint16)
    striped[:, 3::20] = 1000  # a twentieth of the pixels
    _, counts = np.unique(_sample(striped), return_counts=True)
    assert counts[1] / counts.sum() == pytest.approx(1 / 20, rel=0.15)


def test_the_reason_is_given_where_no_image_can_be_read(tmp_path: Path):
    images = measured(0, 1, np.float32)
    images[:, 0] = np.nan
    for number, image in enumerate(images):
        tifffile.imwrite(tmp_path / f"{number:02}.tif", image)
    with pytest.raises(DataError, match=r"none of its 19 images can be read; the first is .*NaN.*--fill-nan"):
        fitted(tmp_path)
    inspector = fitted(tmp_path, fill_nan=True)
    window = inspector.preprocessing_.window
    assert (window.low, window.high) == (np.nanmin(images), np.nanmax(images))
    judged = inspector.inspect(tmp_path)
    assert len(judged.verdicts) == COUNT
    images[:, 0] = np.inf
    for number, image in enumerate(images):
        tifffile.imwrite(tmp_path / f"{number:02}.tif", image)
    with pytest.raises(
        DataError, match=r"infinite values.*fit with --nodata, the value .* \(1e38 or -1e38 where it is infinite\)"
    ):
        fitted(tmp_path)
    assert len(fitted(tmp_path, nodata=1e38).inspect(tmp_path).verdicts) == COUNT
    for model in (Modeller("autoencoder", fill_nan=True), Inspector("pca", nodata=3.0)):
        with pytest.raises(UsageError, match="are for images"):
            model.fit(np.random.default_rng(0).normal(size=(20, 3)))


def test_the_tag_of_a_tiff_names_its_nodata(tmp_path: Path):
    for number, image in enumerate(with_gaps(-9999.0)):
        tifffile.imwrite(tmp_path / f"{number:02}.tif", image, extratags=[(42113, "s", 0, "-9999", True)])
    notes = open_source(tmp_path).read(0).notes
    assert notes == ("-9999 is no measurement as the tag GDAL_NODATA says; fit with --nodata=-9999",)
    assert not any("GDAL_NODATA" in note for note in fitted(tmp_path, nodata=-9999.0).notes_)


@pytest.mark.parametrize("seed", range(3))
def test_filling_takes_the_nearest_value_of_the_row_or_the_nearest_row(seed: int):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 100, (7, 9, 2)).astype(np.float32)
    image[rng.random(image.shape) < 0.5] = np.nan
    image[[0, 3], :, 1] = np.nan
    filled, notes = Filling(nan=True).fill(image, "a")
    for row, column, channel in np.ndindex(image.shape):
        plane = image[:, :, channel]
        measured_rows = [r for r in range(7) if not np.isnan(plane[r]).all()]
        its_row = min(measured_rows, key=lambda r: abs(r - row))
        measured_columns = [c for c in range(9) if not np.isnan(plane[its_row, c])]
        assert filled[row, column, channel] == plane[its_row, min(measured_columns, key=lambda c: abs(c - column))]
    assert len(notes) == 1
    with pytest.raises(DataError, match="no pixel with a measurement in channel 0"):
        Filling(nodata=7).fill(np.full((2, 2, 1), 7, np.uint8), "a")


def test_colours_that_the_working_size_averages_away_cost_one_image(tmp_path: Path):
    images = np.repeat(np.repeat(measured(0, 255, np.uint8), 2, 1), 2, 2)
    inspector = fitted(images, image_size=16)
    tints = np.array([[-1, 0, 1], [1, 0, -1]])[np.indices((32, 32)).sum(0) % 2]
    files = [tmp_path / f"{name}.png" for name in ("grey", "rgb", "tinted")]
    Image.fromarray(images[0]).save(files[0])
    Image.fromarray(np.repeat(images[0][..., None], 3, 2)).save(files[1])
    Image.fromarray((100 + tints).astype(np.uint8)).save(files[2])
    found = inspector.inspect(files)
    assert [(Path(each.name).name, each.reason.split(";")[0]) for each in found.failures] == [
        ("tinted.png", "is a colour image, grey was expected")
    ]
    assert [(Path(verdict.name).name, verdict.notes) for verdict in found.verdicts] == [
        ("grey.png", ()),
        ("rgb.png", ("colour image with three equal channels read as grey",)),
    ]
    assert found.verdicts[0].score == found.verdicts[1].score
    assert "colour image with three equal channels read as grey: 1 input" in found.notes
