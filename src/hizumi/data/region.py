"""Region of interest: the pixels of an image that are looked at; all others become one colour before anything else.

What lies outside then cannot reach a score, by whatever way a detector takes, since nothing that was fitted sees it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from hizumi.data.areas import Area, Foreground, Measures, area_from_dict, area_of, have_one_aspect
from hizumi.data.sizing import SMALLEST_SIDE, Sizing
from hizumi.errors import DataError
from hizumi.shapes import Bool, Shaped

PIXELS_OF_EACH = 10_000  # outside, from which the colour is taken


class LookedAt(NamedTuple):
    """An image whose pixels outside its region are of one colour, the region, and notes on it."""

    pixels: Shaped[np.ndarray, "h w c"]
    inside: Bool[np.ndarray, "h w"]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Region:
    """The pixels that belong to `roi`, None: all, without those that belong to `ignored`.

    `colour` is what all others become, in the values of the images, one for each channel: the median of what lies
    outside in good images, so that the region's border looks as usual. `size` is the (height, width) of good images,
    whose aspect all others must have, None where they are of several. `learned` finds both.
    """

    roi: Area | None
    ignored: Area | None = None
    colour: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None

    @classmethod
    def of(cls, roi: Any = None, ignore: Any = None) -> Self:
        """From what a user says of the pixels to look at, and of those to leave out.

        Each is the file or array of a mask, whose white pixels are meant; a rectangle (left, top, width, height) in
        pixels or in shares of the sides, as numbers or text; or "auto", what stands out from the background. Raises
        UsageError or DataError in one line where it is none of these.
        """
        return cls(
            None if roi is None else area_of(roi, "--roi (`roi`)"),
            None if ignore is None else area_of(ignore, "--ignore-region (`ignore`)"),
        )

    def learned(self, images: Iterable[np.ndarray]) -> Self:
        """With what follows from good images (h, w, c) of any sizes; raises DataError where the region suits none."""
        sizes: list[tuple[int, int]] = []
        measures: dict[Area, list[Measures]] = {area: [] for area in (self.roi, self.ignored) if area is not None}
        outside, refused = [], None
        for image in images:  # one at a time: they may be large
            try:
                marked = {area: area.marked(image, "an image it learns from") for area in measures}
            except DataError as error:  # named when all are read
                refused = error
                continue
            sizes.append((image.shape[0], image.shape[1]))
            for area, marks in marked.items():
                measures[area].append(marks.measures)
            looked_at, ignored = (None if area is None else marked[area].pixels for area in (self.roi, self.ignored))
            others = image[~_inside(looked_at, ignored, image.shape)]
            outside.append(others[:: max(1, len(others) // PIXELS_OF_EACH)])
        if not sizes and refused is not None:
            raise refused
        roi, ignored_area = (
            None if area is None else area.learned(sizes, measures[area]) for area in (self.roi, self.ignored)
        )
        size = sizes[0] if len(set(sizes)) == 1 else None
        return replace(self, roi=roi, ignored=ignored_area, colour=_median_of(outside), size=size)

    def inside(self, pixels: Shaped[np.ndarray, "h w c"], name: str) -> tuple[Bool[np.ndarray, "h w"], tuple[str, ...]]:
        """Which pixels are looked at, and notes; raises DataError where none is, or an area does not fit the image."""
        if self.size is not None and not have_one_aspect(pixels.shape[:2], self.size):
            sizes = [f"{width}x{height}" for height, width in (pixels.shape[:2], self.size)]
            raise DataError(
                f"{name}: is {sizes[0]} pixels, of another aspect than the {sizes[1]} of its region's images"
            )
        found = [None if area is None else area.marked(pixels, name) for area in (self.roi, self.ignored)]
        looked_at, ignored = (None if each is None else each.pixels for each in found)
        inside = _inside(looked_at, ignored, pixels.shape)
        if not inside.any():
            raise DataError(f"{name}: its region of interest is empty; draw a larger one, or ignore less")
        return inside, tuple(dict.fromkeys(note for each in found if each is not None for note in each.notes))

    def look(self, pixels: Shaped[np.ndarray, "h w c"], name: str) -> LookedAt:
        """An image with one colour outside its region; raises DataError as `inside`."""
        inside, notes = self.inside(pixels, name)
        seen = np.empty_like(pixels)
        for channel, value in enumerate(
            self.colour_of(pixels.transpose(2, 0, 1)).ravel()
        ):  # three times as fast as all
            seen[..., channel] = np.where(inside, pixels[..., channel], value)
        return LookedAt(seen, inside, notes)

    def colour_of(self, image: Shaped[np.ndarray, "c h w"]) -> Shaped[np.ndarray, "c 1 1"]:
        """What pixels outside are in an image of this type and number of channels."""
        assert self.colour is not None, "a region is learned before it is looked through"
        colour = np.array(self.colour)
        if len(image) != len(colour):  # grey among coloured images, or the other way round
            colour = np.full(len(image), colour.mean())
        if image.dtype.kind in "iu":
            colour = np.rint(colour)
        return colour.astype(image.dtype)[:, np.newaxis, np.newaxis]

    def drawn(self, pixels: Shaped[np.ndarray, "h w c"]) -> Bool[np.ndarray, "h w"] | None:
        """What is looked at of every image, whatever it shows; None where that is all, or follows from each image."""
        areas = [None if isinstance(area, Foreground) else area for area in (self.roi, self.ignored)]
        if not any(areas):
            return None
        return replace(self, roi=areas[0], ignored=areas[1]).inside(pixels, "an image it learns from")[0]

    def refuse_small(self, pixels: Shaped[np.ndarray, "h w c"], sizing: Sizing | None) -> None:
        """Raise DataError where hardly anything of the region is left at the working size."""
        inside, _ = self.inside(pixels, "the first good image")
        seen = coverage(inside, sizing).sum()
        if seen < SMALLEST_SIDE**2:
            size = "" if sizing is None else f" at {sizing.width}x{sizing.height} pixels, where the detector works"
            raise DataError(
                f"the region of interest covers {seen:.1f} pixels{size}, of {SMALLEST_SIDE**2} at least; draw a larger "
                "one, or keep more pixels (--image-size, --tiles)"
            )

    def seen(self, sizing: Sizing | None) -> Bool[np.ndarray, "h w"] | None:
        """Where it lies at the working size, True; None where it lies elsewhere in each image, or in each tile."""
        tiled = sizing is not None and sizing.mode == "tile"
        if self.size is None or tiled or any(isinstance(area, Foreground) for area in (self.roi, self.ignored)):
            return None
        inside, _ = self.inside(np.empty((*self.size, 1), dtype=np.uint8), "an image")
        return coverage(inside, sizing) > 0

    @property
    def words(self) -> str:
        """What is looked at, for people."""
        seen = "all" if self.roi is None else self.roi.words
        return seen if self.ignored is None else f"{seen}, without {self.ignored.words}"

    @property
    def key(self) -> str:
        """Tells regions apart."""
        return hashlib.sha256(json.dumps(self.to_dict()).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "roi": None if self.roi is None else self.roi.to_dict(),
            "ignored": None if self.ignored is None else self.ignored.to_dict(),
            "colour": None if self.colour is None else list(self.colour),
            "size": None if self.size is None else list(self.size),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; raises ValueError where it does not go together."""
        colour, size = plain["colour"], plain["size"]
        return cls(
            area_from_dict(plain["roi"]),
            area_from_dict(plain["ignored"]),
            None if colour is None else tuple(colour),
            None if size is None else (size[0], size[1]),
        )


def frame_of(inside: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """Rows and columns from the first to the last pixel inside."""
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def coverage(inside: Bool[np.ndarray, "h w"], sizing: Sizing | None) -> np.ndarray:
    """The share of each pixel that lies inside, once the image is at its working size; nothing of the padding does."""
    shares = inside.astype(np.float32)
    if sizing is None or sizing.mode == "tile":
        return shares
    top, left, height, width = sizing.placed(*inside.shape)
    placed = np.zeros((sizing.height, sizing.width), dtype=np.float32)
    placed[top : top + height, left : left + width] = Sizing(height, width).fit(shares[..., np.newaxis])[..., 0]
    return placed


def _median_of(pixels: Sequence[np.ndarray]) -> tuple[float, ...]:
    """One value for each channel that most of the images have, whole where their values are."""
    some = [each for each in pixels if len(each)]
    if not some:
        raise DataError("the region of interest is all of every image: leave --roi (`region`) out")
    channels = Counter(each.shape[1] for each in some).most_common(1)[0][0]
    alike = [each for each in some if each.shape[1] == channels]
    median = np.median(np.concatenate(alike), axis=0)
    return tuple(float(each) for each in (np.rint(median) if alike[0].dtype.kind in "iu" else median))


def _inside(looked_at: np.ndarray | None, ignored: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    inside = np.ones(shape[:2], dtype=bool) if looked_at is None else looked_at
    return inside if ignored is None else inside & ~ignored
