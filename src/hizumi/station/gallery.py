"""Pictures that show why: anomaly maps and expected pictures as browsers show them."""

import io
import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, final

import numpy as np
from PIL import Image

from hizumi.calibration import Calibration, Verdict
from hizumi.data.decoding import decode_content
from hizumi.data.images import Window
from hizumi.data.rasters import PIXEL_LIMIT
from hizumi.errors import DataError
from hizumi.shapes import Float, Shaped, UInt8
from hizumi.station.batching import ClosedError
from hizumi.station.entry import Entry
from hizumi.station.judging import Judge
from hizumi.station.pictures import Pictures

LEVELS = 64  # more are not seen, and take longer to compress
OVERLAY_PIXELS = 320**2  # about; maps are smoother than pictures, and are stretched over them
# From black through violet and orange to pale yellow: light rises evenly, so that it reads without colour vision too.
STOPS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))


class Shown(NamedTuple):
    """A picture as a PNG, perhaps shrunk, with the size it was taken at, in which regions are given."""

    content: bytes
    width: int
    height: int


@final
class Gallery:
    """Shows inspections: from what was kept of them, or by judging the kept picture again with the same bundle."""

    def __init__(self, pictures: Pictures, judge_of: Callable[[Entry], Judge | None]) -> None:
        self._pictures = pictures
        self._judge_of = judge_of

    def picture(self, entry: Entry, longest: int) -> Shown | None:
        """The picture as the bundle's window of pixel values shows it, its longest side at most so many pixels."""
        content = self._pictures.read(entry.picture_sha256)
        if content is None:
            return None
        judge = self._judge_of(entry)
        known = None if judge is None else judge.inspector.preprocessing_
        window, pixel_limit = (None, PIXEL_LIMIT) if known is None else (known.still_window, known.pixel_limit)
        try:
            pixels = decode_content(content, name=entry.name, pixel_limit=pixel_limit).pixels
        except DataError:
            return None
        picture = Image.fromarray(_displayed(pixels, window))
        width, height = picture.size
        picture.thumbnail((longest, longest))
        return Shown(_png(picture), width, height)

    def overlay(self, entry: Entry) -> bytes | None:
        """The anomaly map, to be laid over the picture."""
        if entry.map_key is not None and (kept := self._pictures.read(entry.map_key)) is not None:
            return kept
        verdict, judge = self._judged_again(entry, pictures=False)
        return None if verdict is None or judge is None else overlay_of(verdict, judge.inspector.calibration_)

    def normal(self, entry: Entry) -> bytes | None:
        """The picture that the detector expects in its place."""
        verdict, _ = self._judged_again(entry, pictures=True)
        return None if verdict is None or verdict.normal is None else _png(Image.fromarray(verdict.normal))

    def _judged_again(self, entry: Entry, *, pictures: bool) -> tuple[Verdict | None, Judge | None]:
        judge, content = self._judge_of(entry), self._pictures.read(entry.picture_sha256)
        if judge is None or content is None:
            return None, None
        try:
            outcome = judge.judge(content, entry.name, pictures=pictures)
        except ClosedError:  # another bundle has just taken its place
            return None, None
        return (outcome, judge) if isinstance(outcome, Verdict) else (None, None)


def overlay_of(verdict: Verdict, calibration: Calibration) -> bytes | None:
    """A verdict's map as a PNG: clear at a good image's median pixel, half opaque at the threshold.

    Values outside of the range that calibration gives are drawn as its ends; what was not looked at is clear. A large
    map is drawn smaller, each pixel as the largest value that it stands for. None where there is no map.
    """
    values = verdict.map_over(calibration)
    if values is None or calibration.map_range is None:
        return None
    low, high = calibration.map_range
    levels = _thinned(values) - np.float32(low)
    levels *= np.float32((LEVELS - 1) / (high - low))
    np.clip(levels.round(out=levels), 0, LEVELS - 1, out=levels)
    picture = Image.fromarray(levels.astype(np.uint8)).convert("P")
    picture.putpalette(_palette(), "RGBA")
    return _png(picture)


def _thinned(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "a b"]:
    """The largest value of each square; its side is one that leaves about OVERLAY_PIXELS of them, or all there are."""
    step = math.ceil(math.sqrt(values.size / OVERLAY_PIXELS))
    for axis in (0, 1):
        first, *others = (values[(slice(None),) * axis + (slice(start, None, step),)] for start in range(step))
        values = first.copy()
        for other in others:  # which end earlier where the step does not divide the side
            known = values[: other.shape[0], : other.shape[1]]
            np.maximum(known, other, out=known)
    return values


def _displayed(pixels: Shaped[np.ndarray, "h w c"], window: Window | None) -> UInt8[np.ndarray, "h w 3"]:
    """Through the window, or, where none is known or it is for another type, through one of the picture's own."""
    pixels = np.nan_to_num(pixels)
    if window is None or window.dtype != pixels.dtype.name:
        window = Window.of(pixels)
    return Window.to_display(window.unit_of(pixels.transpose(2, 0, 1))[np.newaxis])[0]


@cache
def _palette() -> bytes:
    """Red, green, blue and opacity of each level."""
    places = np.linspace(0, len(STOPS) - 1, LEVELS)
    colours = [np.interp(places, range(len(STOPS)), channel) for channel in zip(*STOPS, strict=True)]
    return np.stack([*colours, np.linspace(0, 255, LEVELS)], axis=1).round().astype(np.uint8).tobytes()


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
