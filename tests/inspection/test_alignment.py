"""Parts that lie askew score as they do upright once they are aligned, and their maps come back as they lie."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hizumi import Inspector, load, save
from hizumi.data.alignment import NOT_ALIGNED
from hizumi.data.pose import Pose
from hizumi.errors import DataError, UsageError
from hizumi.inspection.scoring import Scored, Scorer
from tests.data.test_alignment import HEIGHT, WIDTH, moved, part

TURNED = [Pose(degrees, down, right) for degrees, down, right in ((8, 0.02, 0), (-20, 0, 0.03), (65, -0.02, 0.02))]
DENT = (16, -4)  # on the brightest blob


def upright(count: int, seed: int = 100) -> np.ndarray:
    return np.stack([part(seed=seed + number) for number in range(count)])


def dented(pose: Pose) -> np.ndarray:
    image = part(pose, seed=7)
    x, y = moved(*DENT, pose)
    row, column = round((HEIGHT - 1) / 2 + y), round((WIDTH - 1) / 2 + x)
    image[row - 3 : row + 4, column - 3 : column + 4] = 60
    return image


@pytest.fixture(scope="module")
def fitted() -> dict[bool, Inspector]:
    """With and without alignment, on parts that lie upright."""
    return {
        align: Inspector("pca", image_size=(30, 40), align=align, calibration_share=0.4).fit(upright(25))
        for align in (True, False)
    }


def test_turned_parts_score_as_upright_ones_do(fitted: dict[bool, Inspector]) -> None:
    good = np.stack([part(pose, seed=50 + number) for number, pose in enumerate(TURNED)])
    off, as_they_lie = (-each.score_samples(good) / each.calibration_.threshold.value for each in fitted.values())
    assert (off[:2] < 1.5).all()
    assert (off < as_they_lie / 20).all()  # the last one's frame shows much that lies outside the image


@pytest.mark.parametrize("pose", [Pose(), *TURNED], ids=str)
def test_a_dent_is_marked_where_it_lies(fitted: dict[bool, Inspector], tmp_path: Path, pose: Pose) -> None:
    inspector = load(save(fitted[True], tmp_path / "a.hizumi"))
    verdict = inspector.inspect(dented(pose)[np.newaxis])[0]
    assert verdict.anomalous
    assert verdict.map.shape == (HEIGHT, WIDTH)
    x, y = moved(*DENT, pose)
    row, column = np.unravel_index(verdict.map.argmax(), verdict.map.shape)
    assert abs(row - (HEIGHT - 1) / 2 - y) < 5  # pixels of the image, three to one of those worked on
    assert abs(column - (WIDTH - 1) / 2 - x) < 5
    assert (verdict.picture[:, :, 0] == dented(pose)[:, :, 0]).all()  # the image itself, not the aligned one


@pytest.fixture(scope="module")
def askew() -> np.ndarray:
    """Good parts that lie askew."""
    random = np.random.default_rng(5)
    poses = [Pose(random.uniform(-30, 30), *random.uniform(-0.06, 0.06, 2)) for _ in range(12)]
    return np.stack([part(pose, seed=number) for number, pose in enumerate(poses)])


def test_the_border_of_an_image_is_not_judged_again_beyond_it(askew: np.ndarray) -> None:
    inspector = Inspector("pca", image_size=(30, 40), align=True, calibration_share=0.4).fit(askew)
    image = part(Pose(25), seed=70)
    rim = image.copy()
    rim[:1], rim[-1:], rim[:, :1], rim[:, -1:] = 90, 90, 90, 90
    alignment = inspector.preprocessing_.alignment
    assert alignment is not None
    spread = replace(inspector.preprocessing_, alignment=replace(alignment, surroundings=None))
    effects = []
    for preprocessing in (inspector.preprocessing_, spread):
        scorer = Scorer.of(inspector.detector_, preprocessing)
        alone, with_rim = scorer.score(inspector.to_inspect(np.stack([image, rim])))
        assert isinstance(alone, Scored)
        assert isinstance(with_rim, Scored)
        effects.append(with_rim.score - alone.score)
    assert effects[0] < effects[1] / 10


def test_tiles_that_show_nothing_of_the_image_are_not_scored(askew: np.ndarray) -> None:
    inspector = Inspector("pca", image_size=15, sizing="tile", align=True, calibration_share=0.4).fit(askew)
    reader, manifest = inspector.scorer().reader, inspector.to_inspect(np.stack([part(Pose(65))]))
    turned = reader.piece(manifest, 0, pictures=False)
    assert inspector.preprocessing_.sizing is not None
    tiles, in_view = inspector.preprocessing_.sizing.tiles(HEIGHT, WIDTH), turned.pose.in_view(HEIGHT, WIDTH)
    shown = tuple(tile for tile in tiles if in_view[tile[0] : tile[0] + 15, tile[1] : tile[1] + 15].any())
    assert len(shown) < len(tiles)
    assert turned.tiles == shown
    assert np.isfinite(inspector.inspect(manifest)[0].map).all()


def test_what_cannot_be_aligned_is_judged_and_said(fitted: dict[bool, Inspector]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2, HEIGHT, WIDTH, 1)).astype(np.uint8)
    inspection = fitted[True].inspect(noise)
    assert [verdict.notes for verdict in inspection] == [(NOT_ALIGNED,)] * 2
    assert f"{NOT_ALIGNED}: 2 inputs" in inspection.notes
    assert fitted[True].options_["alignment"]["least"] < fitted[True].options_["alignment"]["typical"]
    smaller = fitted[True].inspect(noise[:, :-2])
    assert "to be aligned with parts of 120x90" in smaller.failures[0].reason


def test_rows_frames_and_sizes_that_differ_are_refused() -> None:
    with pytest.raises(UsageError, match="--align"):
        Inspector(align=True).fit(np.zeros((20, 3)))
    with pytest.raises(UsageError, match="--align"):
        Inspector("reconstruction", align=True, motion=True).plan(upright(8))
    with pytest.raises(DataError, match="several sizes"):
        Inspector("pca", align=True, image_size=16).fit([*upright(6), *upright(6)[:, :-1]])
