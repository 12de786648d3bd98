"""From a user's data and options to what is fitted on: sizes, ranges and motion, and who is held out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np

from hizumi.data import Decoded, Manifest, Motion, Sizing, Store, Window, check_disjoint, split
from hizumi.data.alignment import Alignment
from hizumi.data.images import CHANNEL_NAMES
from hizumi.data.levels import Levels
from hizumi.data.looking import seen_of
from hizumi.data.missing import Filling
from hizumi.data.motion import UNIT_WINDOW
from hizumi.data.rasters import PIXEL_LIMIT
from hizumi.data.region import Region
from hizumi.data.spread import evenly_spread
from hizumi.data.stream import Batches, dealt
from hizumi.errors import DataError, UsageError
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.shapes import is_series
from hizumi.training import TrainingOptions
from hizumi.words import counted

Read = TypeVar("Read")

WindowOption = tuple[float, float] | Sequence[tuple[float, float]] | Literal["auto"] | None

MOTION_SAMPLE = 64  # training frames that the range of motion is estimated on
ALIGNED_SAMPLE = 32  # images that tell how well parts agree once they are aligned
REGION_SAMPLE = 32  # images that tell how much a foreground covers, and what colour lies outside of a region
LEVELS_SAMPLE = 48  # images whose values are looked at
USUAL_SAMPLE = 15  # images whose size and depth are
MOTION_QUANTILE = 0.999
STILL = 1e-3  # pixels
VALIDATION_SHARE = 0.1  # of the training images, where patience asks for a validation loss


@dataclass(frozen=True)
class DataOptions:
    """How records are to be read; None leaves a choice to the data.

    `motion` is False for single images, True for frames judged with their motion, or the displacement in pixels that
    becomes 1. With `align`, parts are turned and shifted until they lie alike. Only what lies in the `region` is looked
    at. The window is for all channels, or one for each; "auto" is the range that most of these pixels use. Decoded
    pixels are kept in the folder `cache`, a temporary one where it is None.
    """

    image_size: int | tuple[int, int] | None = None
    sizing: Literal["resize", "tile"] = "resize"
    window: WindowOption = None
    motion: bool | float = False
    cache: Path | None = None
    strict: bool = False
    on_progress: Callable[[int, int], None] | None = None
    filling: Filling | None = None
    pixel_limit: int = PIXEL_LIMIT
    align: bool = False
    region: Region | None = None


@runtime_checkable
class ChoosesSize(Protocol):
    """What says at which size it works on images, where the user does not."""

    @property
    def working_size(self) -> int:
        """Side of a tile in pixels."""
        ...

    def working_sizing(self, height: int, width: int) -> Sizing:
        """How whole images of this size are brought to a working size."""
        ...


@dataclass(frozen=True)
class ByPixels:
    """Images of more pixels than a square of this side has are brought to as many."""

    working_size: int

    def working_sizing(self, height: int, width: int) -> Sizing:
        """How whole images of this size are brought to a working size."""
        return Sizing.by_pixels(height, width, self.working_size)


def prepare(train: Manifest, options: DataOptions, chooses: ChoosesSize) -> tuple[Preprocessing, Store]:
    """The preprocessing that training data and options ask for, and the training data read by it."""
    if train.vectors or train.series is not None:
        _refuse_for_images(options, "rows of numbers" if train.vectors else "series")
    train = replace(train, filling=options.filling, pixel_limit=options.pixel_limit)
    sizing = choose_sizing(train, options, chooses)
    if options.motion is not False and sizing is not None:
        _refuse_for_motion(options)
    alignment = _choose_alignment(train, options.region) if options.align else None
    region = None if options.region is None else _learned(options.region, train, alignment, sizing)
    window = choose_window(train, options.window, alignment, region)
    if options.motion is not False and sizing is not None:
        train = replace(train, motion=_choose_motion(train, sizing, window, options.motion))
        window = UNIT_WINDOW
    draft = Preprocessing(
        sizing=sizing,
        window=window,
        filling=options.filling,
        pixel_limit=options.pixel_limit,
        alignment=alignment,
        region=region,
    )
    store = read(train, draft, options)
    return Preprocessing.of(store), store


def _refuse_for_images(options: DataOptions, kind: str) -> None:
    """Raise UsageError where numbers are to be read as only images can be."""
    wished = {
        "--nodata and --fill-nan are": options.filling is not None,
        "--image-size (`image_size`) is": options.image_size is not None,
        "--tiles (`sizing`) is": options.sizing == "tile",
        "--window (`window`) is": options.window is not None,
        "--align (`align`) is": options.align,
        "--roi and --ignore-region (`region`) are": options.region is not None,
    }
    for option, is_given in wished.items():
        if is_given:
            raise UsageError(f"{option} for images, and these are {kind}; leave that out")


def _refuse_for_motion(options: DataOptions) -> None:
    """Raise UsageError where frames with their motion are to be read as only single images can be."""
    wished = {
        "--align (`align`) is": options.align,
        "--roi and --ignore-region (`region`) are": options.region is not None,  # motion reaches over any border
    }
    for option, is_given in wished.items():
        if is_given:
            raise UsageError(f"{option} for single images, and these are frames with their motion")


def read(manifest: Manifest, preprocessing: Preprocessing, options: DataOptions) -> Store:
    """Records read by a preprocessing, whose window and channels may still be for the data to decide."""
    return Store.build(
        replace(manifest, filling=preprocessing.filling, pixel_limit=preprocessing.pixel_limit),
        preprocessing.sizing,
        window=preprocessing.window,
        channels=preprocessing.channels,
        scaler=preprocessing.scaler,
        alignment=preprocessing.alignment,
        region=preprocessing.region,
        folder=options.cache,
        strict=options.strict,
        on_progress=options.on_progress,
    )


def choose_sizing(train: Manifest, options: DataOptions, chooses: ChoosesSize) -> Sizing | None:
    """The size asked for, or the one chosen for images of the usual size; None for rows and series."""
    if train.vectors or train.series is not None:
        return None
    if options.image_size is not None:
        size = options.image_size
        height, width = size if isinstance(size, tuple | list) else (size, size)
        sizing = Sizing(int(height), int(width), options.sizing)
    elif options.sizing == "tile":
        sizing = Sizing(chooses.working_size, chooses.working_size, "tile")
    else:
        sizing = chooses.working_sizing(*usual_size(train))
    if is_series((1, sizing.height, sizing.width)):  # as a window of a series, which has no bounds, has its form
        raise DataError(
            f"{train.name}: its images would be looked at as {sizing.width}x{sizing.height} pixels, a single line; put "
            "lines of a scan together to pictures, or give a larger --image-size (image_size)"
        )
    return sizing


def usual_size(manifest: Manifest) -> tuple[int, int]:
    """Median height and width in pixels of some images, evenly spread; raises DataError where none can be read."""
    sizes = list(_readable(lambda index: manifest.outline(index)[:2], evenly_spread(len(manifest), USUAL_SAMPLE)))
    height, width = np.median(sizes or [first_readable(manifest).shape[:2]], axis=0).round().astype(int).tolist()
    return height, width


def choose_window(
    train: Manifest,
    window: WindowOption,
    alignment: Alignment | None = None,
    region: Region | None = None,
) -> Window | None:
    """The window asked for, of most images' dtype; None where that decides, or the whole range of floats.

    Images that are neither grey nor in colour are no photographs, whose channels have a range in common: by default
    each channel has the range that most of its pixels use.
    """
    if train.vectors or train.series is not None:
        return None
    if window is not None and window != "auto":
        return _given_window(train, window)
    if window is None and first_readable(train).shape[2] in CHANNEL_NAMES:
        return None
    dtype = _usual_dtype(train)
    levels = levels_of(train, dtype, alignment, region)
    assert levels is not None, "an image can be read"
    if levels.of_channels and len(levels.of_channels) not in CHANNEL_NAMES:
        return Window.of_each([part.window() for part in levels.of_channels], dtype)
    return None if window is None else Window(*levels.window(), dtype)


def _given_window(train: Manifest, window: tuple[float, float] | Sequence[tuple[float, float]]) -> Window:
    """For images of the usual dtype; raises UsageError for what is no range, and too few or too many of them."""
    ranges = [(low, high) for low, high in np.array(window, dtype=np.float64).reshape(-1, 2).tolist()]
    if not ranges:
        raise UsageError("window is empty; give two numbers, as (0, 4095), or two for each channel")
    if not all(low < high for low, high in ranges):
        raise UsageError(f"window is {window}; its first value must lie below its second")
    if len(ranges) > 1 and len(ranges) != (channels := first_readable(train).shape[2]):
        raise UsageError(
            f"window has {len(ranges)} ranges, and the images have {counted(channels, 'channel')}; give one for each, "
            "or one for all"
        )
    return Window.of_each(ranges, _usual_dtype(train))


def levels_of(
    manifest: Manifest, dtype: str, alignment: Alignment | None = None, region: Region | None = None
) -> Levels | None:
    """Values of the pixels of some images of a dtype, evenly spread, as they are stored; None where none can be read.

    Where there is a region, of the pixels in it.
    """

    def read_one(index: int) -> Decoded:
        decoded = manifest.read_still(index)
        if region is None:
            return decoded
        seen = seen_of(decoded.pixels, manifest.records[index].name, alignment, region)
        return Decoded(seen.pixels[seen.inside], decoded.notes)

    some = _pixels(read_one, evenly_spread(len(manifest), LEVELS_SAMPLE))
    return Levels.of(pixels for pixels in some if pixels.dtype.name == dtype)


def split_for_fit(manifest: Manifest, calibration_share: float | None, seed: int) -> Manifest:
    """The records, each with a split, after making sure that no two splits share an image.

    With `calibration_share` None everything that may be learned from is for training.
    """
    if calibration_share is None and any(record.split == "calibration" for record in manifest.records):
        raise UsageError(f"{manifest.name}: marks its own calibration {manifest.noun}s; leave --folds (`folds`) out")
    if manifest.vectors and len(manifest) < 2:
        raise DataError(f"{manifest.name}: n_samples=1; a detector needs at least two rows")
    manifest = split(manifest, calibration_share=calibration_share, seed=seed)
    return replace(manifest, notes=(*manifest.notes, *check_disjoint(manifest)))


def with_validation(store: Batches, options: TrainingOptions) -> tuple[Batches, Batches | None]:
    """What to train on, and what to hold out of it for early stopping where the budget has patience."""
    if not options.has_patience:
        return store, None
    held_out = max(1, round(VALIDATION_SHARE * len(store)))
    if held_out >= len(store):
        raise DataError("one training item is too few for early stopping; leave patience out")
    return dealt(store, held_out, options.seed)


def _choose_alignment(train: Manifest, region: Region | None) -> Alignment:
    """The reference part of some images, evenly spread; where a region is drawn, it is what parts are aligned by."""
    return Alignment.of(_pixels(train.read, evenly_spread(len(train), ALIGNED_SAMPLE)), region)


def _learned(region: Region, train: Manifest, alignment: Alignment | None, sizing: Sizing | None) -> Region:
    """The region, with what follows from some images, evenly spread, as the reference lies."""

    def read_one(index: int) -> Decoded:
        decoded = train.read(index)
        return Decoded(seen_of(decoded.pixels, train.records[index].name, alignment, None).pixels, decoded.notes)

    learned = region.learned(_pixels(read_one, evenly_spread(len(train), REGION_SAMPLE)))
    for pixels in _pixels(read_one, range(len(train))):
        learned.refuse_small(pixels, sizing)
        break
    return learned


def _choose_motion(train: Manifest, sizing: Sizing, window: Window | None, largest: bool | float) -> Motion:
    """How frames are joined with their motion: `window` and `largest` as asked for, or as the training data have them.

    Where the data decide, `largest` is the displacement that one pixel in a thousand of the training frames exceeds.
    """
    frames = _pixels(train.read_still, range(len(train)))
    timed = [record.frame_seconds for record in train.records if record.frame_seconds is not None]
    still = Motion(
        window=window or Window.of(frames),
        channels=first_readable(train).shape[2],
        largest=1.0,
        side=max(sizing.height, sizing.width) if sizing.mode == "resize" else None,
        frame_seconds=median(timed) if timed else None,
    )
    if largest is not True:
        if not largest > 0:
            raise UsageError(f"motion is {largest}; the displacement that becomes 1 must be above 0 pixels")
        return replace(still, largest=float(largest))
    sample = replace(train, motion=still)
    speeds = [pixels[:, :, -1].ravel() for pixels in _pixels(sample.read, evenly_spread(len(train), MOTION_SAMPLE))]
    found = float(np.quantile(np.concatenate(speeds), MOTION_QUANTILE)) if speeds else 0.0
    if not found > STILL:
        raise DataError(f"{train.name}: nothing moves in its training frames; look at them as single images")
    return replace(still, largest=found)


def first_readable(manifest: Manifest) -> np.ndarray:
    """Pixels of the first record that can be read; raises DataError with a reason where none can."""
    for pixels in _pixels(manifest.read, range(len(manifest))):
        return pixels
    try:
        manifest.read(0)
    except DataError as error:
        raise DataError(
            f"{manifest.name}: none of its {len(manifest)} {manifest.noun}s can be read; the first is {error}"
        ) from error
    raise DataError(f"{manifest.name}: holds no record; there is nothing to read")


def _usual_dtype(manifest: Manifest) -> str:
    """What the pixels of most of some images are, evenly spread; raises DataError where none can be read."""
    some = _pixels(manifest.read_still, evenly_spread(len(manifest), USUAL_SAMPLE))
    found = Counter(pixels.dtype.name for pixels in some) or Counter([first_readable(manifest).dtype.name])
    return found.most_common(1)[0][0]


def _pixels(read_one: Callable[[int], Decoded], indices: Iterable[int]) -> Iterator[np.ndarray]:
    """Pixels of those records that can be read."""
    return (decoded.pixels for decoded in _readable(read_one, indices))


def _readable(read_one: Callable[[int], Read], indices: Iterable[int]) -> Iterator[Read]:
    """What can be read of records."""
    for index in indices:
        with suppress(DataError):
            yield read_one(index)
