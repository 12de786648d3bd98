"""How images look before anything is done to them, and whether new ones look as those learned from did."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from hizumi.data.images import Window
from hizumi.data.manifest import Manifest
from hizumi.data.region import Region
from hizumi.errors import DataError
from hizumi.shapes import Float, Shaped

LEARNED_FROM, NEW = 100, 32  # images looked at, at most
LEAST = 3  # images that must differ, and more than half of those looked at
MARGIN, LEAST_MARGIN = 0.15, 0.01  # of a range's width, and at least, by which an image may lie outside of it
LINES = 128  # rows, and as many columns, looked at in each image
FAINTEST = 0.02  # grey levels: smaller steps between pixels are rounding
SAME_FILES = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}
WORDS = {
    "brightness": ("darker", "brighter"),
    "contrast": ("lower in contrast", "higher in contrast"),
    "sharpness": ("less sharp", "sharper or noisier"),
    "blocks": ("free of the 8-pixel blocks of JPEG", "more strongly compressed (the 8-pixel blocks of JPEG show)"),
}
IN_PERCENT = ("brightness", "contrast")


class Look(NamedTuple):
    """Measures of one image, each over all of its channels together.

    The median pixel, and the span of the middle nine tenths, as shares of the window of pixel values; the base-2
    logarithms of the second differences over the first ones, and of the steps between the 8-pixel blocks of JPEG over
    those within; height and width in pixels; the ending of its file, "" without one.
    """

    brightness: float
    contrast: float
    sharpness: float
    blocks: float
    height: int
    width: int
    file_type: str


@dataclass(frozen=True)
class Appearance:
    """The range of each measure of a `Look`, and the file types, among the good images that were learned from."""

    ranges: dict[str, tuple[float, float]]
    file_types: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Manifest, window: Window | None, region: Region | None = None) -> Self | None:
        """Of at most 100 images, evenly spread; None for rows, and where fewer than three can be read.

        Where there is a region of interest, images are measured with one colour outside of it.
        """
        looks = _looks(manifest, window, region, LEARNED_FROM)
        if len(looks) < LEAST:
            return None
        ranges = {}
        for name in (*WORDS, "height", "width"):
            low, high = np.quantile([getattr(look, name) for look in looks], (0.01, 0.99))
            margin = max(MARGIN * (high - low), LEAST_MARGIN)
            ranges[name] = float(low - margin), float(high + margin)
        return cls(ranges, tuple(sorted({look.file_type for look in looks})))

    def differences(self, manifest: Manifest, window: Window | None, region: Region | None = None) -> tuple[str, ...]:
        """In what most of some new images lie outside of the ranges; nothing about fewer than three.

        Images drawn like those learned from are hardly ever accused: half of them would have to be among the most
        extreme. Anomalies seldom change these measures of a whole image.
        """
        looks = _looks(manifest, window, region, NEW)
        found = [words for name in WORDS if (words := self._difference(name, looks))]
        sizes = [look for look in looks if self._beyond("height", look) or self._beyond("width", look)]
        if _are_most(len(sizes), looks):
            height, width = Counter((look.height, look.width) for look in sizes).most_common(1)[0][0]
            found.append(f"of another size (most are {width}x{height} pixels)")
        # Arrays in memory, of no file type, may come from files of any.
        types = Counter(look.file_type for look in looks if look.file_type not in ("", *self.file_types))
        if _are_most(types.total(), looks) and "" not in self.file_types:
            found.append(f"{types.most_common(1)[0][0]} files (not {', '.join(self.file_types)})")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {"ranges": {name: list(ends) for name, ends in self.ranges.items()}, "file_types": list(self.file_types)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Undo `to_dict`."""
        return cls({name: (low, high) for name, (low, high) in plain["ranges"].items()}, tuple(plain["file_types"]))

    def _beyond(self, name: str, look: Look) -> int:
        """-1 below the range of this measure, 1 above it, 0 inside, and where there is none."""
        value = getattr(look, name)
        low, high = self.ranges.get(name, (value, value))
        return int(value > high) - int(value < low)

    def _difference(self, name: str, looks: list[Look]) -> str:
        for side, words in zip((-1, 1), WORDS[name], strict=True):
            if _are_most(sum(self._beyond(name, look) == side for look in looks), looks):
                if name not in IN_PERCENT:
                    return words
                low, high = self.ranges[name]
                now = np.median([getattr(look, name) for look in looks])
                return f"{words} ({now:.1%} of the window of pixel values, not {low:.1%} to {high:.1%})"
        return ""


def _are_most(count: int, looks: list[Look]) -> bool:
    return count >= LEAST and count > len(looks) / 2


def _looks(manifest: Manifest, window: Window | None, region: Region | None, count: int) -> list[Look]:
    if window is None or manifest.vectors or len(manifest) < LEAST:
        return []
    chosen = np.linspace(0, len(manifest) - 1, min(len(manifest), count)).round().astype(int)
    return list(_readable(manifest, window, region, chosen.tolist()))


def _readable(manifest: Manifest, window: Window, region: Region | None, indices: list[int]) -> Iterator[Look]:
    for index in indices:
        try:
            pixels = manifest.read_still(index).pixels
            if region is not None:
                pixels = region.look(pixels, manifest.records[index].name).pixels
        except DataError:  # named where it is scored
            continue
        if np.isfinite(pixels).all():
            yield look_of(pixels, window, manifest.records[index].source)


def look_of(pixels: Shaped[np.ndarray, "h w c"], window: Window, source: Path | int) -> Look:
    """The measures of one image, from some of its rows and columns."""
    height, width = pixels.shape[:2]
    across = _levels(pixels[_spread(height)], window)
    down = _levels(pixels[:, _spread(width)], window).T
    low, middle, high = np.quantile(across, (0.05, 0.5, 0.95))
    ending = source.suffix.lower() if isinstance(source, Path) else ""
    first, second, between, within = np.sum([_steps(across), _steps(down)], axis=0) + FAINTEST
    return Look(
        float(middle / 255),
        float((high - low) / 255),
        float(np.log2(second / first)),
        float(np.log2(between / within)),
        height,
        width,
        SAME_FILES.get(ending, ending),
    )


def _spread(length: int) -> np.ndarray:
    return np.linspace(0, length - 1, min(length, LINES)).round().astype(int)


def _levels(pixels: np.ndarray, window: Window) -> Float[np.ndarray, "lines n"]:
    """The mean over channels; the window's two ends are 0 and 255."""
    return np.asarray((pixels.mean(axis=2, dtype=np.float64) - window.low) * (255 / (window.high - window.low)))


def _steps(lines: Float[np.ndarray, "lines n"]) -> list[float]:
    """Mean absolute first and second differences along lines, and first ones between and within blocks of 8 pixels."""
    first, second = np.abs(np.diff(lines)), np.abs(np.diff(lines, n=2))
    if second.shape[1] < 8:
        return [0.0] * 4
    # Steps 3 to 5 lie in the middle of a block, far from both of its ends.
    within = np.isin(np.arange(first.shape[1]) % 8, (2, 3, 4))
    return [float(first.mean()), float(second.mean()), float(first[:, 7::8].mean()), float(first[:, within].mean())]
