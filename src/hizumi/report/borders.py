"""The border of a mask as straight lines, which stay sharp at any size."""

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

LONGEST_SIDE = 512  # pixels; finer borders than a page shows only make its file larger

Lines = Float[np.ndarray, "lines 2 2"]
"""Two ends (x, y) of each line; (0, 0) is the corner of an image's first pixel."""


def border_of(mask: Bool[np.ndarray, "h w"], size: tuple[int, int]) -> Lines:
    """Lines between the pixels inside and outside of a mask, in the coordinates of an image of `size` (height, width).

    A long mask is shrunk first; what it marks may grow by one of the larger pixels, and never vanishes.
    """
    mask = _shrunk(mask)
    height, width = mask.shape
    across = _runs(np.diff(np.pad(mask, ((1, 1), (0, 0))).astype(np.int8), axis=0) != 0)
    down = _runs(np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1).T != 0)[..., ::-1]
    return np.concatenate([across, down]) * (size[1] / width, size[0] / height)


def _runs(changes: Bool[np.ndarray, "rows n"]) -> Lines:
    """Lines along the runs of True in each row, whose number is their second coordinate."""
    ends = np.diff(changes.astype(np.int8), axis=1, prepend=0, append=0)
    row, start = np.nonzero(ends == 1)
    stop = np.nonzero(ends == -1)[1]
    return np.stack([np.stack([start, row], 1), np.stack([stop, row], 1)], axis=1).astype(np.float64)


def _shrunk(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h2 w2"]:
    longest = max(mask.shape)
    if longest <= LONGEST_SIDE:
        return mask
    height, width = (max(1, round(side * LONGEST_SIDE / longest)) for side in mask.shape)
    shares = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.asarray(np.asarray(shares) > 0)
