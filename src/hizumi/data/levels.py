"""Look at the values of pixels: which range most of them use, and which lie far away."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from hizumi.shapes import Float, Shaped

PIXELS_OF_EACH = 10_000  # looked at, in all of their channels together
FAR = 3.0  # spans of the middle nine tenths: a gap so wide separates far values from the others
SHARED_BY = 0.05  # of the images, at least, that hold one far value which stands for no data
WINDOW_MARGIN = 0.05  # of the range that is used, on both sides of a window that is found from it


@dataclass(frozen=True)
class Levels:
    """Values of some images: all from `lowest` to `highest`, most of them from `low` to `high`.

    `far_share` is the share of pixels beyond `low` and `high`; `nodata` is the one far value that many images share.
    `of_channels` are those of each channel by itself, where all images have as many, and more than one.
    """

    lowest: float
    highest: float
    low: float
    high: float
    far_share: float
    nodata: float | None
    of_channels: "tuple[Levels, ...]" = ()

    @classmethod
    def of(cls, images: Iterable[np.ndarray]) -> Self | None:
        """From a sample of each image's pixels, (h, w, c) or (n, c); None where no image is given."""
        samples = [_sample(image) for image in images]
        counts = {sample.shape[1] for sample in samples}
        if not samples:
            return None
        each = range(*counts) if len(counts) == 1 and counts != {1} else ()
        of_channels = tuple(cls._of([sample[:, channel] for sample in samples]) for channel in each)
        return replace(cls._of([sample.ravel() for sample in samples]), of_channels=of_channels)

    @classmethod
    def _of(cls, samples: list[Float[np.ndarray, "_"]]) -> Self:
        """From values of each image."""
        values = np.concatenate(samples)
        low, high = _used(values)
        far = (values < low) | (values > high)
        return cls(
            lowest=float(values.min()),
            highest=float(values.max()),
            low=low,
            high=high,
            far_share=float(far.mean()),
            nodata=_shared(samples, low, high),
        )

    def window(self) -> tuple[float, float]:
        """A window around what most pixels use; of images of one value, around that value."""
        margin = WINDOW_MARGIN * (self.high - self.low) or max(1.0, abs(self.low)) / 2
        return self.low - margin, self.high + margin


def _sample(image: Shaped[np.ndarray, "h w c"] | Shaped[np.ndarray, "n c"]) -> Float[np.ndarray, "k c"]:
    """All channels of pixels that are evenly spread over rows and columns."""
    pixels = image.reshape(-1, image.shape[-1])
    step = max(1, image.size // PIXELS_OF_EACH)
    while math.gcd(step, image.shape[-2]) > 1:  # or they would lie in a few columns
        step += 1
    return pixels[::step].astype(np.float64)


def _used(values: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value before a wide gap on the way out from the middle nine tenths.

    Where these are all one value, no gap is wide.
    """
    values = np.sort(values)
    first, last = np.quantile(values, [0.05, 0.95])
    wide = np.flatnonzero(np.diff(values) > FAR * (last - first)) if last > first else np.empty(0, dtype=int)
    below, above = wide[values[wide + 1] <= first], wide[values[wide] >= last]
    return float(values[below[-1] + 1 if below.size else 0]), float(values[above[0] if above.size else -1])


def _shared(samples: list[np.ndarray], low: float, high: float) -> float | None:
    """The far value that most images share, where these are more than one, and enough."""
    counts: dict[float, int] = {}
    for sample in samples:
        for value in {float(value) for value in (sample.min(), sample.max()) if not low <= value <= high}:
            counts[value] = counts.get(value, 0) + 1
    shared = [value for value in counts if counts[value] >= max(2, SHARED_BY * len(samples))]
    return max(shared, key=lambda value: counts[value], default=None)
