"""Conversions of alpha, CMYK ink and orientation in numpy, at any depth."""

import numpy as np

from hizumi.errors import DataError

PIXEL_LIMIT = 100_000_000
"""Images of more pixels are refused before they are decoded: a small file can expand to fill the memory."""


def refuse_bomb(height: int, width: int, name: str, pixel_limit: int) -> None:
    """Raise DataError when an image of this size in pixels would be larger than the limit."""
    if height * width > pixel_limit:
        raise DataError(
            f"{name}: has {width}x{height} pixels, more than the limit of {pixel_limit:,}; cut it into parts, or "
            f"fit with --pixel-limit {height * width} (pixel_limit)"
        )


def over_black(pixels: np.ndarray, *, premultiplied: bool = False) -> tuple[np.ndarray, str]:
    """Lay an image over black and drop alpha, its last channel; returns the colours and a note."""
    full = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1.0
    colour, alpha = pixels[:, :, :-1], pixels[:, :, -1:]
    if (alpha == full).all():
        return np.ascontiguousarray(colour), "opaque alpha channel dropped"
    if not premultiplied:
        laid = colour * (alpha / full)
        colour = (np.rint(laid) if pixels.dtype.kind in "iu" else laid).astype(pixels.dtype)
    return np.ascontiguousarray(colour), "transparent parts laid over black"


def from_ink(pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """Convert CMYK ink (h, w, 4) to RGB (h, w, 3) of the same integer dtype, with a note."""
    full = float(np.iinfo(pixels.dtype).max)
    paper = full - pixels.astype(np.float64)
    colour = np.rint(paper[:, :, :3] * paper[:, :, 3:] / full)
    return colour.astype(pixels.dtype), "CMYK ink converted to colour"


def upright(pixels: np.ndarray, orientation: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn an image upright by its EXIF or TIFF orientation (1 to 8); any other value leaves it unchanged."""
    if orientation not in range(2, 9):
        return pixels, ()
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels), ("turned upright as its orientation tag says",)
