"""Data sets that need no download: digits, photographs of surfaces with drawn defects, and toys in the plane."""

from typing import Literal, cast

import numpy as np

from hizumi.data.arrays import open_array
from hizumi.data.labels import NormalClass
from hizumi.data.manifest import GOOD, Manifest, Record
from hizumi.data.places import BUILTIN_NAMES
from hizumi.data.toys import TOYS, toy
from hizumi.errors import MissingExtraError, UsageError

CROP = 64  # pixels
TRAINING_ROWS_SHARE = 0.62
CALIBRATION_ROWS = 90  # the lowest of them, in which no training crop lies
TRAINING_COUNT, CALIBRATION_COUNT = 2400, 600
TEST_COUNT = 200  # good ones, and as many defective ones
HELD_OUT_DIGIT = 4
DIGITS_TEST_SHARE = 0.2
TOY_POINTS = 10_000
PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "cat", "cell", "clock", "coffee", "coins", "grass", "gravel", "hubble_deep_field",
    "immunohistochemistry", "moon", "page", "retina", "rocket", "text",
)  # fmt: skip
CROPS_OF_EACH = 60


def builtin(name: str, *, normal_class: NormalClass = None, seed: int = 0) -> Manifest:
    """A built-in set by name; equal seeds give equal sets.

    "digits": 8x8 images; the digit 4 is anomalous, or, with `normal_class`, every other digit, or for "all" none.
    "brick", "gravel", "grass": 64x64 crops of a photograph, from its top for training and from the rows below for
    testing, half of these with a drawn scratch, crack, stain, chip or smear and its mask. "photographs": 64x64 colour
    crops of 17 photographs to learn features from, each photograph a class where `normal_class` is "all". "ring",
    "ring_veegan", "grid": points of a mixture of Gaussians, all normal. Raises UsageError for another name.
    """
    if name not in BUILTIN_NAMES:
        raise UsageError(f"{name!r} is not a built-in set; there are {', '.join(BUILTIN_NAMES)}")
    try:
        return _build(name, normal_class, seed)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{name} comes with {error.name}, which is not installed; give your own data"
        ) from error


def _build(name: str, normal_class: NormalClass, seed: int) -> Manifest:
    if name == "digits":
        return _digits(normal_class, seed)
    if normal_class not in (None, "all"):
        raise UsageError(f"{name} has no classes to choose from; leave out normal_class")
    if name in TOYS:
        return open_array(toy(name).sample(TOY_POINTS, seed), name)
    if name == "photographs":
        return _photographs(normal_class == "all", seed)
    return _photograph(cast(Literal["brick", "gravel", "grass"], name), seed)


def _digits(normal_class: NormalClass, seed: int) -> Manifest:
    from sklearn.datasets import load_digits

    if normal_class not in (None, "all", *range(10)):
        raise UsageError(f"digits has no class {normal_class}; choose one from 0 to 9")
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, :, :, np.newaxis]
    in_test = np.random.default_rng(seed).random(len(images)) < DIGITS_TEST_SHARE
    records = []
    for row, digit in enumerate(digits.target.tolist()):
        normal = digit != HELD_OUT_DIGIT if normal_class is None else normal_class in ("all", digit)
        split = "test" if in_test[row] or not normal else None
        kind = GOOD if normal and normal_class != "all" else str(digit)
        records.append(Record(f"row {row}", kind, 0 if normal else 1, split, row=row))
    return Manifest(tuple(records), images, name="digits")


def _photograph(name: Literal["brick", "gravel", "grass"], seed: int) -> Manifest:
    import skimage.data

    from hizumi.data.defects import DEFECTS, draw

    photograph: np.ndarray = getattr(skimage.data, name)()
    generator = np.random.default_rng(seed)
    border = round(TRAINING_ROWS_SHARE * len(photograph))
    training = _crops(photograph[: border - CALIBRATION_ROWS], TRAINING_COUNT, generator)
    calibration = _crops(photograph[border - CALIBRATION_ROWS : border], CALIBRATION_COUNT, generator)
    good = _crops(photograph[border:], TEST_COUNT, generator)
    clean = _crops(photograph[border:], TEST_COUNT, generator)
    kinds = [list(DEFECTS)[index % len(DEFECTS)] for index in range(TEST_COUNT)]
    defective, masks = zip(*(draw(kind, crop, generator) for kind, crop in zip(kinds, clean, strict=True)), strict=True)
    images = np.concatenate([training, calibration, good, np.stack(defective)])[:, :, :, np.newaxis]
    records = [
        *_rows("train", len(training), 0),
        *_rows("calibration", len(calibration), len(training)),
        *_rows("test", len(good), len(training) + len(calibration)),
    ]
    first = len(records)
    records += [
        Record(f"test {kind} {index}", kind, 1, "test", row=first + index, mask=index)
        for index, kind in enumerate(kinds)
    ]
    return Manifest(tuple(records), images, np.stack(masks), name=name)


def _photographs(in_classes: bool, seed: int) -> Manifest:
    import skimage.color
    import skimage.data

    generator = np.random.default_rng(seed)
    crops, records = [], []
    for name in PHOTOGRAPHS:
        photograph: np.ndarray = getattr(skimage.data, name)()
        colour = photograph if photograph.ndim == 3 else skimage.color.gray2rgb(photograph)
        crops.append(_crops(colour, CROPS_OF_EACH, generator))
        records += [(f"{name} {index}", name if in_classes else GOOD) for index in range(CROPS_OF_EACH)]
    rows = tuple(Record(name, kind, row=row) for row, (name, kind) in enumerate(records))
    return Manifest(rows, np.concatenate(crops), name="photographs")


def _rows(split: str, count: int, first: int) -> list[Record]:
    return [Record(f"{split} {GOOD} {index}", split=split, row=first + index) for index in range(count)]


def _crops(photograph: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (CROP, CROP), axis=(0, 1))
    tops = generator.integers(0, windows.shape[0], count)
    lefts = generator.integers(0, windows.shape[1], count)
    crops = windows[tops, lefts].copy()  # a channel axis comes before the axes of the window
    return crops if photograph.ndim == 2 else np.ascontiguousarray(crops.transpose(0, 2, 3, 1))
