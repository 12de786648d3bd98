"""How a part lies in its image, and the image and its planes moved by it."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hizumi.shapes import Bool, Float, Shaped


@dataclass(frozen=True)
class Pose:
    """Turned by so many degrees about the image's middle, clockwise as it is seen, and shifted by shares of its sides.

    It holds at any size of the image.
    """

    degrees: float = 0.0
    down: float = 0.0
    right: float = 0.0

    def matrix(self, height: int, width: int) -> Float[np.ndarray, "3 3"]:
        """From (x, y, 1) in the aligned image to (x, y, 1) in the image, in pixels."""
        angle, middle = math.radians(self.degrees), np.array([(width - 1) / 2, (height - 1) / 2])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        offset = middle + np.array([self.right * width, self.down * height]) - turn @ middle
        return np.vstack([np.column_stack([turn, offset]), [0.0, 0.0, 1.0]])

    def aligned(self, pixels: Shaped[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "h w c"]:
        """The image, its part lying upright in the middle, in its own dtype; what lies outside is like its border."""
        if self == UPRIGHT:
            return pixels
        moved = warped(pixels, self.matrix(*pixels.shape[:2]), mode="edge", order=3)
        return (np.rint(moved) if pixels.dtype.kind in "iu" else moved).astype(pixels.dtype)

    def back(self, plane: Float[np.ndarray, "h w"], outside: float | None = None) -> Float[np.ndarray, "h w"]:
        """A plane of the aligned image, such as its map, as the image lies; around it `outside`, or its least value."""
        if self == UPRIGHT:
            return plane
        around = float(plane.min()) if outside is None else outside
        matrix = np.linalg.inv(self.matrix(*plane.shape))
        moved = warped(plane[:, :, np.newaxis], matrix, mode="constant", order=1, outside=around)
        return moved[:, :, 0].astype(plane.dtype)

    def in_view(self, height: int, width: int) -> Bool[np.ndarray, "h w"]:
        """Which pixels of the aligned image lie in the image, to the nearest of its own; the others are made up."""
        matrix, rows, columns = self.matrix(height, width), np.arange(height)[:, np.newaxis], np.arange(width)
        across, down = (row[0] * columns + row[1] * rows + row[2] for row in matrix[:2])
        return (across >= -0.5) & (across <= width - 0.5) & (down >= -0.5) & (down <= height - 0.5)

    def share_outside(self, height: int, width: int) -> float:
        """Share of the image that is out of view once it is aligned."""
        return 1 - float(self.back(np.ones((height, width)), outside=0.0).mean())


UPRIGHT = Pose()
"""Of an image that lies as the reference does."""


def warped(
    pixels: Shaped[np.ndarray, "h w c"],
    matrix: Float[np.ndarray, "3 3"],
    *,
    mode: Literal["constant", "edge"],
    order: int,
    outside: float = 0.0,
) -> Float[np.ndarray, "h w c"]:
    """Values at the places that a matrix maps each pixel to, kept in the range of the pixels."""
    from skimage.transform import warp

    values = pixels.astype(np.float64)
    return np.asarray(warp(values, matrix, order=order, mode=mode, cval=outside, preserve_range=True, clip=True))
