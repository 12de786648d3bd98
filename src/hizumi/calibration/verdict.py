"""What is said about one inspected image."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Box:
    """The frame around one region over the pixel threshold, in pixels of the input; `area` counts its own pixels."""

    left: int
    top: int
    width: int
    height: int
    area: int
    peak: float


@dataclass(frozen=True, eq=False)
class Verdict:
    """The decision on one image and what it rests on; maps and boxes are in the input's own pixels.

    `boxes` are sorted by falling peak. `picture` is the input as shown to people, `normal` what the detector says a
    good part would look like here, None where it cannot say.
    """

    name: str
    anomalous: bool
    score: float
    p_value: float
    threshold: float
    terms: dict[str, float]
    map: Float[np.ndarray, "h w"] | None = None
    boxes: tuple[Box, ...] = ()
    picture: UInt8[np.ndarray, "h w 3"] | None = None
    normal: UInt8[np.ndarray, "h2 w2 3"] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The decision without its arrays, for JSON."""
        return {
            "name": self.name,
            "anomalous": self.anomalous,
            "score": self.score,
            "p_value": self.p_value,
            "threshold": self.threshold,
            "terms": dict(self.terms),
            "boxes": [asdict(box) for box in self.boxes],
        }


def boxes_over(anomaly_map: Float[np.ndarray, "h w"], threshold: float) -> tuple[Box, ...]:
    """Frames of the 8-connected regions strictly over the threshold, largest peak first."""
    regions, count = ndimage.label(anomaly_map > threshold, _EIGHT_NEIGHBOURS)
    areas = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    peaks = ndimage.maximum(anomaly_map, regions, np.arange(1, count + 1))
    boxes = [
        Box(
            left=columns.start,
            top=rows.start,
            width=columns.stop - columns.start,
            height=rows.stop - rows.start,
            area=int(area),
            peak=float(peak),
        )
        for (rows, columns), area, peak in zip(ndimage.find_objects(regions), areas, peaks, strict=True)
    ]
    return tuple(sorted(boxes, key=lambda box: -box.peak))
