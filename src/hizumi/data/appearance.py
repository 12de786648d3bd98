"""How images look before anything is done to them, and whether new ones look as those learned from did."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from hizumi.calibration.spread import SUBGROUP, Spread
from hizumi.data.images import Window
from hizumi.data.manifest import Manifest
from hizumi.data.region import Region, frame_of
from hizumi.errors import DataError
from hizumi.shapes import Float, Shaped

LEARNED_FROM, NEW = 100, 32  # images looked at, at most
LEAST = 3  # images that must differ, and more than half of those looked at
MARGIN, LEAST_MARGIN = 0.15, 0.01  # of a range's width, and at least, by which an image may lie outside of it
MOST_LINES, FEWEST_LINES = 128, 16  # rows, and as many columns, looked at in each image
PIXELS_OF_LINES = 16_384  # as many lines as hold so many pixels: the time does not grow with the image
PIXELS_FOR_QUANTILES = 8_192
GAUSSIAN_INNER_MEAN = 0.3247  # mean distance from zero of the nearer half of standard Gaussian values
FAINTEST = 0.02  # grey levels: smaller steps between pixels are rounding
OTHER_FORM = 4  # times longer or wider, from which an image is not judged
FAR_SMALLER = 8  # times on both sides, likewise
SAME_FILES = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}
WORDS = {
    "brightness": ("darker", "brighter"),
    "contrast": ("lower in contrast", "higher in contrast"),
    "sharpness": ("less sharp", "sharper or noisier"),
    "blocks": ("free of the 8-pixel blocks of JPEG", "more strongly compressed (the 8-pixel blocks of JPEG show)"),
}
MEASURES = (*WORDS, "noise", "warmth", "tint")  # that vary from image to image, whatever its size
IN_PERCENT = ("brightness", "contrast")


class Look(NamedTuple):
    """Measures of one image, each over all of its channels together but those of colour.

    The median pixel, and the span of the middle nine tenths, as shares of the window of pixel values; the base-2
    logarithms of the second differences over the first ones, and of the steps between the 8-pixel blocks of JPEG over
    those within; height and width in pixels; the ending of its file, "" without one. Then the base-2 logarithms of the
    noise of single pixels, in 255ths of the window, of mean red over mean blue, and of mean green over the geometric
    mean of these two. Where the texture is as fine as the pixels, it counts as noise. Images without colour have no
    balance.
    """

    brightness: float
    contrast: float
    sharpness: float
    blocks: float
    height: int
    width: int
    file_type: str
    noise: float = 0.0
    warmth: float | None = None
    tint: float | None = None

    @property
    def is_finite(self) -> bool:
        """Whether all measures are numbers: pixels far outside of the window have none."""
        return all(math.isfinite(value) for value in self if isinstance(value, float))


@dataclass(frozen=True)
class Appearance:
    """The range of each measure of a `Look`, and the file types, among the good images that were learned from.

    `spreads` of the measures are for control charts; they are empty for fewer than 30 images and in bundles of earlier
    versions, which are not `framed` either: see `look_within`.
    """

    ranges: dict[str, tuple[float, float]]
    file_types: tuple[str, ...]
    spreads: dict[str, Spread] = field(default_factory=dict)
    framed: bool = False

    @classmethod
    def of(cls, manifest: Manifest, window: Window | None, region: Region | None = None) -> Self | None:
        """Of at most 100 images, in runs of five evenly spread; None for rows, and if fewer than three can be read."""
        looks = _looks(manifest, window, Within(region), LEARNED_FROM, SUBGROUP)
        if len(looks) < LEAST:
            return None
        ranges = {}
        for name in (*WORDS, "height", "width"):
            low, high = np.quantile([getattr(look, name) for look in looks], (0.01, 0.99))
            margin = max(MARGIN * (high - low), LEAST_MARGIN)
            ranges[name] = float(low - margin), float(high + margin)
        for name in ("height", "width"):  # a lower end below 1 would turn bounds of proportions around
            ranges[name] = max(ranges[name][0], 1.0), ranges[name][1]
        return cls(ranges, tuple(sorted({look.file_type for look in looks})), spreads_of(looks), framed=True)

    def differences(self, manifest: Manifest, window: Window | None, region: Region | None = None) -> tuple[str, ...]:
        """In what most of some new images lie outside of the ranges; nothing about fewer than three.

        Images drawn like those learned from are hardly ever accused: half of them would have to be among the most
        extreme. Anomalies seldom change these measures of a whole image.
        """
        looks = _looks(manifest, window, Within(region, framed=self.framed), NEW)
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

    def refuse_other_form(self, height: int, width: int) -> None:
        """Raise DataError for an image so much longer or smaller than those learned from that it shows no such part.

        Scaled to their size it would be mostly padding, or a few pixels spread over it, and pass for flat.
        """
        (shortest, tallest), (narrowest, widest) = self.ranges["height"], self.ranges["width"]
        usual = f"those learned from, of about {(narrowest + widest) / 2:.0f}x{(shortest + tallest) / 2:.0f}"
        if not narrowest / tallest / OTHER_FORM <= width / height <= widest / shortest * OTHER_FORM:
            raise DataError(f"is {width}x{height} pixels, of quite another form than {usual}; crop it as they are")
        if height < shortest / FAR_SMALLER and width < narrowest / FAR_SMALLER:
            raise DataError(f"is {width}x{height} pixels, far smaller than {usual}; give it at their size")

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            "file_types": list(self.file_types),
            "spreads": {name: spread.to_dict() for name, spread in self.spreads.items()},
            "framed": self.framed,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Undo `to_dict`."""
        return cls(
            {name: (low, high) for name, (low, high) in plain["ranges"].items()},
            tuple(plain["file_types"]),
            {name: Spread(**each) for name, each in plain.get("spreads", {}).items()},
            plain.get("framed", False),
        )

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


def spreads_of(looks: Sequence[Look]) -> dict[str, Spread]:
    """Of each measure that all of these images have, in the order of time; empty for fewer than 30."""
    found = {}
    for name in MEASURES:
        values = [getattr(look, name) for look in looks]
        if None not in values and (spread := Spread.of(np.array(values))) is not None:
            found[name] = spread
    return found


@dataclass(frozen=True)
class Within:
    """Where images are measured: everywhere, or inside a region of interest.

    Outside is one colour, and as little of it as the region's frame leaves: where most of a picture were of it, a lamp
    that dims would change no median, and count as contrast. In bundles of earlier versions pictures are not `framed`.
    """

    region: Region | None
    framed: bool = True

    def look(self, pixels: Shaped[np.ndarray, "h w c"], name: str, window: Window, source: Path | int) -> Look:
        """The measures of an image there; raises DataError where the region does not fit it."""
        if self.region is None:
            return look_of(pixels, window, source)
        seen = self.region.look(pixels, name)
        rows, columns = frame_of(seen.inside) if self.framed else (slice(None), slice(None))
        return look_of(seen.pixels[_in_blocks(rows), _in_blocks(columns)], window, source)._replace(
            height=pixels.shape[0], width=pixels.shape[1]
        )


def _in_blocks(places: slice) -> slice:
    """From the beginning of a block of JPEG."""
    return slice((places.start or 0) // 8 * 8, places.stop)


def _looks(manifest: Manifest, window: Window | None, within: Within, count: int, run: int = 1) -> list[Look]:
    """Of up to `count` images, evenly spread in runs of so many neighbours."""
    total = len(manifest)
    if window is None or manifest.vectors or total < LEAST:
        return []
    if total <= count:
        return list(_readable(manifest, window, within, range(total)))
    starts = np.linspace(0, total - run, count // run).round().astype(int)
    return list(_readable(manifest, window, within, (starts[:, np.newaxis] + np.arange(run)).ravel().tolist()))


def _readable(manifest: Manifest, window: Window, within: Within, indices: Iterable[int]) -> Iterator[Look]:
    for index in indices:
        record = manifest.records[index]
        try:
            pixels = manifest.read_still(index).pixels
            look = within.look(pixels, record.name, window, record.source) if np.isfinite(pixels).all() else None
        except DataError:  # named where it is scored
            continue
        if look is not None and look.is_finite:
            yield look


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def look_of(pixels: Shaped[np.ndarray, "h w c"], window: Window, source: Path | int) -> Look:
    """The measures of one image, from some of its rows and columns; not finite where they overflow."""
    height, width = pixels.shape[:2]
    rows = pixels[_spread(height, width)]
    columns = pixels.take(_spread(width, height), axis=1)  # in the order of rows, unlike indexing, which is slower
    across, down = _sums(rows, window), np.ascontiguousarray(_sums(columns, window).T)
    share = 1 / (window.high - window.low) / pixels.shape[2]
    sample = np.sort(across.ravel()[:: -(-across.size // PIXELS_FOR_QUANTILES)])  # for quantiles half of the time
    low, middle, high = np.quantile(sample, (0.05, 0.5, 0.95))
    ending = source.suffix.lower() if isinstance(source, Path) else ""
    first, second, between, within = np.sum([_steps(across), _steps(down)], axis=0) * 255 * share + FAINTEST
    warmth, tint = _colour_balance(rows, window)
    return Look(
        float(middle * share),
        float((high - low) * share),
        float(np.log2(second / first)),
        float(np.log2(between / within)),
        height,
        width,
        SAME_FILES.get(ending, ending),
        float(np.log2(_noise(across) * 255 * share + FAINTEST)),
        warmth,
        tint,
    )


def _spread(length: int, across: int) -> np.ndarray:
    """Indices of the lines of `across` pixels that are looked at, of `length` ones."""
    lines = min(max(PIXELS_OF_LINES // across, FEWEST_LINES), MOST_LINES, length)
    return np.linspace(0, length - 1, lines).round().astype(int)


def _sums(pixels: np.ndarray, window: Window) -> Float[np.ndarray, "lines n"]:
    """Over channels, from the window's lower end, in the data's own values: exact for whole numbers.

    Channels that have a range of their own are brought to the window's.
    """
    # Channel by channel: over so short an axis, numpy's own sum takes ten times as long.
    total = np.zeros(pixels.shape[:2], dtype=np.float32)
    for channel, (low, high) in enumerate(window.ranges(pixels.shape[2])):
        values = pixels[..., channel].astype(np.float32) - np.float32(low)
        total += values if not window.of_channels else values * np.float32((window.high - window.low) / (high - low))
    return total


def _steps(lines: Float[np.ndarray, "lines n"]) -> list[float]:
    """Mean absolute first and second differences along lines, and first ones between and within blocks of 8 pixels."""
    first, second = np.abs(np.diff(lines)), np.abs(np.diff(lines, n=2))
    if second.shape[1] < 8:
        return [0.0] * 4
    # Steps 3 to 5 lie in the middle of a block, far from both of its ends.
    inner = [first[:, start::8] for start in (2, 3, 4)]
    within = sum(float(part.sum()) for part in inner) / sum(part.size for part in inner)
    return [float(first.mean()), float(second.mean()), float(first[:, 7::8].mean()), within]


def _noise(lines: Float[np.ndarray, "lines n"]) -> float:
    """Standard deviation of independent Gaussian noise with the smaller half of these second differences along lines.

    The other half holds the edges of what is pictured.
    """
    second = np.abs(np.diff(lines[::2], n=2)).ravel()
    half = len(second) // 2
    if half == 0:
        return 0.0
    return float(np.partition(second, half)[:half].mean()) / (GAUSSIAN_INNER_MEAN * math.sqrt(6))


def _colour_balance(pixels: np.ndarray, window: Window) -> tuple[float, float] | tuple[None, None]:
    """Warmth and tint of red, green and blue; the means are kept finite where a channel is black."""
    if pixels.shape[2] != 3 or window.of_channels:
        return None, None
    means = np.array([pixels[:, ::4, channel].mean(dtype=np.float64) for channel in range(3)])
    share = (means - window.low) / (window.high - window.low)
    red, green, blue = np.log2(np.maximum(share, 0) + FAINTEST / 255)
    return float(red - blue), float(green - (red + blue) / 2)
