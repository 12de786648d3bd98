"""Alignment finds how a part lies that is drawn by a formula, and brings maps back by the same."""

import json
import math

import numpy as np
import pytest

from hizumi.data.alignment import NOT_ALIGNED, PARTLY_OUTSIDE, Alignment
from hizumi.data.pose import Pose
from hizumi.data.region import Region
from hizumi.errors import DataError

HEIGHT, WIDTH = 90, 120
BLOBS = (
    (-14.0, -8.0, 7.0, 90.0),
    (16.0, -4.0, 5.0, 120.0),
    (6.0, 14.0, 4.0, 70.0),
)  # x, y, radius, light; from the middle


def moved(x: float, y: float, pose: Pose) -> tuple[float, float]:
    """Where a point of the upright part lies in the image, in pixels from its middle."""
    angle = math.radians(pose.degrees)
    return (
        math.cos(angle) * x - math.sin(angle) * y + pose.right * WIDTH,
        math.sin(angle) * x + math.cos(angle) * y + pose.down * HEIGHT,
    )


def part(pose: Pose = Pose(), seed: int = 0) -> np.ndarray:  # noqa: B008  # immutable
    """Three blobs of light on grey, (h, w, 1), with noise; nothing is interpolated."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.random.default_rng(seed).normal(60, 2, (HEIGHT, WIDTH))
    for x, y, radius, light in BLOBS:
        there_x, there_y = moved(x, y, pose)
        distance = (columns - (WIDTH - 1) / 2 - there_x) ** 2 + (rows - (HEIGHT - 1) / 2 - there_y) ** 2
        image += light * np.exp(-distance / (2 * radius**2))
    return image.clip(0, 255).round().astype(np.uint8)[:, :, np.newaxis]


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    return Alignment.of(part(seed=seed) for seed in range(8))


POSES = [Pose(5, 0.05, -0.03), Pose(-37, -0.04, 0.06), Pose(122), Pose(179, 0.02, 0.02), Pose(2.2), Pose(0, 0, 0.1)]


@pytest.mark.parametrize("pose", POSES, ids=str)
def test_a_part_that_is_drawn_turned_and_shifted_is_found_within_a_pixel(alignment: Alignment, pose: Pose) -> None:
    found, notes = alignment.pose_of(part(pose, seed=9), "part")
    assert NOT_ALIGNED not in notes
    for x, y, _, _ in BLOBS:
        assert math.dist(moved(x, y, found), moved(x, y, pose)) < 1
    inside = np.s_[20:70, 30:90]
    error = np.abs(found.aligned(part(pose, seed=9))[inside].astype(float) - part(seed=9)[inside]).mean()
    assert error < 3  # with noise of 2 in both


@pytest.mark.parametrize("pose", POSES, ids=str)
def test_a_marked_pixel_comes_back_within_a_pixel_at_any_size(pose: Pose) -> None:
    for times in (1, 3):
        marked = np.zeros((times * HEIGHT, times * WIDTH), np.float32)
        x, y = 16, -4
        marked[round((marked.shape[0] - 1) / 2 + times * y), round((marked.shape[1] - 1) / 2 + times * x)] = 1
        row, column = np.unravel_index(pose.back(marked).argmax(), marked.shape)
        there_x, there_y = moved(x, y, pose)
        expected = (marked.shape[0] - 1) / 2 + times * there_y, (marked.shape[1] - 1) / 2 + times * there_x
        assert math.dist((row, column), expected) < 1.5  # half a pixel of it from the rounding above


def test_what_cannot_be_aligned_or_leaves_the_view_is_said(alignment: Alignment) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 1)).astype(np.uint8)
    assert alignment.pose_of(noise, "noise") == (Pose(), (NOT_ALIGNED,))
    assert alignment.pose_of(part(Pose(0, 0, 0.1), seed=5), "part")[1] == (PARTLY_OUTSIDE,)
    assert alignment.pose_of(part(seed=5), "part")[1] == ()
    with pytest.raises(DataError, match="60x60 pixels, and is to be aligned with parts of 120x90"):
        alignment.pose_of(np.zeros((60, 60, 1), np.uint8), "small")
    with pytest.raises(DataError, match="several sizes"):
        Alignment.of([part(), part()[:-1]])
    assert alignment.notes == ()
    textures = np.random.default_rng(4).integers(0, 255, (8, HEIGHT, WIDTH, 1)).astype(np.uint8)
    assert "hardly agree" in Alignment.of(textures).notes[0]


def test_it_is_the_same_after_json(alignment: Alignment) -> None:
    plain = json.loads(json.dumps(alignment.to_dict()))
    again = Alignment.from_dict(plain)
    assert again.pose_of(part(POSES[0]), "part") == alignment.pose_of(part(POSES[0]), "part")
    assert again.key == alignment.key
    with pytest.raises(ValueError, match="reshape"):
        Alignment.from_dict({**plain, "reference_height": 3})
    with pytest.raises(ValueError, match="not of its size"):
        Alignment.from_dict({**plain, "reference_height": WIDTH, "reference_width": HEIGHT})
    assert part().dtype == Pose(30).aligned(part()).dtype


@pytest.mark.parametrize(
    ("pose", "place"),
    [(Pose(5, 0.05, -0.03), (2, 2)), (Pose(-37, -0.02, 0.02), (70, 100)), (Pose(122), (2, 2))],
    ids=str,
)
def test_something_brighter_beside_the_region_does_not_attract_the_part(pose: Pose, place: tuple[int, int]) -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    region = Region.of(np.hypot(rows - 45, columns - 60) < 36)
    looking = Alignment.of((part(seed=seed) for seed in range(3)), region)
    image = part(pose, seed=9)
    image[place[0] : place[0] + 16, place[1] : place[1] + 16] = 255
    found, notes = Alignment.from_dict(json.loads(json.dumps(looking.to_dict()))).pose_of(image, "part")
    assert NOT_ALIGNED not in notes
    assert max(math.dist(moved(x, y, found), moved(x, y, pose)) for x, y, _, _ in BLOBS) < 1
