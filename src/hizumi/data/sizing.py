"""Scale or tile images of any size to the working size of a network, and bring its maps back to the image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from PIL import Image

from hizumi.errors import UsageError
from hizumi.shapes import Float, Shaped

SHRUNK = 3  # times, from which it is said
SURVIVING = 2  # pixels of the working size: what is smaller is averaged with what lies around it
SMALLEST_SIDE = 4  # pixels
LONGEST = 4  # times the shorter side: of longer images the shorter side is brought to less


@dataclass(frozen=True)
class Sizing:
    """The working size in pixels, and how images reach it.

    "resize" scales the whole image with its aspect kept and pads the rest with its edge pixels; "tile" keeps the
    image's resolution and covers it with windows of the working size, of which neighbours share `overlap` (0 to 0.9).
    """

    height: int
    width: int
    mode: Literal["resize", "tile"] = "resize"
    overlap: float = 0.5

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise UsageError(f"image size {self.width}x{self.height}: both sides must be at least one pixel")
        if self.mode not in ("resize", "tile"):
            raise UsageError(f"sizing mode {self.mode!r}: choose 'resize' or 'tile'")
        if not 0 <= self.overlap <= 0.9:
            raise UsageError(f"tile overlap {self.overlap}: choose a share from 0 to 0.9")

    @classmethod
    def by_pixels(cls, height: int, width: int, side: int) -> Self:
        """The size of such an image, shrunk with its aspect kept to as many pixels as a square of this side has.

        Neither side is shrunk below the smallest that convolutional networks take.
        """
        return cls._shrunk(height, width, max(side / math.sqrt(height * width), SMALLEST_SIDE / min(height, width)))

    @classmethod
    def by_shorter_side(cls, height: int, width: int, side: int) -> Self:
        """The size of such an image, its shorter side shrunk to this one with its aspect kept; of longer ones, to less.

        See `scale_to_shorter_side`.
        """
        return cls._shrunk(height, width, scale_to_shorter_side(height, width, side))

    @classmethod
    def _shrunk(cls, height: int, width: int, scale: float) -> Self:
        scale = min(1.0, scale)
        return cls(max(1, round(height * scale)), max(1, round(width * scale)))

    def fit(self, pixels: Shaped[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "height width c"]:
        """The image at the working size, in its own dtype; in tile mode only padded where it is smaller than a tile.

        Scaling is bilinear and anti-aliased; integer images are rounded to the nearest level.
        """
        height, width = pixels.shape[:2]
        if self.mode == "resize":
            top, left, inner_height, inner_width = self.placed(height, width)
            pixels = _scaled(pixels, inner_height, inner_width)
            return _edge_padded(pixels, top, left, self.height, self.width)
        return _edge_padded(pixels, 0, 0, max(height, self.height), max(width, self.width))

    def keeps(self, height: int, width: int) -> bool:
        """Whether `fit` leaves an image of this size as it is."""
        if self.mode == "resize":
            return (height, width) == (self.height, self.width)
        return height >= self.height and width >= self.width

    def notes_on(self, height: int, width: int) -> tuple[str, ...]:
        """A warning where an image of this size is shrunk so far that small defects vanish."""
        factor = max(height / self.height, width / self.width)
        if self.mode == "tile" or factor <= SHRUNK:
            return ()
        return (
            f"shrunk {factor:.0f} times to {self.width}x{self.height} pixels, so that defects of less than about "
            f"{SURVIVING * factor:.0f} pixels may be lost (--tiles looks at full size, --image-size shrinks less)",
        )

    def restore_map(self, map_: Float[np.ndarray, "h w"], height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Bring a map at the working size back to its image's size: crop the padding, then rescale."""
        inner = self.without_padding(map_, height, width)[:, :, np.newaxis]
        return _scaled(inner.astype(np.float32), height, width)[:, :, 0]

    def without_padding(self, map_: Float[np.ndarray, "h w"], height: int, width: int) -> Float[np.ndarray, "h2 w2"]:
        """The part of a map at the working size that shows an image of this size."""
        top, left, inner_height, inner_width = self.placed(height, width)
        return map_[top : top + inner_height, left : left + inner_width]

    def tiles(self, height: int, width: int) -> tuple[tuple[int, int], ...]:
        """Top-left corners (pixels) of evenly spread tiles that cover an image; one at (0, 0) for a smaller image."""
        tops = _starts(height, self.height, self.overlap)
        lefts = _starts(width, self.width, self.overlap)
        return tuple((top, left) for top in tops for left in lefts)

    def stitch(
        self, maps: Float[np.ndarray, "t h w"], tiles: Sequence[tuple[int, int]], height: int, width: int
    ) -> Float[np.ndarray, "height width"]:
        """Blend the maps of tiles into one for the whole image, weighting a tile's centre more than its border."""
        full_height, full_width = max(height, self.height), max(width, self.width)
        weight = np.outer(_bump(self.height), _bump(self.width))
        total = np.zeros((full_height, full_width))
        weights = np.zeros((full_height, full_width))
        for map_, (top, left) in zip(maps, tiles, strict=True):
            place = np.s_[top : top + self.height, left : left + self.width]
            total[place] += weight * map_
            weights[place] += weight
        blended = np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)  # tiles may leave places out
        return blended[:height, :width].astype(np.float32)

    def placed(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Where the scaled image lies at the working size: top, left, height, width."""
        scale = min(self.height / height, self.width / width)
        inner_height = min(self.height, max(1, round(height * scale)))
        inner_width = min(self.width, max(1, round(width * scale)))
        return (self.height - inner_height) // 2, (self.width - inner_width) // 2, inner_height, inner_width


def scale_to_shorter_side(height: int, width: int, side: int) -> float:
    """What an image is scaled by to bring its shorter side to this one.

    One more than four times as long as wide is brought to the pixels of one that is four times.
    """
    shorter, longer = sorted((height, width))
    return side / shorter * min(1.0, math.sqrt(LONGEST * shorter / longer))


def _scaled(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    scaled = np.empty((height, width, pixels.shape[2]), np.float32)
    for channel in range(pixels.shape[2]):
        plane = Image.fromarray(pixels[:, :, channel].astype(np.float32))
        scaled[:, :, channel] = np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR))
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        scaled = np.rint(scaled).clip(limits.min, limits.max)
    return scaled.astype(pixels.dtype, copy=False)


def _edge_padded(pixels: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    bottom, right = height - top - pixels.shape[0], width - left - pixels.shape[1]
    if not (top or left or bottom or right):
        return pixels
    return np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="edge")


def _starts(length: int, tile: int, overlap: float) -> list[int]:
    stride = max(1, round(tile * (1 - overlap)))
    last = max(0, length - tile)
    return [round(start) for start in np.linspace(0, last, math.ceil(last / stride) + 1)]


def _bump(length: int) -> np.ndarray:
    """Weights across a tile: highest in the middle, positive everywhere so that the border of an image counts."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2 + 1e-6
