"""The check of a fit by scratches drawn on good images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from hizumi import Inspector
from hizumi.calibration import Calibration
from hizumi.data import open_source
from hizumi.data.defects import scratched
from hizumi.inspection import load, save
from hizumi.inspection.drawn_scratches import DrawnScratches, drawn_on
from hizumi.inspection.scoring import Scorer
from hizumi.report.words import scratches_found


def pictures(count: int, height: int = 48, width: int = 72, dtype: str = "uint8") -> np.ndarray:
    generator = np.random.default_rng(count)
    levels = {"uint8": 255, "uint16": 65535, "float32": 1.0}[dtype]
    smooth = generator.normal(0.5, 0.03, (count, height, width, 1)) + np.linspace(-0.2, 0.2, width)[:, None]
    return (smooth.clip(0, 1) * levels).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("length", [8, 16])
def test_a_scratch_is_as_long_as_it_says_and_keeps_type_and_limits(dtype: str, length: int) -> None:
    image = pictures(1, dtype=dtype)[0].transpose(2, 0, 1)
    limits = (0.0, {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}[dtype])
    darkest, lightest = np.percentile(image, (1, 99))
    signs = set()
    for seed in range(20):
        drawn = scratched(image, length, limits, np.random.default_rng(seed))
        assert (drawn.dtype, drawn.shape) == (image.dtype, image.shape)
        difference = drawn[0].astype(float) - image[0]
        rows, columns = np.nonzero(np.abs(difference) > 0.1 * (lightest - darkest))
        across = np.stack([rows, columns], 1)[:, None] - np.stack([rows, columns], 1)
        assert length - 3 <= np.hypot(*across.reshape(-1, 2).T).max() <= length + 2
        assert length <= len(rows) <= 4 * length
        np.testing.assert_allclose(np.abs(difference).max(), (lightest - darkest) / 4, rtol=0.02)
        signs.add(np.sign(difference[rows[0], columns[0]]))
        np.testing.assert_array_equal(drawn, scratched(image, length, limits, np.random.default_rng(seed)))
    assert signs == {-1.0, 1.0}


def test_what_has_no_room_above_is_darkened_and_what_has_none_below_is_lightened() -> None:
    halves = np.zeros((1, 40, 80), np.uint8)
    halves[..., 40:] = 255
    for seed in range(20):
        drawn = scratched(halves, 8, (0.0, 255.0), np.random.default_rng(seed))
        assert (drawn[..., :40] >= halves[..., :40]).all()
        assert (drawn[..., 40:] <= halves[..., 40:]).all()
        assert (drawn != halves).any()


def test_in_channels_of_other_kinds_each_is_marked_in_its_own_scale() -> None:
    base = pictures(6, 48, 48, "float32")
    images = np.concatenate([base * 255, 20_000 + 40_000 * base[::-1], base[:, ::-1]], axis=3)
    images = np.concatenate([images, images[..., :1]], axis=3).astype(np.float32)
    fitted = Inspector("pca", image_size=48).fit(images)
    pieces = list(fitted.scorer().reader.pieces(open_source(images)))
    drawn = drawn_on(pieces, 16, scratched, fitted.preprocessing_, len)
    for piece, other in zip(pieces, drawn, strict=True):
        difference = np.abs(other.crops[0] - piece.crops[0])
        marked = difference > 0
        assert 16 <= marked[0].sum() < 150
        np.testing.assert_array_equal(marked, np.broadcast_to(marked[0], marked.shape))
        spans = np.ptp(images, axis=(0, 1, 2))
        shares = difference.max((1, 2)) / spans
        np.testing.assert_allclose(shares, shares[0], rtol=0.02)
        assert 0.1 < shares[0] < 0.3


def test_only_images_and_detectors_that_are_not_trained_are_checked() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 5))
    assert Inspector("mahalanobis").fit(rows).options_["drawn_scratches"] == []
    assert Inspector("pca", image_size=32).fit(pictures(20)).options_["drawn_scratches"] != []


@pytest.mark.parametrize("folds", [None, 4])
def test_each_is_drawn_on_an_image_that_the_detector_has_not_seen(folds: int | None) -> None:
    data = pictures(40)
    inspector = Inspector("pca", image_size=(24, 36), folds=folds, false_alarm_rate=0.2).fit(data)
    record = inspector.options_["drawn_scratches"]
    # 8 pixels of the working size are 16 of the images; of 24 pixels, 16 and 32 leave no room.
    assert [each["pixels"] for each in record] == [16]
    (scores,) = (each["scores"] for each in record)
    assert len(scores) == (8 if folds is None else 32)
    assert np.median(scores) > inspector.calibration_.threshold.value
    again = Inspector("pca", image_size=(24, 36), folds=folds, false_alarm_rate=0.2).fit(data)
    assert again.options_["drawn_scratches"] == record


RAMP = 4  # rows, for an image to use a range, by which contrast goes


@dataclass(frozen=True)
class FirstChanged:
    """Scores an image by where it is no longer plain, below its first rows."""

    def __call__(self, crops: np.ndarray) -> Mapping[str, np.ndarray]:
        return {"score": (crops[:, 0, RAMP:] != 100).reshape(len(crops), -1).argmax(axis=1).astype(np.float64)}


def test_each_image_has_a_scratch_of_its_own_whatever_fold_it_is_in() -> None:
    plain = np.full((30, 64, 64, 1), 100, np.uint8)
    plain[:, :RAMP] = np.linspace(0, 255, 64)[:, np.newaxis]
    reader = Inspector("pca", image_size=64, false_alarm_rate=0.2).fit(pictures(20, 64, 64)).scorer().reader
    scorer, manifest = Scorer(FirstChanged(), reader), open_source(plain)
    by_folds, at_once = DrawnScratches(0), DrawnScratches(0)
    for begin in range(0, 30, 3):
        by_folds.add(scorer, manifest.only(range(begin, begin + 3)), 3)
    at_once.add(scorer, manifest, 30)
    assert by_folds.scores == at_once.scores
    assert min(len(set(scores)) for scores in by_folds.scores.values()) > 25


def test_they_are_counted_against_the_threshold_of_the_day() -> None:
    calibration = Calibration.fit(np.arange(1.0, 101.0), rule="conformal", false_alarm_rate=0.05)
    drawn = [{"pixels": 8, "scores": [1.0, 96.5, 97.0]}, {"pixels": 16, "scores": [99.0, 12.0]}]
    assert scratches_found(drawn, calibration).startswith(
        "As a check, scratches were drawn on 3 good images that it had not learned from: "
        "one 8 pixels long is found in 2, one 16 pixels long is found in 1 of 2."
    )
    given = calibration.with_(threshold=98.0)
    assert "one 8 pixels long is found in 0, one 16 pixels long is found in 1 of 2." in scratches_found(drawn, given)
    assert scratches_found([], calibration) == ""


def test_the_rate_is_named_at_which_most_would_be_found() -> None:
    scores = np.append(np.arange(1.0, 199.0), [500.0, 900.0])  # two good images far above the others set 1%
    calibration = Calibration.fit(scores, rule="conformal", false_alarm_rate=0.01)
    lengths = {8: [1.0, 2.0, 3.0], 16: [400.0, 300.0, 200.0], 32: [400.0, 300.0, 3.0], 64: [400.0, 3.0]}
    drawn = [{"pixels": length, "scores": scores} for length, scores in lengths.items()]
    assert scratches_found(drawn, calibration).endswith(
        "find. With --false-alarm-rate 0.02, one 32 pixels long would be found in 2."
    )
    for silent in (
        calibration.with_(false_alarm_rate=0.02),  # most are found
        calibration.with_(threshold=600.0),  # no rate is in use
        Calibration.fit(np.arange(500.0, 600.0), rule="conformal", false_alarm_rate=0.01),  # at no rate
    ):
        assert scratches_found(drawn, silent).endswith("harder to find.")


def test_bundles_keep_them(tmp_path: object) -> None:
    inspector = Inspector("pca", image_size=32).fit(pictures(20))
    again = load(save(inspector, f"{tmp_path}/parts.hizumi"))
    assert again.options_["drawn_scratches"] == inspector.options_["drawn_scratches"]
