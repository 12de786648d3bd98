"""A stream of brick pictures to try a station with: good ones, some with defects, and at last a lamp that dims."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hizumi.data import Manifest, open_source
from hizumi.data.encoding import encoded
from hizumi.monitoring import WatchSettings
from hizumi.shapes import UInt8
from hizumi.station.station_file import RecipeSettings, StationSettings

PICTURES_PER_SECOND = 4.0
GOOD, MIXED, DIMMING = 60, 100, 80  # pictures in turn
DEFECT_EVERY = 12  # of the mixed and dimming ones
LIGHT_LEFT, DIMS_OVER = 0.85, 20  # of the lamp at the end, and pictures until then


class Moment(NamedTuple):
    """One picture of the stream."""

    name: str
    pixels: UInt8[np.ndarray, "h w c"]


def demonstration(bundle: Path, folder: Path) -> StationSettings:
    """A station that judges the stream, which is written into a folder of its own; it takes about a minute."""
    stream = folder / "stream"
    stream.mkdir(parents=True, exist_ok=True)
    for moment in moments():
        suffix, content = encoded(moment.pixels)
        (stream / f"{moment.name}{suffix}").write_bytes(content)
    source = {"kind": "replay", "name": "stream", "path": "stream", "pictures_per_second": PICTURES_PER_SECOND}
    return StationSettings(
        name="demo",
        folder=folder,
        root=folder,
        recipes=(RecipeSettings(name="brick", bundle=bundle),),
        sources=(source,),
        # The stream shows another part of the wall than the bundle has learned from.
        drift=WatchSettings(learning_pictures=GOOD),
        drift_baseline="station",
    )


def moments() -> Iterator[Moment]:
    """The pictures in the order in which they are shown; each is another crop."""
    brick = open_source("brick")
    good, defective = _crops(brick, anomalous=False), _crops(brick, anomalous=True)
    for number in range(GOOD + MIXED + DIMMING):
        is_defective = number >= GOOD and number % DEFECT_EVERY == DEFECT_EVERY - 1
        dimmed = min(max(number - GOOD - MIXED + 1, 0) / DIMS_OVER, 1)
        light = 1 - (1 - LIGHT_LEFT) * dimmed
        pixels = next(defective if is_defective else good)
        yield Moment(f"{number + 1:03d}", (light * pixels).round().astype(np.uint8))


def _crops(brick: Manifest, *, anomalous: bool) -> Iterator[UInt8[np.ndarray, "h w c"]]:
    """Crops that nothing was learned from, then the same ones as in a mirror."""
    tested = brick.select(split="test", label=int(anomalous))
    for step in (1, -1):
        yield from (tested.read_still(index).pixels[:, ::step] for index in range(len(tested)))
