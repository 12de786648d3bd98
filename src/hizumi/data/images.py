"""Pixels in memory: their dtypes and channels, and the one window that maps them to [-1, 1].

Files are decoded in `decoding.py`. Nothing is clipped or rescaled silently, except for display.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from hizumi.data.missing import Filling
from hizumi.errors import DataError
from hizumi.shapes import Float, Shaped, UInt8

EXACT_IN_FLOAT32 = 2**24
CHANNEL_NAMES = {1: "grey", 3: "colour"}


class Decoded(NamedTuple):
    """Pixels (h, w, c) uint8, uint16 or float32 (numbers (d,) for a table row), and notes on their conversion."""

    pixels: np.ndarray
    notes: tuple[str, ...]


PARTLY_READ = "only the first of"
KEPT_AS_FLOATS = "values kept as float32"


def only_first(count: int, what: str) -> str:
    """Note that the others of so many pages or pictures in one file were not read."""
    return f"{PARTLY_READ} {count} {what} was read"


def is_partial(note: str) -> bool:
    """Whether a note on an image tells of pages or pictures in its file that were not read."""
    return note.startswith(PARTLY_READ)


def type_in_words(dtype: np.dtype, notes: tuple[str, ...] = ()) -> str:
    """The type of an image's pixels and, as the notes on its conversion have it, that of its own values."""
    return dtype.name + "".join(f" ({note})" for note in notes if note.endswith(KEPT_AS_FLOATS))


def as_pixels(array: np.ndarray, name: str, filling: Filling | None = None) -> Decoded:
    """An array (h, w) or (h, w, c) of any number type as (h, w, c) uint8, uint16 or float32, with no level lost.

    Booleans become 0 and 255; integers other than uint8 and uint16 become float32 when it holds them exactly. Missing
    pixels are filled first, as `filling` says.
    Raises DataError for other shapes and types, for NaN and infinity, and for numbers that float32 cannot hold.
    """
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or array.size == 0:
        raise DataError(
            f"{name}: is an array of shape {array.shape}; an image is (height, width) or (height, width, channels)"
        )
    if filling is not None and filling.fills:
        array, filled = filling.fill(array, name)
        pixels, notes = as_pixels(array, name)
        return Decoded(pixels, (*filled, *notes))
    kind = array.dtype.newbyteorder("=")  # files may have the other byte order
    if kind in (np.uint8, np.uint16):
        return Decoded(array.astype(kind, copy=False), ())
    if kind == np.bool_:
        return Decoded(array.astype(np.uint8) * np.uint8(255), ("1-bit image read as 0 and 255",))
    if kind.kind == "f":
        return _float_pixels(array, name)
    if kind.kind in "iu":
        if max(abs(int(array.min())), abs(int(array.max()))) > EXACT_IN_FLOAT32:
            raise DataError(f"{name}: has {kind} values beyond ±2^24, which would lose levels; rescale it to 16 bits")
        return Decoded(array.astype(np.float32), (f"{kind} {KEPT_AS_FLOATS}",))
    raise DataError(f"{name}: has values of type {kind}; an image needs whole or real numbers")


def _float_pixels(array: np.ndarray, name: str) -> Decoded:
    with np.errstate(over="ignore"):
        pixels = array.astype(np.float32, copy=False)
    if not np.isfinite(pixels).all():
        if np.isnan(pixels).any():
            raise DataError(f"{name}: contains NaN; fit with --fill-nan (fill_nan=True), or leave out the image")
        raise DataError(
            f"{name}: contains infinite values or values too large for float32; repair or leave out the image, or fit "
            "with --nodata, the value that stands for no data (1e38 or -1e38 where it is infinite)"
        )
    return Decoded(pixels, () if array.dtype.itemsize == 4 else (f"{array.dtype.newbyteorder('=')} {KEPT_AS_FLOATS}",))


def match_channels(
    pixels: Shaped[np.ndarray, "h w c"], channels: int, name: str
) -> tuple[Shaped[np.ndarray, "h w channels"], str | None]:
    """Convert an image to a number of channels where that loses nothing visible, with a note.

    Grey becomes colour by repetition; colour with three equal channels becomes grey. Anything else raises DataError.
    """
    found = pixels.shape[2]
    if found == channels:
        return pixels, None
    if found == 1 and channels == 3:
        return np.repeat(pixels, 3, axis=2), "grey image repeated into three colour channels"
    if found == 3 and channels == 1 and (pixels == pixels[:, :, :1]).all():
        return pixels[:, :, :1], "colour image with three equal channels read as grey"
    wanted, got = (CHANNEL_NAMES.get(count, f"{count}-channel") for count in (channels, found))
    raise DataError(f"{name}: is a {got} image, {wanted} was expected; convert it, or leave it out")


@dataclass(frozen=True)
class Window:
    """The range of pixel values that maps to [-1, 1]: `low` maps to -1 and `high` to 1, for images of `dtype` only.

    It is fixed on the training data and stored with the detector. Values outside it map outside [-1, 1]. Where channels
    measure different things, such as colour and depth, each has its own (low, high) in `of_channels`, and `low` and
    `high` are the least and the greatest of these.
    """

    low: float
    high: float
    dtype: str
    of_channels: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, source: "np.dtype | type | np.ndarray | Iterable[np.ndarray]") -> "Window":
        """The whole range of an integer dtype, or the minimum to maximum of float images.

        Images that all hold one value get a window around it, which maps them to 0. Raises DataError for a float dtype
        without images, for no images, and for NaN.
        """
        if isinstance(source, (np.dtype, type)):
            dtype = np.dtype(source)
            if dtype.kind not in "iu":
                raise DataError(f"a window for {dtype} images needs the images, or its low and high value")
            return cls._of_integers(dtype)
        low, high, found = np.inf, -np.inf, np.dtype(np.float32)
        for array in [source] if isinstance(source, np.ndarray) else source:
            if array.dtype.kind in "iu":
                return cls._of_integers(array.dtype)
            low, high, found = min(low, float(array.min())), max(high, float(array.max())), array.dtype
        if not low <= high:
            raise DataError("no window can be found: there are no images, or they contain NaN")
        margin = max(1.0, abs(low)) / 2 if low == high else 0.0
        return cls(low - margin, high + margin, found.name)

    @classmethod
    def of_each(cls, ranges: Sequence[tuple[float, float]], dtype: str) -> Self:
        """Of images whose channels have these ranges, in their order."""
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        return cls(low, high, dtype, tuple(ranges) if len(ranges) > 1 else ())

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`."""
        return cls(**{**plain, "of_channels": tuple((low, high) for low, high in plain.get("of_channels", ()))})

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; where one range is for all channels, as earlier versions read it."""
        plain = {"low": self.low, "high": self.high, "dtype": self.dtype}
        return plain | ({"of_channels": [list(each) for each in self.of_channels]} if self.of_channels else {})

    @classmethod
    def _of_integers(cls, dtype: np.dtype) -> "Window":
        limits = np.iinfo(dtype)
        return cls(float(limits.min), float(limits.max), dtype.name)

    def check(self, dtype: np.dtype, name: str = "", notes: tuple[str, ...] = ()) -> None:
        """Raise DataError for another dtype: equal parts have other values at another bit depth.

        `name` is the image's, `notes` tell how it was converted.
        """
        if dtype.name != self.dtype:
            which = f"{name}: the image" if name else "the image"
            raise DataError(
                f"{which} is {type_in_words(dtype, notes)}, and the training images were {self.dtype}; "
                "save it at their depth"
            )

    def ranges(self, channels: int) -> tuple[tuple[float, float], ...]:
        """The (low, high) of each channel of images that have so many."""
        return self.of_channels or ((self.low, self.high),) * channels

    def limits(self) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
        """Lows and highs, float64, to be computed with beside images with their channels first."""
        shape = (len(self.of_channels), 1, 1) if self.of_channels else ()
        low, high = np.array(self.of_channels or [(self.low, self.high)], dtype=np.float64).T
        return low.reshape(shape), high.reshape(shape)

    def to_unit(self, pixels: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Map pixels of the window's dtype to float32 with `low` at -1 and `high` at 1, clipping nothing.

        Channels that have ranges of their own are the third axis from the last. Raises DataError for another dtype.
        """
        self.check(pixels.dtype)
        return self.unit_of(pixels)

    def unit_of(self, values: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Map values of any dtype, in units of the pixels, without checking the dtype."""
        low, high = self.limits()
        unit = values.astype(np.float32)
        unit -= low.astype(np.float32)
        unit *= (2 / (high - low)).astype(np.float32)
        unit -= np.float32(1)
        return unit

    def to_pixels(self, unit: Float[np.ndarray, "..."]) -> tuple[Shaped[np.ndarray, "..."], float]:
        """Invert `to_unit`; also return the share of values that were clipped to the limits of the dtype."""
        low, high = self.limits()
        pixels = (unit.astype(np.float64) + 1) * ((high - low) / 2) + low
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            return pixels.astype(dtype), 0.0
        limits = np.iinfo(dtype)
        rounded = np.rint(pixels)
        held = rounded.clip(limits.min, limits.max)
        return held.astype(dtype), float((held != rounded).mean())

    @staticmethod
    def to_display(batch: Float[np.ndarray, "n c h w"]) -> UInt8[np.ndarray, "n h w 3"]:
        """Pictures for display: [-1, 1] becomes 0 to 255, other values are clipped.

        One channel is shown in grey, three in colour, any other number as the mean of the channels.
        """
        with np.errstate(over="ignore"):  # infinity, too, is shown as white
            shown = batch if batch.shape[1] == 3 else np.repeat(batch.mean(1, keepdims=True), 3, axis=1)
        grey_levels = np.rint((shown.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
        return np.ascontiguousarray(grey_levels.transpose(0, 2, 3, 1))


def prepare(
    pixels: Shaped[np.ndarray, "h w c"], *, channels: int, window: Window, name: str, notes: tuple[str, ...] = ()
) -> Shaped[np.ndarray, "channels h w"]:
    """One image with its channels matched and put first; raises DataError where it is not of the window's dtype.

    `notes` tell how it was converted.
    """
    matched, _ = match_channels(pixels, channels, name)
    window.check(matched.dtype, name, notes)
    return np.ascontiguousarray(matched.transpose(2, 0, 1))
