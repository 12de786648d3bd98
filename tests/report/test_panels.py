import io
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.calibration import Box, Calibration, Verdict
from hizumi.data import Sizing
from hizumi.errors import UsageError
from hizumi.report import ReportContent, contact_sheet, inspection_panel, overview, save_map
from hizumi.report.borders import border_of
from hizumi.report.panels import BOX_COLOUR, OUTLINE, distortion, on_fixed_scale, outlined, tiles


def test_scale_is_fixed_by_the_calibration(calibration: Calibration) -> None:
    low, high = calibration.map_range
    values = np.array([[low - 9, low], [calibration.pixel_threshold.value, high + 9]])
    np.testing.assert_allclose(on_fixed_scale(values, calibration), [[0, 0], [0.5, 1]])
    faint = np.array([[low, low + 0.01 * (high - low)]])
    assert on_fixed_scale(faint, calibration).max() == pytest.approx(0.01)  # never stretched to its own maximum


def test_what_was_not_looked_at_is_dark_whatever_is_within(verdicts: list[Verdict], calibration: Calibration) -> None:
    shape = (32, 48)
    inside = np.zeros(shape, dtype=bool)
    inside[8:16, 8:40] = True
    strong = np.full(shape, calibration.map_range[1], dtype=np.float32)
    verdict = replace(verdicts[0], picture=None, normal=None, map=strong, boxes=(), inside=inside)
    (tile,) = tiles(verdict, calibration)
    dark, bright = tile.pixels[0, 0], tile.pixels[8, 8]
    assert (tile.pixels == np.where(inside[..., None], bright, dark)).all()
    (usual,) = tiles(replace(verdict, map=np.full(shape, calibration.map_range[0], np.float32)), calibration)
    assert (usual.pixels == dark).all()
    assert (dark != bright).any()


def test_scale_without_calibrated_maps_and_with_broken_pixels(calibration: Calibration) -> None:
    bare = replace(calibration, map_range=None)
    np.testing.assert_allclose(on_fixed_scale(np.array([[1.0, 3.0], [2.0, np.nan]]), bare), [[0, 1], [0.5, 1]])
    np.testing.assert_allclose(on_fixed_scale(np.ones((2, 2)), bare), 0)


def test_distortion_by_hand() -> None:
    generator = np.random.default_rng(0)
    picture, normal = generator.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    contrast = np.quantile(picture, 0.995) - np.quantile(picture, 0.005)
    for row in range(5):
        for column in range(4):
            mean = sum(abs(int(picture[row, column, c]) - int(normal[row, column, c])) for c in range(3)) / 3
            assert distortion(picture, normal)[row, column] == pytest.approx(min(mean / (contrast / 2), 1))
    assert not distortion(picture, picture).any()


def test_distortion_of_unequal_sizes_is_at_the_smaller() -> None:
    picture, normal = np.full((40, 60, 3), 7, dtype=np.uint8), np.full((20, 30, 3), 7, dtype=np.uint8)
    assert distortion(picture, normal).shape == (20, 30)
    assert not distortion(normal, picture).any()


@pytest.mark.parametrize(
    ("missing", "captions"),
    [
        ((), ["input", "expected normal", "distortion", "anomaly map"]),
        (("normal",), ["input", "anomaly map"]),
        (("map",), ["input", "expected normal", "distortion"]),
        (("picture", "normal", "map"), []),
    ],
)
def test_tiles_are_what_there_is(
    missing: tuple[str, ...], captions: list[str], verdicts: list[Verdict], calibration: Calibration
) -> None:
    verdict = replace(verdicts[1], **dict.fromkeys(missing))
    assert [tile.caption for tile in tiles(verdict, calibration)] == captions


def test_what_is_small_in_a_large_input_shows_on_its_map_and_close_up(
    verdicts: list[Verdict], calibration: Calibration
) -> None:
    low, high = calibration.map_range
    picture = np.random.default_rng(0).integers(100, 140, (2000, 3000, 3), dtype=np.uint8)
    map_, mask = np.full((2000, 3000), low), np.zeros((2000, 3000), dtype=bool)
    place = np.s_[1700:1712, 40:52]
    picture[place], map_[place], mask[place] = 0, high, True
    verdict = replace(verdicts[0], picture=picture, map=map_, boxes=(Box(40, 1700, 12, 12, 144, high),), normal=None)
    shown, heat, close = tiles(verdict, calibration, mask)
    brightest = np.array(Image.fromarray(heat.pixels).resize((400, 267), Image.Resampling.LANCZOS)).max((0, 1))
    assert brightest.sum() > 600  # as a mean over what the page shows as a pixel, it would be dim
    assert (heat.size, close.size) == ((2000, 3000), (133, 200))
    np.testing.assert_array_equal(close.pixels, picture[1634:1767, :200])  # as far as the border lets it be the middle
    assert [(box.left, box.top, box.width) for box in close.boxes] == [(40, 66, 12)]
    assert close.truth is not None
    np.testing.assert_array_equal((close.truth.min((0, 1)), close.truth.max((0, 1))), ((40, 66), (52, 78)))
    smaller = replace(verdict, map=map_[:900, :1200], picture=picture[:900, :1200])
    assert len(tiles(smaller, calibration)) == 2
    assert shown.boxes == ()


def test_panel_and_sheet_are_pictures(verdicts: list[Verdict], calibration: Calibration) -> None:
    panel = Image.open(io.BytesIO(inspection_panel(verdicts[1], calibration)))
    assert panel.width > 3 * panel.height
    captions = ["a", r"costs $\frac{1$", "\x1b[31mred"]  # names of kinds are no formulas
    sheet = contact_sheet([*verdicts[:2], replace(verdicts[2], normal=None)], calibration, captions)
    assert Image.open(io.BytesIO(sheet)).height > 500


def test_nothing_to_draw_is_said(verdicts: list[Verdict], calibration: Calibration, tmp_path: Path) -> None:
    bare = replace(verdicts[0], picture=None, normal=None, map=None, boxes=())
    with pytest.raises(UsageError, match="nothing to draw"):
        inspection_panel(bare, calibration)
    with pytest.raises(UsageError, match="contact sheet"):
        contact_sheet([bare], calibration)
    with pytest.raises(UsageError, match="no map"):
        save_map(bare, calibration, tmp_path / "map.png")


def test_saved_map_is_grey_where_normal_and_hot_where_not(
    verdicts: list[Verdict], calibration: Calibration, tmp_path: Path
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    heat = np.full((30, 50), calibration.map_range[0], dtype=np.float32)
    heat[10:20, 20:30] = calibration.map_range[1]
    box = replace(verdicts[1].boxes[0], left=20, top=10, width=10, height=10)
    verdict = replace(verdicts[1], picture=picture, map=heat, boxes=(box,))
    saved = np.asarray(Image.open(save_map(verdict, calibration, tmp_path / "map.png"))).astype(int)
    assert saved.shape == (30, 50, 3)
    cold = heat == calibration.map_range[0]
    np.testing.assert_allclose(saved[cold][:, 0], picture[cold].mean(axis=1), atol=1)
    assert tuple(saved[15, 25]) == (252, 254, 164)  # the bright end of inferno
    assert "#{:02x}{:02x}{:02x}".format(*saved[10, 20]) == BOX_COLOUR


def test_overview_shows_a_typical_good_image_and_the_clearest_of_each_kind(content: ReportContent, monkeypatch) -> None:
    shown: list = []
    monkeypatch.setattr("hizumi.report.panels._sheet", lambda *arguments: shown.extend(arguments) or b"png")
    masks = [np.ones((24, 24), dtype=bool) if label else None for label in content.labels]
    assert overview(replace(content, masks=masks)) == b"png"
    verdicts, columns, captions = shown
    truths = [next((tile.truth for tile in tiles if tile.truth is not None), None) for tiles in columns]
    assert [truth is not None for truth in truths] == [False, True, True]
    scores = {
        kind: [v.score for v, k in zip(content.verdicts, content.kinds, strict=True) if k == kind]
        for kind in set(content.kinds)
    }
    assert captions[0] == "good part"
    assert verdicts[0].score == sorted(scores["good"])[len(scores["good"]) // 2]
    assert {c: v.score for c, v in zip(captions[1:], verdicts[1:], strict=True)} == {
        kind: max(found) for kind, found in scores.items() if kind != "good"
    }


def test_edges_of_the_part_lighten_its_map_and_nothing_else() -> None:
    picture = np.zeros((20, 30, 3), dtype=np.uint8)
    picture[:, 15:] = 200  # one edge, between columns 14 and 15
    heat = np.full((20, 30, 3), 55, dtype=np.uint8)
    found = outlined(heat, picture)
    assert (found[:, 14:16] == round(55 + OUTLINE * 200)).all()
    assert (np.delete(found, (14, 15), axis=1) == 55).all()
    assert (outlined(heat, np.full_like(picture, 90)) == heat).all()


def test_true_defects_are_bordered_on_the_map(verdicts: list[Verdict], calibration: Calibration) -> None:
    mask = np.random.default_rng(0).random((6, 9)) < 0.5
    unit_lines: set[frozenset] = set()  # between each two neighbours of which one is inside, by brute force
    for row, column in np.argwhere(mask).tolist():
        corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
        for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
            unit_lines ^= {frozenset([one, other])}
    found: list[frozenset] = []
    for (x1, y1), (x2, y2) in border_of(mask, (12, 27)) / (3, 2):
        steps = int(abs(x2 - x1) + abs(y2 - y1))
        places = [(round(x1 + (x2 - x1) * k / steps), round(y1 + (y2 - y1) * k / steps)) for k in range(steps + 1)]
        found += [frozenset(pair) for pair in itertools.pairwise(places)]
    assert len(found) == len(unit_lines)
    assert set(found) == unit_lines
    marked = tiles(verdicts[1], calibration, np.ones((24, 24), dtype=bool))
    assert [tile.truth is not None for tile in marked] == [False, False, False, True]


def test_one_pixel_of_a_large_mask_keeps_its_border() -> None:
    mask = np.zeros((30, 4000), dtype=bool)
    mask[7, 3001] = True
    lines = border_of(mask, mask.shape)
    assert lines[..., 0].min() <= 3001
    assert lines[..., 0].max() >= 3002
    assert np.ptp(lines[..., 0]) < 16


def test_distortion_is_taken_at_the_working_size() -> None:
    sharp = np.zeros((64, 64, 3), dtype=np.uint8)
    sharp[:, ::2] = 200  # a grating that the working size cannot hold, on a good part
    assert distortion(sharp, Sizing(16, 16).fit(sharp)).max() < 0.02
