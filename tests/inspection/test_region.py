"""Whatever lies outside a region of interest, no score, map or verdict changes: in torch and in exported graphs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hizumi import Inspector, load, save
from hizumi.calibration import Verdict
from hizumi.data.pose import Pose
from hizumi.data.region import Region
from hizumi.data.stream import TensorSource
from hizumi.data.variation import Variation
from hizumi.detectors import GaussianFeatures, NearestFeatures
from hizumi.errors import DataError, UsageError
from hizumi.evaluation import evaluate
from hizumi.inspection.fitting import varied
from hizumi.inspection.verdicts import InspectorBase
from hizumi.report.panels import tiles
from tests.data.test_alignment import part
from tests.data.test_region import disc

HEIGHT, WIDTH = 40, 52
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
ROUND = np.hypot(ROWS - 19, COLUMNS - 24) < 15.5
GREY = GaussianFeatures(map_levels=(1, 2), network="wavelets", input_size=None, channels=8)


def parts(count: int = 30, seed: int = 0) -> np.ndarray:
    """Colour images of waves, which differ in light and noise, (n, h, w, 3)."""
    random = np.random.default_rng(seed)
    waves = np.sin(ROWS / 3 + COLUMNS / 7)[None, :, :, None] * random.uniform(40, 50, (count, 1, 1, 3))
    return (128 + waves + random.normal(0, 4, (count, HEIGHT, WIDTH, 3))).clip(0, 255).astype(np.uint8)


def changed_outside(images: np.ndarray, inside: np.ndarray, seed: int = 1) -> np.ndarray:
    """Every pixel outside replaced by noise, or by other extremes."""
    others = images.copy()
    random = np.random.default_rng(seed)
    others[:, ~inside] = random.integers(0, 256, others[:, ~inside].shape)
    others[1::2, ~inside] = 255
    return others


def assert_equal(first: Verdict, second: Verdict) -> None:
    assert (first.score, first.anomalous, first.p_value) == (second.score, second.anomalous, second.p_value)
    assert (first.terms, first.boxes, first.notes) == (second.terms, second.boxes, second.notes)
    for one, other in ((first.map, second.map), (first.normal, second.normal)):
        assert (one is None and other is None) or np.array_equal(one, other)


CASES: dict[str, dict[str, Any]] = {
    "scaled": {"region": Region.of(ROUND), "image_size": (24, 31)},
    "padded": {"region": Region.of("0.1,0.2,0.7,0.55", "20,15,9,8"), "image_size": 32},
    "in tiles": {"region": Region.of(ROUND), "sizing": "tile", "image_size": 16},
    "at its own size, by folds": {"region": Region.of(ignore=~ROUND), "folds": 3},
    "varied": {"region": Region.of(ROUND), "variation": Variation(shifts=0.1, turns=10)},
}


@pytest.mark.parametrize("case", CASES)
def test_what_lies_outside_changes_nothing(tmp_path: Path, case: str) -> None:
    detector = "pca" if case in ("padded", "in tiles") else GREY
    fitted = Inspector(detector, calibration_share=None if "folds" in case else 0.3, **CASES[case]).fit(parts())
    inspector = load(save(fitted, tmp_path / "a.hizumi"))
    images = parts(6, seed=5)
    images[0, 14:20, 20:26] = 250  # a defect inside
    assert inspector.preprocessing_.region is not None
    inside, _ = inspector.preprocessing_.region.inside(images[0], "a")
    before, after = (fitted.inspect(images), inspector.inspect(changed_outside(images, inside)))
    for first, second in zip(before, after, strict=True):
        assert_equal(first, second)
        assert first.map is not None
        assert np.array_equal(first.inside, inside)
        assert (first.map[~inside] == first.map[inside].min()).all()
        assert all(inside[box.top : box.top + box.height, box.left : box.left + box.width].any() for box in first.boxes)
    assert before[0].anomalous
    again = Inspector(detector, **CASES[case]).set_params(calibration_share=fitted.calibration_share)
    relearned = again.fit(changed_outside(parts(), inside))
    colour = inspector.preprocessing_.region.colour
    assert relearned.preprocessing_.region.colour != colour  # it alone is taken from there


def test_outside_pixels_do_not_train(tmp_path: Path) -> None:
    """With the same colour outside, fits on images that differ there are the same to the bit."""
    train = parts()
    flat = np.where(ROUND[..., None], train, np.median(train[:, ~ROUND], axis=(0, 1)).round().astype(np.uint8))
    plain, flattened = (
        Inspector("pca", region=Region.of(ROUND), calibration_share=0.3, window=window).fit(images)
        for images, window in ((train, "auto"), (flat, "auto"))
    )
    assert plain.preprocessing_.window == flattened.preprocessing_.window
    assert np.array_equal(plain.calibration_.scores, flattened.calibration_.scores)
    assert plain.calibration_.map_range == flattened.calibration_.map_range
    for one, other in zip(plain.detector_.buffers(), flattened.detector_.buffers(), strict=True):
        assert torch.equal(one, other)


def with_object(images: np.ndarray) -> np.ndarray:
    """Something dark lies in a corner, beside the part."""
    others = images.copy()
    others[:, 2:9, 40:50] = 10
    return others


def test_an_object_beside_the_part_alarms_without_a_region_and_not_with_one() -> None:
    for region, alarms in ((None, 10), (Region.of(ROUND), 0)):
        inspector = Inspector(GREY, region=region, calibration_share=0.4).fit(parts(40))
        images = parts(10, seed=3)
        assert sum(verdict.anomalous for verdict in inspector.inspect(with_object(images))) == alarms
        images[:, 16:22, 18:24] = 10  # the same within the region
        assert all(verdict.anomalous for verdict in inspector.inspect(images))


def test_a_foreground_is_judged_wherever_the_part_lies_and_its_background_is_not() -> None:
    random = np.random.default_rng(0)
    centres = random.uniform((85, 110), (115, 150), (40, 2))
    good = np.stack([disc(seed, centre=tuple(centre)) for seed, centre in enumerate(centres)])
    detector = NearestFeatures(levels=(3, 4), input_size=None, memory=200, candidates=2000)
    inspector = Inspector(detector, region=Region.of("auto"), image_size=(50, 65), calibration_share=0.4)
    inspector.fit(good[:32])
    beside = good[32:].copy()
    beside[:, 5:25, 5:30] = 150  # smaller than the part
    chipped = good[32:].copy()
    rows, columns = np.mgrid[:200, :260]
    for image, (row, column) in zip(chipped, centres[32:], strict=True):
        image[np.hypot(rows - row, columns - column - 34) < 16] = 40  # as dark as the background
    scores = [[verdict.score for verdict in inspector.inspect(images)] for images in (good[32:], beside, chipped)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=0.05)
    assert np.median(scores[2]) > 2 * np.median(scores[0])


@pytest.mark.slow
def test_aligned_parts_are_looked_at_where_the_reference_lies(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:90, :120]
    region = Region.of(np.hypot(rows - 45, columns - 60) < 36)
    inspector = Inspector("pca", region=region, align=True, image_size=(30, 40), calibration_share=0.5)
    inspector.fit(np.stack([part(seed=100 + seed) for seed in range(6)]))
    turned = part(Pose(20, 0.02, 0.03), seed=7)
    beside = turned.copy()
    beside[2:12, 2:14] = 250  # in a corner, outside of the region however the part is turned
    plain, other = inspector.inspect(np.stack([turned, beside]))
    assert other.score == pytest.approx(plain.score, rel=0.1)  # poses differ by fractions of a pixel
    assert load(save(inspector, tmp_path / "a.hizumi")).inspect(beside[None])[0].score == other.score
    shown = inspector.inspect(turned[None])[0].inside
    assert shown is not None
    middle = np.argwhere(shown).mean(0)
    np.testing.assert_allclose(middle, [44.5 + 0.02 * 90, 59.5 + 0.03 * 120], atol=1.5)  # it went with the part


def test_shifted_and_turned_copies_stay_within_the_frame() -> None:
    region = Region.of(ROUND)
    fitted = Inspector("pca", region=region, image_size=(HEIGHT, WIDTH), calibration_share=0.3).fit(parts())
    source = torch.from_numpy(fitted.preprocessing_.to_model(parts(8).transpose(0, 3, 1, 2)))
    copies = varied(TensorSource(source), Variation(shifts=0.3, turns=40), fitted.preprocessing_)
    batch = copies.batch(torch.arange(8), torch.Generator().manual_seed(0)).numpy()
    moved = np.abs(batch - source.numpy()).max((1, 2, 3)) > 0.1
    assert moved.sum() >= 6
    learned = fitted.preprocessing_.region
    assert learned is not None
    colour = fitted.preprocessing_.to_model(learned.colour_of(parts(1)[0].transpose(2, 0, 1)))
    assert (batch[moved][:, :, ~ROUND] == colour[:, :, 0]).all()


def test_evaluations_say_which_defects_lie_outside(tmp_path: Path) -> None:
    inspector = Inspector("pca", region=Region.of(ROUND), calibration_share=0.4).fit(parts())
    truth = np.zeros((4, HEIGHT, WIDTH), dtype=bool)
    truth[0, 16:22, 18:24] = truth[1, :4, :4] = truth[2, 16:22, :24] = True  # inside, outside, on the border
    images = parts(4, seed=2)
    images[truth] = 250
    result = evaluate(
        list(inspector.inspect(images)),
        labels=[1, 1, 1, 0],
        kinds=["spot", "spot", "spot", "good"],
        masks=[*truth[:3], None],
        calibration=inspector.calibration_,
    )
    assert "all of those of 1 anomalous image and some of those of 1 anomalous image" in result.image_note
    assert "cannot be found, and count as missed" in result.image_note
    assert result.missed_defects >= 1
    assert result.defective_share == pytest.approx(truth.mean())  # pixels outside are counted


def test_the_border_of_the_region_is_drawn_on_the_input() -> None:
    inspector = Inspector("pca", region=Region.of("0.25,0.25,0.5,0.5"), calibration_share=0.4).fit(parts())
    shown = tiles(inspector.inspect(parts(1))[0], inspector.calibration_)
    assert shown[0].region is not None
    corners = {tuple(point) for line in shown[0].region.tolist() for point in line}
    assert corners == {(13, 10), (39, 10), (13, 30), (39, 30)}
    assert all(tile.region is None for tile in shown[1:])


def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 3))


REFUSED: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "rows": (rows, {"detector": "mahalanobis"}, "--roi .* for images"),
    "frames": (parts, {"motion": True}, "--roi .* for single images"),
    "too small": (parts, {"image_size": 16}, "covers .* pixels at 16x16 pixels, where the detector works"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_region_of_what_has_none_is_refused(case: str) -> None:
    data, arguments, reason = REFUSED[case]
    region = Region.of("0,0,10,7") if case == "too small" else Region.of("0.1,0.1,0.5,0.5")
    with pytest.raises((UsageError, DataError), match=reason):
        Inspector(**({"detector": "reconstruction"} | arguments), region=region).plan(data())


def test_an_image_that_a_mask_does_not_fit_is_named_and_the_others_are_judged(tmp_path: Path) -> None:
    inspector = Inspector("pca", region=Region.of(ROUND), image_size=24, calibration_share=0.4).fit(parts())
    for name, size in (("a", (WIDTH, HEIGHT)), ("tall", (HEIGHT, WIDTH)), ("twice", (2 * WIDTH, 2 * HEIGHT))):
        Image.fromarray(parts(1)[0]).resize(size).save(tmp_path / f"{name}.png")
    inspection = inspector.inspect(tmp_path)
    assert [verdict.name for verdict in inspection] == ["a.png", "twice.png"]
    assert "of another aspect" in inspection.failures[0].reason
    assert any("drawn at 52x40 pixels, was scaled" in note for note in inspection.notes)


def test_without_a_region_nothing_is_kept_of_one() -> None:
    inspector: InspectorBase = Inspector("pca", calibration_share=0.4).fit(parts())
    verdict = inspector.inspect(parts(1))[0]
    assert verdict.inside is None
    assert inspector.preprocessing_.to_dict()["region"] is None
    assert inspector.options_["region"] is None
