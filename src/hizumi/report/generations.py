"""Pictures of generated images: contact sheets and animations."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from hizumi.errors import UsageError

SMALLEST_SHOWN = 64  # pixels per side; smaller pictures are enlarged by a whole factor, so that each pixel shows
GAP = 2  # white pixels between pictures
MILLISECONDS = 90  # per frame

Picture = UInt8[np.ndarray, "h w 3"]


def sheet(pictures: Sequence[np.ndarray], columns: int) -> Picture:
    """Arrange pictures (h, w, 3) row by row, each in the middle of a cell of the largest one's size."""
    if not pictures:
        raise UsageError("a sheet needs at least one picture")
    height, width = (max(picture.shape[side] for picture in pictures) for side in (0, 1))
    factor = max(1, round(SMALLEST_SHOWN / max(height, width)))
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
    """Encode a picture as PNG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()


def animation_file(frames: Sequence[np.ndarray]) -> bytes:
    """Encode pictures of one size as an endless GIF that runs forwards and backwards."""
    there_and_back = [*frames, *frames[-2:0:-1]]
    first, *others = (Image.fromarray(frame) for frame in there_and_back)
    file = io.BytesIO()
    first.save(file, "gif", save_all=True, append_images=others, duration=MILLISECONDS, loop=0)
    return file.getvalue()
