"""What is seen of an image: its part as the reference lies, and nothing outside its region of interest."""

from typing import NamedTuple

import numpy as np

from hizumi.data.alignment import Alignment
from hizumi.data.pose import UPRIGHT, Pose
from hizumi.data.region import Region
from hizumi.errors import DataError
from hizumi.shapes import Bool, Shaped


class Seen(NamedTuple):
    """An aligned image, of one colour outside the region, which lies in it as in the reference.

    `inside` are its pixels that were recorded and lie in the region, None: all of them; `region` are those of the image
    as it lies that are in its region and came into view, None: there is no region.
    """

    pixels: Shaped[np.ndarray, "h w c"]
    pose: Pose
    inside: Bool[np.ndarray, "h w"] | None
    region: Bool[np.ndarray, "h w"] | None
    notes: tuple[str, ...]


def seen_of(pixels: Shaped[np.ndarray, "h w c"], name: str, alignment: Alignment | None, region: Region | None) -> Seen:
    """What is seen of one image; raises DataError, beginning with `name`, where it does not suit one of the two."""
    pose, inside, as_it_lies = UPRIGHT, None, None
    notes: tuple[str, ...] = ()
    if alignment is not None:
        pose, notes = alignment.pose_of(pixels, name)
        pixels, in_view = alignment.laid(pixels, pose)
        inside = None if in_view.all() else in_view
    if region is not None:
        pixels, looked_at, on_region = region.look(pixels, name)
        inside = looked_at if inside is None else inside & looked_at
        as_it_lies = _as_it_lies(inside, pose, name)
        notes = (*notes, *on_region)
    return Seen(pixels, pose, inside, as_it_lies, notes)


def _as_it_lies(inside: Bool[np.ndarray, "h w"], pose: Pose, name: str) -> Bool[np.ndarray, "h w"]:
    """The region in the image as it lies; raises DataError where its alignment leaves none of it in view."""
    if pose == UPRIGHT:
        return inside
    found = np.asarray(pose.back(inside.astype(np.float32), outside=0.0) > 0.5)
    if not found.any():
        raise DataError(f"{name}: its region of interest lies outside of it, once it is aligned; take it out by hand")
    return found
