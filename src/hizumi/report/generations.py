"""Pictures of what models make: many on one sheet, and sheets that follow each other as an animation."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from hizumi.errors import UsageError

SEEN_FROM = 64  # pixels a side; smaller pictures are enlarged by whole steps, so that each of their pixels is seen
GAP = 2  # white pixels between pictures
MILLISECONDS = 90  # that a frame stays

Picture = UInt8[np.ndarray, "h w 3"]


def sheet(pictures: Sequence[np.ndarray], columns: int) -> Picture:
    """Pictures (h, w, 3) row by row; smaller ones stand in the middle of a cell of the largest one's size."""
    if not pictures:
        raise UsageError("a sheet needs at least one picture")
    height, width = (max(picture.shape[side] for picture in pictures) for side in (0, 1))
    factor = max(1, round(SEEN_FROM / max(height, width)))
    height, width = height * factor + GAP, width * factor + GAP
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    page = np.full((rows * height + GAP, columns * width + GAP, 3), 255, dtype=np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        large = picture.repeat(factor, 0).repeat(factor, 1)
        top = GAP + row * height + (height - GAP - large.shape[0]) // 2
        left = GAP + column * width + (width - GAP - large.shape[1]) // 2
        page[top : top + large.shape[0], left : left + large.shape[1]] = large
    return page


def picture_file(picture: Picture) -> bytes:
    """A picture as PNG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()


def animation_file(frames: Sequence[np.ndarray]) -> bytes:
    """Pictures of one size as an endless GIF that goes forth and back."""
    there_and_back = [*frames, *frames[-2:0:-1]]
    first, *others = (Image.fromarray(frame) for frame in there_and_back)
    file = io.BytesIO()
    first.save(file, "gif", save_all=True, append_images=others, duration=MILLISECONDS, loop=0)
    return file.getvalue()
