"""What is seen of an image: its part as the reference lies, and nothing outside its region of interest."""

from typing import NamedTuple

import numpy as np

from hizumi.data.alignment import Alignment
from hizumi.data.pose import UPRIGHT, Pose
from hizumi.data.region import Region
from hizumi.shapes import Bool, Shaped


class Seen(NamedTuple):
    """An aligned image, of one colour outside the region, which lies in it as in the reference; None: all of it."""

    pixels: Shaped[np.ndarray, "h w c"]
    pose: Pose
    inside: Bool[np.ndarray, "h w"] | None
    notes: tuple[str, ...]


def seen_of(pixels: Shaped[np.ndarray, "h w c"], name: str, alignment: Alignment | None, region: Region | None) -> Seen:
    """What is seen of one image; raises DataError, beginning with `name`, where it does not suit one of the two."""
    pose, inside = UPRIGHT, None
    notes: tuple[str, ...] = ()
    if alignment is not None:
        pose, notes = alignment.pose_of(pixels, name)
        pixels = pose.aligned(pixels)
    if region is not None:
        pixels, inside, on_region = region.look(pixels, name)
        notes = (*notes, *on_region)
    return Seen(pixels, pose, inside, notes)
