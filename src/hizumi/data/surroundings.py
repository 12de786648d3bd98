"""What lies around parts: fills what an aligned image would have to show and does not, beyond its border."""

import base64
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hizumi.data.pose import Pose, warped
from hizumi.data.sizing import Sizing
from hizumi.shapes import Bool, Float, Shaped

NUMBERS = 3 * 128 * 128  # that are kept at most, as of a small coloured image


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What good images show at each place once they are aligned, (h, w, c), small, in their own values: the median.

    It is the same for all images, so that nothing that is filled in tells one from another; and it is what is usual
    there, so that nothing in it is a defect.
    """

    values: Float[np.ndarray, "h w c"]

    @classmethod
    def of(cls, images: Iterable[tuple[Float[np.ndarray, "h w c"], Pose]]) -> Self:
        """From small images, and how the part lies in each; of places that none shows, from the nearest one."""
        from scipy.ndimage import distance_transform_edt

        some = list(images)
        channels = Counter(image.shape[2] for image, _ in some).most_common(1)[0][0]
        shown = np.stack([_shown(image, pose) for image, pose in some if image.shape[2] == channels])
        known = ~np.isnan(shown[..., 0]).all(axis=0)
        values = np.zeros(shown.shape[1:])
        values[known] = np.nanmedian(shown[:, known], axis=0)
        nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
        return cls(values[tuple(nearest)].astype(np.float32))

    @staticmethod
    def small(pixels: Shaped[np.ndarray, "h w c"]) -> Float[np.ndarray, "h2 w2 c"]:
        """An image at the size that is kept of it."""
        height, width, channels = pixels.shape
        scale = min(1.0, math.sqrt(NUMBERS / (height * width * channels)))
        sides = max(1, round(height * scale)), max(1, round(width * scale))
        small = Sizing(*sides).fit(pixels.astype(np.float32))
        return np.rint(small) if pixels.dtype.kind in "iu" else small

    def around(
        self, pixels: Shaped[np.ndarray, "h w c"], in_view: Bool[np.ndarray, "h w"]
    ) -> Shaped[np.ndarray, "h w c"]:
        """An aligned image with these in place of all that is not in view, in its own dtype."""
        from scipy.ndimage import map_coordinates

        if in_view.all():
            return pixels
        filled, outside = pixels.copy(), np.nonzero(~in_view)
        scales = [own / side for own, side in zip(self.values.shape[:2], in_view.shape, strict=True)]
        places = [(each + 0.5) * scale - 0.5 for each, scale in zip(outside, scales, strict=True)]
        planes = np.moveaxis(self.values, 2, 0)
        if len(planes) != pixels.shape[2]:  # grey among coloured images, or the other way round
            planes = planes.mean(axis=0, keepdims=True)
        found = np.stack([map_coordinates(plane, places, order=1, mode="nearest") for plane in planes], axis=1)
        if pixels.dtype.kind in "iu":
            limits = np.iinfo(pixels.dtype)
            found = np.rint(found).clip(limits.min, limits.max)
        filled[outside] = found
        return filled

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        height, width, channels = self.values.shape
        packed = zlib.compress(self.values.astype("<f4").tobytes(), 9)
        return {"height": height, "width": width, "channels": channels, "values": base64.b64encode(packed).decode()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; raises ValueError where the values are not finite numbers, or not as many as it says."""
        shape = plain["height"], plain["width"], plain["channels"]
        count = math.prod(shape)
        if count > 2 * NUMBERS:  # sides are rounded
            raise ValueError("the surroundings of parts are larger than any that are kept")
        try:
            unpacked = zlib.decompressobj().decompress(base64.b64decode(plain["values"], validate=True), 4 * count)
        except zlib.error as error:
            raise ValueError("the surroundings of parts are damaged") from error
        if len(unpacked) != 4 * count:
            raise ValueError("the surroundings of parts are not of their size")
        values = np.frombuffer(unpacked, dtype="<f4").reshape(shape)
        if not np.isfinite(values).all():
            raise ValueError("the surroundings of parts hold what is no number")
        return cls(values.astype(np.float32))


def _shown(image: Float[np.ndarray, "h w c"], pose: Pose) -> Float[np.ndarray, "h w c"]:
    """An image, aligned; NaN where that lies outside of it."""
    aligned = warped(image, pose.matrix(*image.shape[:2]), mode="edge", order=1)
    return np.where(pose.in_view(*image.shape[:2])[:, :, np.newaxis], aligned, np.nan)
