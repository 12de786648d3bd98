"""Read masks: which pixels of an image are marked as anomalous, and whether that can be believed."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hizumi.data.decoding import Outline, decode, outline_of
from hizumi.data.rasters import PIXEL_LIMIT, upright
from hizumi.errors import DataError
from hizumi.shapes import Bool, Shaped
from hizumi.storage.files import printable

LOSSY_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif"})
DRAWN_LEVELS = 16  # at most, in a mask that was drawn and not resized or compressed with loss
FAINT = 31  # up to which many levels number the marks, and are no smooth edges
INVERTED_SHARE = 0.5  # of the image, above which a mask that also covers most of the border is not believed
INVERTED_BORDER = 0.75


class Mask(NamedTuple):
    """Marked pixels (h, w), and notes on how they were found."""

    marks: Bool[np.ndarray, "h w"]
    notes: tuple[str, ...]


def read_mask(paths: Sequence[Path], image: Outline, name: str, pixel_limit: int = PIXEL_LIMIT) -> Mask:
    """The pixels that any of the files marks, at the size of the image as it is shown.

    Any value but zero is a mark; of masks with smooth edges, such as JPEG files, values above half of the range. Raises
    DataError, beginning with `name`, for a file that cannot be read, is of another size, or marks the background.
    """
    parts = [_read_one(path, image, name, pixel_limit) for path in paths]
    return Mask(
        np.logical_or.reduce([part.marks for part in parts]), tuple(dict.fromkeys(n for p in parts for n in p.notes))
    )


def refuse_inverted(marks: Bool[np.ndarray, "h w"], name: str, *, levels: int = 2) -> None:
    """Raise DataError for a mask that marks the background: most of the image and of its border.

    A mask of one level throughout marks the whole image, and is believed.
    """
    if marks.all() and levels == 1:
        return
    border = np.concatenate([marks[0], marks[-1], marks[:, 0], marks[:, -1]])
    if marks.mean() > INVERTED_SHARE and border.mean() > INVERTED_BORDER:
        raise DataError(
            f"{name}: marks {marks.mean():.0%} of the image and most of its border, so its background seems not to be "
            "black; save it with black for what is good"
        )


def marks_of(path: Path, name: str | None = None) -> Mask:
    """The pixels that one file marks, as it is stored; raises DataError where it cannot be read."""
    pixels = decode(path, name=name).pixels
    return _marked(pixels, path, name or printable(path))[0]


def _read_one(path: Path, image: Outline, name: str, pixel_limit: int) -> Mask:
    pixels = _turned_like(path, decode(path, name=name, pixel_limit=pixel_limit).pixels, image, name)
    mask, levels = _marked(pixels, path, name)
    refuse_inverted(mask.marks, name, levels=levels)
    return mask


def _marked(pixels: Shaped[np.ndarray, "h w c"], path: Path, name: str) -> tuple[Mask, int]:
    """Marked pixels, and the number of levels or colours that the mask has."""
    levels = len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0))
    lossy = path.suffix.lower() in LOSSY_SUFFIXES
    if lossy or (pixels.dtype == np.uint8 and levels > DRAWN_LEVELS and pixels.max() > FAINT):
        return Mask(_above_half(pixels, name), ("smooth or lossy mask cut at half of its range",)), levels
    return Mask(np.asarray(pixels.any(axis=2)), ()), levels


def _above_half(pixels: Shaped[np.ndarray, "h w c"], name: str) -> Bool[np.ndarray, "h w"]:
    full = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
    strongest = pixels.max(axis=2)
    if full / 8 < strongest.max() <= full / 2:
        raise DataError(f"{name}: is lossy and has no value above half of its range; save it as PNG")
    return np.asarray(strongest > full / 2)


def _turned_like(path: Path, pixels: np.ndarray, image: Outline, name: str) -> np.ndarray:
    """The mask as its image is shown, where the image is turned by its orientation tag and the mask has no such tag."""
    size = pixels.shape[:2]
    untagged = image.orientation != 1 and outline_of(path).orientation == 1
    stored = (image.width, image.height) if image.orientation >= 5 else (image.height, image.width)
    if untagged and stored != (image.height, image.width) and size == stored:
        return upright(pixels, image.orientation)[0]
    if size != (image.height, image.width):
        raise DataError(
            f"{name}: is {size[1]}x{size[0]} pixels, its image {image.width}x{image.height}; "
            "save the mask at the size of the image"
        )
    if untagged and stored == size:
        raise DataError(
            f"{name}: its image is turned by an orientation tag ({image.orientation}) that the mask lacks, so where "
            "its marks belong is not known; save the image upright, without the tag"
        )
    return pixels
