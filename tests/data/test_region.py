"""Regions of interest: what masks, rectangles and foregrounds mean, whatever file or image they come with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import ConvexHull, Delaunay

from hizumi.data.areas import Drawn, Foreground
from hizumi.data.region import Region, coverage
from hizumi.data.sizing import Sizing
from hizumi.errors import DataError, HizumiError, UsageError
from hizumi.storage.statements import REGION

HEIGHT, WIDTH = 60, 80
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
RING = (np.hypot(ROWS - 30, COLUMNS - 36) < 24) & (np.hypot(ROWS - 28, COLUMNS - 40) > 9)


def photographs(count: int = 4, size: tuple[int, int] = (HEIGHT, WIDTH), channels: int = 3) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, channels)).astype(np.uint8) for _ in range(count)]


def disc(seed: int = 0, radius: float = 40.0, centre: tuple[float, float] = (100, 130)) -> np.ndarray:
    """A bright disc with texture on a dark background, both noisy, 200x260 pixels in colour."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:200, :260]
    inside = np.hypot(rows - centre[0], columns - centre[1]) < radius
    grey = np.where(inside, 170 + 30 * np.sin(columns / 4), 40) + random.normal(0, 5, inside.shape)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


WRITERS = {
    "1.png": lambda marks: Image.fromarray(marks),
    "faint.png": lambda marks: Image.fromarray(marks.astype(np.uint8)),
    "16.png": lambda marks: Image.fromarray(marks.astype(np.uint16) * 65535),
    "palette.png": lambda marks: Image.fromarray(marks.astype(np.uint8) * 255).convert("P"),
    "alpha.png": lambda marks: Image.fromarray(np.dstack([np.full((*marks.shape, 3), 255), marks * 255]).astype("u1")),
    "lossy.jpg": lambda marks: Image.fromarray(marks.astype(np.uint8) * 255),
    "colour.tif": lambda marks: Image.fromarray(np.dstack([marks * 0, marks * 255, marks * 0]).astype(np.uint8)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_mask_means_its_white_pixels_whatever_file_it_is(tmp_path: Path, name: str) -> None:
    WRITERS[name](RING).save(tmp_path / name)
    image = photographs()[0]
    inside, notes = Region.of(tmp_path / name).inside(image, "a")
    outside, _ = Region.of(ignore=str(tmp_path / name)).inside(image, "a")
    assert (inside == ~outside).all()
    differing = (inside != RING).sum()
    assert differing == 0 if name != "lossy.jpg" else differing < 20
    assert ("cut at half" in " ".join(notes)) == (name == "lossy.jpg")


def test_rectangles_are_pixels_or_shares_and_cover_what_they_say() -> None:
    images = photographs()
    expected = (ROWS >= 6) & (ROWS < 36) & (COLUMNS >= 8) & (COLUMNS < 40)
    for said in ("8,6,32,30", (8, 6, 32, 30), "0.1,0.1,0.4,0.5", [0.1, 0.1, 0.4, 0.5]):
        region = Region.of(said).learned(images)
        assert (region.inside(images[0], "a")[0] == expected).all()
        doubled = region.inside(photographs(1, (2 * HEIGHT, 2 * WIDTH))[0], "b")[0]
        assert (doubled == expected.repeat(2, 0).repeat(2, 1)).all()
    both = Region.of("8,6,32,30", "0,0,0.25,1").learned(images)
    assert (both.inside(images[0], "a")[0] == (expected & (COLUMNS >= 20))).all()


def test_what_lies_outside_becomes_the_median_of_what_lies_outside_in_good_images() -> None:
    images = photographs()
    region = Region.of(RING).learned(images)
    pixels, inside, _ = region.look(images[1], "a")
    assert (inside == RING).all()
    assert (pixels[RING] == images[1][RING]).all()
    expected = np.median(np.concatenate([image[~RING] for image in images]), axis=0)
    assert (pixels[~RING] == np.rint(expected)).all()
    grey = photographs(1, channels=1)[0]
    assert (region.look(grey, "a").pixels[~RING] == np.rint(np.rint(expected).mean())).all()
    floats = Region.of(RING).learned([image.astype(np.float32) / 7 for image in images])
    assert floats.look(images[0].astype(np.float32), "a").pixels.dtype == np.float32


def test_a_region_comes_back_from_a_bundles_header() -> None:
    images = [disc(seed) for seed in range(4)]
    hollow = np.random.default_rng(1).random((200, 260)) < 0.5
    for region in (Region.of("auto", hollow), Region.of("0.2,0.1,0.7,0.8"), Region.of(ignore=(3, 4, 50, 60))):
        learned = region.learned(images)
        plain = json.loads(json.dumps(learned.to_dict()))
        REGION(plain, "region")
        again = Region.from_dict(plain)
        assert again.key == learned.key
        assert (again.inside(images[3], "a")[0] == learned.inside(images[3], "a")[0]).all()
    mask = Drawn(hollow).to_dict()
    for wrong in (mask | {"height": 300}, mask | {"bits": "AAAA"}, mask | {"height": 100_000, "width": 100_000}):
        with pytest.raises(ValueError, match="mask of the region"):
            Drawn.from_dict(wrong)


WRONG: dict[str, tuple[Any, Any, str]] = {
    "nothing there": ("there-is-no.png", None, "no such file"),
    "three numbers": ("1,2,3", None, "neither a file nor left,top,width,height"),
    "no width": ("1,2,0,3", None, "width and height above 0"),
    "over the border in shares": ("0.5,0,0.6,1", None, "passes the border"),
    "over the border in pixels": ("70,0,20,20", None, "passes its border; move or shrink"),
    "all of it": ("0,0,1,1", None, "all of every image"),
    "nothing left": ("0,0,0.5,1", "0,0,0.6,1", "is empty"),
    "an empty mask": (RING & False, None, "is empty"),
    "hardly anything": ("0,0,7,7", None, "covers 3.1 pixels at 20x15 pixels, where the detector works, of 16"),
    "another aspect": (RING[:, :-9], None, "mask of its region 71x60, of another aspect"),
    "a colour image": (np.zeros((3, 4, 5)), None, "a mask is .height, width."),
    "a number": (7, None, "is a int; give a mask"),
    "texture": ("auto", None, "no one part stands out"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_region_of_these_images_is_refused_in_one_line(case: str) -> None:
    roi, ignore, reason = WRONG[case]
    images = photographs(8)
    if case == "texture":
        stains = [np.hypot(ROWS - 20, COLUMNS - 30) < 3 * k + 2 for k in range(8)]
        images = [
            (image // 8 + 200 * stain[..., np.newaxis]).astype(np.uint8)
            for image, stain in zip(images, stains, strict=True)
        ]
    with pytest.raises(HizumiError, match=reason) as raised:
        Region.of(roi, ignore).learned(images).refuse_small(images[0], Sizing(15, 20))
    assert isinstance(raised.value, UsageError | DataError)
    assert "\n" not in str(raised.value)


def test_masks_are_scaled_with_images_of_their_aspect_and_no_others() -> None:
    images = [*photographs(3), *photographs(2, (2 * HEIGHT, 2 * WIDTH))]
    region = Region.of(RING).learned(images)
    assert region.size is None
    inside, notes = region.inside(images[-1], "large")
    assert (inside == RING.repeat(2, 0).repeat(2, 1)).all()
    assert notes == ("the mask of the region, drawn at 80x60 pixels, was scaled to the image",)
    with pytest.raises(DataError, match="tall: is 60x80 pixels, and the mask of its region 80x60, of another aspect"):
        region.inside(images[0].swapaxes(0, 1), "tall")
    with pytest.raises(DataError, match="several sizes, such as 80x60 and 160x120; give shares"):
        Region.of("8,6,32,30").learned(images)
    of_one_size = Region.of("0.1,0.1,0.5,0.5").learned(images[:3])
    with pytest.raises(DataError, match="tall: is 60x80 pixels, of another aspect than the 80x60"):
        of_one_size.inside(images[0].swapaxes(0, 1), "tall")


@pytest.mark.parametrize("sizing", [Sizing(30, 40), Sizing(48, 40), Sizing(16, 16, "tile"), None])
def test_coverage_is_the_share_of_each_working_pixel_that_lies_inside(sizing: Sizing | None) -> None:
    shares = coverage(RING, sizing)
    if sizing is not None and sizing.mode == "resize":
        scaled = sizing.fit(255 * RING[..., np.newaxis].astype(np.float32))[..., 0] / 255
        top, left, height, width = sizing.placed(*RING.shape)
        placed = np.s_[top : top + height, left : left + width]
        np.testing.assert_allclose(shares[placed], scaled[placed], atol=1e-6)
        assert shares.sum() == pytest.approx(shares[placed].sum())  # nothing of the padding
    else:
        assert (shares == RING).all()


def test_a_foreground_takes_in_what_is_missing_at_its_edge_and_leaves_out_what_lies_beside() -> None:
    good = [disc(seed, centre=(90 + seed, 120 + 2 * seed)) for seed in range(8)]
    region = Region.of("auto").learned(good)
    area = region.roi
    assert isinstance(area, Foreground)
    assert area.shares is not None
    rows, columns = np.mgrid[:200, :260]
    part = np.hypot(rows - 95, columns - 130) < 40
    chipped, beside = disc(9, centre=(95, 130)), disc(9, centre=(95, 130))
    chip = part & (np.hypot(rows - 95, columns - 168) < 14)  # as dark as the background, at the part's edge
    chipped[chip] = 40
    beside[10:40, 10:50] = 200
    for image in (chipped, beside):
        inside, notes = region.inside(image, "a")
        assert not notes
        assert (inside & part).sum() > 0.97 * part.sum()
        assert not (inside & (np.hypot(rows - 95, columns - 130) > 52)).any()  # a margin, and no more
    inside, _ = region.inside(chipped, "a")
    left = np.argwhere(part & ~chip)  # the hull of what is still bright, by another library's triangles
    hull = Delaunay(left[ConvexHull(left).vertices]).find_simplex(np.argwhere(chip)) >= 0
    assert inside[chip][hull].all()
    assert hull.mean() > 0.5


def test_where_the_part_is_missing_or_hidden_all_is_looked_at() -> None:
    region = Region.of("auto").learned([disc(seed) for seed in range(6)])
    for image in (disc(7, radius=0), disc(7, radius=15), disc(7, radius=75), np.full((200, 260, 3), 40, np.uint8)):
        inside, notes = region.inside(image, "a")
        assert inside.all()
        assert "all was looked at" in notes[0]
