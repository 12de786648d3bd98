"""Alignment finds how a part lies that is drawn by a formula, and brings maps back by the same."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from hizumi.data.alignment import NOT_ALIGNED, PARTLY_OUTSIDE, Alignment
from hizumi.data.pose import Pose
from hizumi.data.region import Region
from hizumi.data.surroundings import NUMBERS, Surroundings
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


def of_form(kind: str, degrees: float, right: float, seed: int) -> np.ndarray:
    """A disc with a ring in it, or a square, with noise, (h, w, 1), off the middle by so many pixels."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = columns - (WIDTH - 1) / 2 - right, rows - (HEIGHT - 1) / 2
    angle = math.radians(degrees)
    along, across = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    distance = np.hypot(x, y) if kind == "disc" else np.maximum(abs(along), abs(across))
    image = 60 + 100 * (distance < 26) - 60 * ((distance > 12) & (distance < 17))
    noise = np.random.default_rng(seed).normal(0, 4, image.shape)
    return (image + noise).clip(0, 255).round().astype(np.uint8)[:, :, np.newaxis]


@pytest.mark.parametrize(("kind", "degrees"), [("disc", (0, 0, 0)), ("square", (3, -4, 8))])
def test_a_part_is_turned_no_farther_than_what_it_looks_like_asks_for(
    kind: str, degrees: tuple[float, float, float]
) -> None:
    alignment = Alignment.of(of_form(kind, 0, 0, seed) for seed in range(6))
    for number, (turned, right) in enumerate(zip(degrees, (0, 6, -4), strict=True)):
        pose, notes = alignment.pose_of(of_form(kind, turned, right, 20 + number), "part")
        assert abs(pose.degrees - turned) < 1
        assert abs(pose.right * WIDTH - right) < 0.5
        assert abs(pose.down * HEIGHT) < 0.5
        assert turned or right or notes == ()


def test_what_is_in_view_lies_in_the_image_that_it_is_seen_in() -> None:
    for pose in POSES:
        in_view = pose.in_view(HEIGHT, WIDTH)
        assert in_view.shape == (HEIGHT, WIDTH)
        for row, column in ((0, 0), (0, 119), (89, 0), (89, 119), (45, 60), (3, 60), (45, 110)):
            x, y = moved(column - (WIDTH - 1) / 2, row - (HEIGHT - 1) / 2, pose)
            assert in_view[row, column] == (abs(x) <= WIDTH / 2 and abs(y) <= HEIGHT / 2)
    assert Pose().in_view(HEIGHT, WIDTH).all()


def test_what_lies_outside_of_an_image_is_what_good_images_show_there(alignment: Alignment) -> None:
    good = [part(seed=seed) for seed in range(8)]
    median = np.rint(np.median(good, axis=0))
    upright = replace(alignment, surroundings=Surroundings.of((Surroundings.small(image), Pose()) for image in good))
    learned = Alignment.from_dict(json.loads(json.dumps(upright.to_dict())))
    for pose in POSES[:4]:
        light, dark = part(pose, seed=9), part(pose, seed=10)
        dark[0], dark[-1], dark[:, 0], dark[:, -1] = 0, 0, 0, 0  # the pixels that would be spread over what is outside
        in_view = pose.in_view(HEIGHT, WIDTH)
        for image in (light, dark):
            laid, shown = learned.laid(image, pose)
            assert laid.dtype == image.dtype
            assert (shown == in_view).all()
            assert (laid[in_view] == pose.aligned(image)[in_view]).all()
            np.testing.assert_array_equal(laid[~in_view], median[~in_view])
        found = alignment.laid(light, pose)[0][~in_view]  # by poses as they are found, some parts of a pixel off
        assert np.abs(found - median[~in_view]).max() < 5
    assert alignment.laid(light, Pose())[0] is light


def test_surroundings_of_places_that_no_image_shows_are_those_beside() -> None:
    image = np.full((20, 30, 3), 80.0) + np.arange(3)
    image[:, :5] = 200  # which comes to the right by half a turn, and then lies outside of the image
    learned = Surroundings.of([(image, Pose(180, 0, 0.2))])
    in_view = Pose(180, 0, 0.2).in_view(20, 30)
    assert not in_view.all()
    assert np.isfinite(learned.values).all()
    filled = learned.around(np.zeros((40, 60, 3), np.float32), np.zeros((40, 60), bool))  # twice as large
    assert {tuple(pixel) for pixel in filled[:, -6:].reshape(-1, 3)} <= {tuple(pixel) for pixel in image.reshape(-1, 3)}
    grey = learned.around(np.zeros((20, 30, 1), np.uint16), np.zeros((20, 30), bool))
    np.testing.assert_allclose(grey[..., 0], learned.values.mean(axis=2), atol=0.5)


def test_surroundings_of_many_channels_stay_small() -> None:
    pixels = np.ones((300, 200, 100), np.uint8)
    kept = Surroundings.small(pixels)
    assert kept.size <= NUMBERS
    assert kept.shape[2] == 100
    plain = Surroundings.of([(kept, Pose())]).to_dict()
    for wrong in ({"width": plain["width"] + 1}, {"values": "AAAA"}, {"height": 1000, "width": 1000}):
        with pytest.raises(ValueError, match="surroundings of parts"):
            Surroundings.from_dict({**plain, **wrong})


def test_bundles_of_earlier_versions_fill_with_the_border(alignment: Alignment) -> None:
    plain = {name: value for name, value in alignment.to_dict().items() if name != "surroundings"}
    image, pose = part(POSES[2], seed=9), POSES[2]
    assert (Alignment.from_dict(plain).laid(image, pose)[0] == pose.aligned(image)).all()


def test_something_brighter_beside_the_region_does_not_attract_the_part() -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    region = Region.of(np.hypot(rows - 45, columns - 60) < 36)
    made = Alignment.of((part(seed=seed) for seed in range(3)), region)
    looking = Alignment.from_dict(json.loads(json.dumps(made.to_dict())))
    for pose, (top, left) in ((Pose(5, 0.05, -0.03), (2, 2)), (Pose(-37, -0.02, 0.02), (70, 100)), (Pose(122), (2, 2))):
        image = part(pose, seed=9)
        image[top : top + 16, left : left + 16] = 255
        found, notes = looking.pose_of(image, "part")
        assert NOT_ALIGNED not in notes
        assert max(math.dist(moved(x, y, found), moved(x, y, pose)) for x, y, _, _ in BLOBS) < 1
