"""The decision on one inspected image."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hizumi.calibration.calibration import Calibration
from hizumi.calibration.regions import labelled_runs
from hizumi.shapes import Bool, Float, UInt8


@dataclass(frozen=True)
class Box:
    """The frame around one region of an alarm's map, in pixels of the input; `area` counts the region's own pixels."""

    left: int
    top: int
    width: int
    height: int
    area: int
    peak: float


@dataclass(frozen=True, eq=False)
class Verdict:
    """The decision on one image and its evidence; maps and boxes are in the input's own pixels.

    `boxes` come in order of decreasing peak; an alarm whose map is not the same everywhere has at least one. `picture`
    is the input for display, `normal` the good part that the detector expects in its place, at the size it was scored
    at, None where it expects none; `notes` say what was converted or left out in reading; `rule` says how the threshold
    came about, where the p-value is by held-out good images whatever the rule. `inside` is True where the image was
    looked at, None: everywhere; outside, the map has its least value. A stretch of a recording has no pictures: `map`
    is (1, steps), and `expected` what the detector expects of it, in the data's own units; `shares` is what each
    channel at each step adds to the scores of the windows that cover it, on average, None where the score has no such
    shares; `newest` is the score of the last window that has ended at each step, which is known at once, NaN where none
    has within the stretch.
    """

    name: str
    anomalous: bool
    score: float
    p_value: float
    threshold: float
    terms: dict[str, float]
    map: Float[np.ndarray, "h w"] | None = field(default=None, repr=False)
    boxes: tuple[Box, ...] = ()
    picture: UInt8[np.ndarray, "h w 3"] | None = field(default=None, repr=False)
    normal: UInt8[np.ndarray, "h2 w2 3"] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    rule: str = ""
    inside: Bool[np.ndarray, "h w"] | None = field(default=None, repr=False)
    expected: Float[np.ndarray, "t c"] | None = field(default=None, repr=False)
    shares: Float[np.ndarray, "t c"] | None = field(default=None, repr=False)
    newest: Float[np.ndarray, "t"] | None = field(default=None, repr=False)

    def map_over(self, calibration: Calibration) -> Float[np.ndarray, "h w"] | None:
        """The map for a picture of it: where the image was not looked at, as of a good image's median pixel."""
        if self.map is None or self.inside is None or calibration.map_range is None:
            return self.map
        return np.where(self.inside, self.map, self.map.dtype.type(calibration.map_range[0]))

    def to_dict(self) -> dict[str, Any]:
        """The decision without its arrays, for JSON."""
        return {
            "name": self.name,
            "anomalous": self.anomalous,
            "score": self.score,
            "p_value": self.p_value,
            "threshold": self.threshold,
            "rule": self.rule,
            "terms": dict(self.terms),
            "boxes": [asdict(box) for box in self.boxes],
            "notes": list(self.notes),
        }

    def to_row(self) -> dict[str, Any]:
        """The decision as a flat row, for CSV: the number of boxes, and a column for each term."""
        fields = self.to_dict()
        terms, boxes, notes = fields.pop("terms"), fields.pop("boxes"), fields.pop("notes")
        values = {f"term_{name}": value for name, value in terms.items()}
        return {**fields, "regions": len(boxes), **values, "notes": "; ".join(notes)}


def boxes_of_alarm(
    anomaly_map: Float[np.ndarray, "h w"], threshold: float, inside: Bool[np.ndarray, "h w"] | None = None
) -> tuple[Box, ...]:
    """Frames of the regions over the threshold, or where there are none, of the one around the map's highest place.

    A score may pass its threshold while the map, which is in other units, stays below its own. That one region is what
    lies over half of the peak's height above the map's mean `inside`. A map that is the same everywhere has none.
    """
    if over := boxes_over(anomaly_map, threshold):
        return over
    mean = (anomaly_map if inside is None else anomaly_map[inside]).mean(dtype=np.float64)
    return boxes_over(anomaly_map, float(mean + anomaly_map.max()) / 2)[:1]


def boxes_over(anomaly_map: Float[np.ndarray, "h w"], threshold: float) -> tuple[Box, ...]:
    """Frames of the 8-connected regions strictly over the threshold, largest peak first."""
    runs, labels, count = labelled_runs(anomaly_map > threshold)
    if not count:
        return ()
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(count))
    rows, lefts, rights = (values[order] for values in (runs.row, runs.start, runs.stop))
    # The highest value of each run: reduceat over the ends of runs takes every second piece of the flattened map.
    ends = np.stack([runs.row * anomaly_map.shape[1] + edge for edge in (runs.start, runs.stop)], 1).ravel()
    flat = np.append(anomaly_map.ravel(), -np.inf)
    peaks = np.maximum.reduceat(flat, ends)[::2][order]
    left, top = np.minimum.reduceat(lefts, starts), np.minimum.reduceat(rows, starts)
    right, bottom = np.maximum.reduceat(rights, starts), np.maximum.reduceat(rows, starts) + 1
    areas, peaks = np.add.reduceat(rights - lefts, starts), np.maximum.reduceat(peaks, starts)
    frames = zip(left, top, right - left, bottom - top, areas, peaks, strict=True)
    boxes = [Box(int(x), int(y), int(w), int(h), int(area), float(peak)) for x, y, w, h, area, peak in frames]
    return tuple(sorted(boxes, key=lambda box: -box.peak))
