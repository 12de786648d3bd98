"""Parts of an image: drawn in a mask, a rectangle, or whatever stands out from the background."""

import base64
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from hizumi.data.mask_pixels import marks_of
from hizumi.data.sizing import Sizing
from hizumi.errors import DataError, MissingExtraError, UsageError
from hizumi.shapes import Bool, Shaped
from hizumi.storage.files import printable
from hizumi.storage.statements import LARGEST_AREA

FOREGROUND_SIDE = 256  # pixels: the longer side at which a part is told from its background
BLUR = 1.0  # of these pixels: noise would fray the part's edge
MARGIN = 0.02  # of the longer side, by which a foreground is wider than what was found
SPREAD = 1.5  # times the median share of the image: foregrounds of good images lie within it either way
TOLERANCE = 1.25  # times the range of good images' shares, beyond which a foreground is not believed
FAINTEST = 0.5  # of the least contrast of good images, below which a foreground is not believed
AMONG_MOST = (0.05, 0.95)  # quantiles of good images between which shares must be alike


class Marked(NamedTuple):
    """Pixels of an image, True where they belong to an area, and notes on how they were found.

    `contrast` is the distance from the background's colour, in the values of the image, at which a foreground begins.
    """

    pixels: Bool[np.ndarray, "h w"]
    notes: tuple[str, ...] = ()
    contrast: float = 0.0

    @property
    def measures(self) -> "Measures":
        """What is kept of a good image."""
        return Measures(float(self.pixels.mean()), self.contrast)


class Measures(NamedTuple):
    """The share of an image that is marked, and its contrast."""

    share: float
    contrast: float


class Area(ABC):
    """Which pixels of an image belong to it, whatever the image's size."""

    @abstractmethod
    def marked(self, pixels: Shaped[np.ndarray, "h w c"], name: str) -> Marked:
        """The area in one image; raises DataError, beginning with `name`, where the area does not fit it."""

    @abstractmethod
    def learned(self, sizes: Sequence[tuple[int, int]], measures: Sequence["Measures"]) -> "Area":
        """With what follows from good images: their (height, width), and the measures of what was marked in each."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What it is, for people."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""


@dataclass(frozen=True, eq=False)
class Drawn(Area):
    """Pixels that a mask marks; in images of another size but its aspect, scaled with them."""

    mask: Bool[np.ndarray, "h w"]
    notes: tuple[str, ...] = ()
    _scaled: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file, of which any value but black is a mark; raises DataError where it cannot be read."""
        return cls(*marks_of(path, f"mask {printable(path)}"))

    def marked(self, pixels: Shaped[np.ndarray, "h w c"], name: str) -> Marked:
        """In one image; a note says where the mask was scaled to it."""
        (height, width), (own_height, own_width) = pixels.shape[:2], self.mask.shape
        if (height, width) == (own_height, own_width):
            return Marked(self.mask, self.notes)
        if not have_one_aspect((height, width), self.mask.shape):
            raise DataError(
                f"{name}: is {width}x{height} pixels, and the mask of its region {own_width}x{own_height}, of another "
                "aspect; draw the mask on such an image, or give a rectangle in shares of the sides"
            )
        if (height, width) not in self._scaled:
            self._scaled[height, width] = _stretched(self.mask, height, width)
        note = f"the mask of the region, drawn at {own_width}x{own_height} pixels, was scaled to the image"
        return Marked(self._scaled[height, width], (*self.notes, note))

    def learned(self, sizes: Sequence[tuple[int, int]], measures: Sequence["Measures"]) -> "Drawn":
        """Itself: a mask takes nothing from images."""
        return self

    @property
    def words(self) -> str:
        """What it is, for people."""
        return f"a mask of {self.mask.shape[1]}x{self.mask.shape[0]} pixels"

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        bits = zlib.compress(np.packbits(self.mask).tobytes(), 9)
        height, width = self.mask.shape
        return {"kind": "mask", "height": height, "width": width, "bits": base64.b64encode(bits).decode()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; raises ValueError where the bits are not as many as the mask has pixels."""
        size, unpacking = (plain["height"], plain["width"]), zlib.decompressobj()
        count = size[0] * size[1]
        if count > LARGEST_AREA:
            raise ValueError("the mask of the region is larger than any image")
        try:
            packed = unpacking.decompress(base64.b64decode(plain["bits"], validate=True), (count + 7) // 8)
        except zlib.error as error:
            raise ValueError("the mask of the region is damaged") from error
        if len(packed) != (count + 7) // 8:
            raise ValueError("the mask of the region is not of its size")
        bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=count)
        return cls(bits.astype(bool).reshape(size))


@dataclass(frozen=True, eq=False)
class Rectangle(Area):
    """Four numbers: shares of the image's sides where all lie from 0 to 1, else pixels of images of one size."""

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        numbers = self.left, self.top, self.width, self.height
        if not all(np.isfinite(numbers)) or min(self.left, self.top) < 0 or min(self.width, self.height) <= 0:
            raise UsageError(f"{self.words}: left and top must be 0 or more, width and height above 0")
        if self.in_shares and max(self.left + self.width, self.top + self.height) > 1 + 1e-9:
            raise UsageError(f"{self.words}: passes the border of the image, at which shares are 1")

    @property
    def in_shares(self) -> bool:
        """Whether it is in shares of the image's sides, and fits images of any size."""
        return max(self.left, self.top, self.width, self.height) <= 1

    def marked(self, pixels: Shaped[np.ndarray, "h w c"], name: str) -> Marked:
        """In one image, to the nearest pixel."""
        height, width = pixels.shape[:2]
        down, across = (height, width) if self.in_shares else (1, 1)
        top, bottom = round(self.top * down), round((self.top + self.height) * down)
        left, right = round(self.left * across), round((self.left + self.width) * across)
        if bottom > height or right > width:
            raise DataError(
                f"{name}: is {width}x{height} pixels, and {self.words} passes its border; move or shrink it"
            )
        marks = np.zeros((height, width), dtype=bool)
        marks[top:bottom, left:right] = True
        return Marked(marks)

    def learned(self, sizes: Sequence[tuple[int, int]], measures: Sequence["Measures"]) -> "Rectangle":
        """In shares of the sides."""
        if self.in_shares:
            return self
        if len(set(sizes)) > 1:
            found = " and ".join(f"{width}x{height}" for height, width in sorted(set(sizes))[:2])
            raise DataError(f"{self.words}: images are of several sizes, such as {found}; give shares of their sides")
        height, width = sizes[0]
        return Rectangle(self.left / width, self.top / height, self.width / width, self.height / height)

    @property
    def words(self) -> str:
        """What it is, for people."""
        numbers = ",".join(f"{value:g}" for value in (self.left, self.top, self.width, self.height))
        return f"the rectangle {numbers} (left, top, width, height{', in shares' if self.in_shares else ''})"

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        places = {"left": self.left, "top": self.top, "width": self.width, "height": self.height}
        return {"kind": "rectangle", **places}


@dataclass(frozen=True, eq=False)
class Foreground(Area):
    """In each image the largest thing that stands out from the colour of its border, as its convex hull and a margin.

    A part is told from its background by Otsu's threshold ("A threshold selection method from gray-level histograms",
    1979) on the distance from the border's median colour. The hull takes in what darkens or chips the part's edge.
    `shares` is the range of the image that foregrounds of good images cover, `contrast` the least of theirs: where one
    covers far less or more, or hardly stands out, as of a missing part, all of the image is looked at, and a note says
    so.
    """

    shares: tuple[float, float] | None = None
    contrast: float = 0.0

    def marked(self, pixels: Shaped[np.ndarray, "h w c"], name: str) -> Marked:
        """In one image; all of it where the foreground is not as in good images."""
        small, contrast = _foreground(pixels)
        found = _stretched(small, *pixels.shape[:2])
        if self.shares is None:
            return Marked(found, contrast=contrast)
        least, most = self.shares
        if least / TOLERANCE <= found.mean() <= most * TOLERANCE and contrast >= FAINTEST * self.contrast:
            return Marked(found, contrast=contrast)
        note = (
            f"its foreground is not as in good images, of which it covers {least:.0%} to {most:.0%}; all was looked at"
        )
        return Marked(np.ones_like(found), (note,))

    def learned(self, sizes: Sequence[tuple[int, int]], measures: Sequence["Measures"]) -> "Foreground":
        """With the range of the shares."""
        shares = [each.share for each in measures]
        least, middle, most = (float(each) for each in np.quantile(shares, [AMONG_MOST[0], 0.5, AMONG_MOST[1]]))
        if middle == 0 or not middle / SPREAD <= least <= most <= middle * SPREAD:
            raise DataError(
                f"the automatic foreground covers {least:.0%} to {most:.0%} of most good images (in the middle "
                f"{middle:.0%}), so no one part stands out from its background; draw a mask (--roi MASK.png)"
            )
        return Foreground((min(shares), max(shares)), min(each.contrast for each in measures))

    @property
    def words(self) -> str:
        """What it is, for people."""
        covered = "" if self.shares is None else f" ({self.shares[0]:.0%} to {self.shares[1]:.0%} of good images)"
        return f"the foreground of each image{covered}"

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        shares = None if self.shares is None else list(self.shares)
        return {"kind": "foreground", "shares": shares, "contrast": self.contrast}


def have_one_aspect(size: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two images (height, width) have the same aspect, to the nearest pixel along either side."""
    (height, width), (its_height, its_width) = size, other
    return abs(width - its_width * height / its_height) <= 1 or abs(height - its_height * width / its_width) <= 1


def area_of(said: Any, option: str) -> Area:
    """From what a user says: "auto", a rectangle as text or four numbers, a mask as an array or the path of a file."""
    match said:
        case Area():
            return said
        case np.ndarray():
            if said.ndim != 2 or not said.size:
                raise UsageError(f"{option}: is an array of shape {said.shape}; a mask is (height, width)")
            return Drawn(said.astype(bool))
        case "auto":
            return Foreground()
        case tuple() | list():
            return _rectangle(said, option)
        case str() if (numbers := said.split(",")) and len(numbers) > 1 and not Path(said).exists():
            return _rectangle(numbers, option)
        case str() | Path():
            return Drawn.read(Path(said))
    raise UsageError(f"{option} is a {type(said).__name__}; give a mask, a rectangle or auto")


def area_from_dict(plain: Mapping[str, Any] | None) -> Area | None:
    """Undo an area's `to_dict`; raises ValueError where it does not go together."""
    if plain is None:
        return None
    match plain["kind"]:
        case "mask":
            return Drawn.from_dict(plain)
        case "rectangle":
            return Rectangle(plain["left"], plain["top"], plain["width"], plain["height"])
        case "foreground":
            shares = plain["shares"]
            return Foreground(None if shares is None else (shares[0], shares[1]), plain["contrast"])
    raise ValueError(f"there are no areas of kind {plain['kind']!r}")


def _rectangle(numbers: Sequence[Any], option: str) -> Rectangle:
    try:
        left, top, width, height = (float(number) for number in numbers)
    except (TypeError, ValueError) as error:
        given = printable(",".join(map(str, numbers)))
        raise UsageError(
            f"{option} {given}: is neither a file nor left,top,width,height in pixels or in shares of the sides"
        ) from error
    return Rectangle(left, top, width, height)


def _stretched(marks: Bool[np.ndarray, "h w"], height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """Each pixel as the one that its middle falls into."""
    if marks.shape == (height, width):
        return marks
    rows, columns = (
        ((np.arange(side) + 0.5) * own / side).astype(np.int64)
        for side, own in zip((height, width), marks.shape, strict=True)
    )
    return np.asarray(marks[rows[:, np.newaxis], columns])


def _foreground(pixels: Shaped[np.ndarray, "h w c"]) -> tuple[Bool[np.ndarray, "h2 w2"], float]:
    """The foreground at its own small size, and its contrast; nothing where the image is of one colour."""
    if find_spec("skimage") is None:  # as beside an exported bundle
        raise MissingExtraError("automatic foreground needs scikit-image: pip install scikit-image")
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu
    from skimage.measure import label
    from skimage.morphology import convex_hull_image, dilation, disk

    scale = min(1.0, FOREGROUND_SIDE / max(pixels.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    small = Sizing(height, width).fit(pixels.astype(np.float32))
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    distance = gaussian_filter(np.linalg.norm(small - np.median(border, axis=0), axis=2), BLUR)
    if distance.max() == distance.min():
        return np.zeros(distance.shape, dtype=bool), 0.0
    contrast = threshold_otsu(distance)
    parts = label(distance > contrast)
    counts = Counter(parts[parts > 0].tolist())
    hull = convex_hull_image(parts == counts.most_common(1)[0][0])
    grown = dilation(hull, disk(max(1, round(MARGIN * max(height, width)))))
    return np.asarray(grown, dtype=bool), float(contrast)
