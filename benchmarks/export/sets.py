"""The sets: some good items to learn from, some good and defective ones to test, in memory."""

import io
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hizumi.data import Manifest, open_source
from hizumi.data.manifest import GOOD, Record

FEW = (100, 15, 15)  # at most: good to learn, good to test, defective to test
Most = tuple[int, int, int]
LUMINANCE = np.array([0.299, 0.587, 0.114])


def bottle(most: Most = FEW) -> Manifest:
    """Bottles from above, on a saturated white background, in colour."""
    return _photographs("mvtec_bottle_256", "mvtec_bottle", most)


def cookies() -> Manifest:
    """Biscuits on a dark background, in colour."""
    return _photographs("cookie_256", "cookies")


def cookies_16_bit() -> Manifest:
    """The luminance of the biscuits in 16 bits: some 40,000 grey levels."""
    colour = cookies()
    assert colour.arrays is not None, "the set lies in memory"
    grey = np.rint(colour.arrays @ LUMINANCE * (65535 / 255)).astype(np.uint16)[..., None]
    return Manifest(colour.records, grey, name="cookies_16_bit")


def magnetic_tile(most: Most = FEW) -> Manifest:
    """Grey tiles at 128 pixels, split by the tile that was photographed."""
    found = _arrays("magnetic_tile_128")
    kinds = np.where(found["cls"] == "Free", GOOD, found["cls"])
    return _manifest(found["x"][..., None], kinds, found["split"], "magnetic_tile", most)


def elpv() -> Manifest:
    """Monocrystalline solar cells in electroluminescence, grey, at 96 pixels."""
    found = _arrays("elpv_96")
    known = (found["type"] == "mono") & np.isin(found["prob"], [0.0, 1.0])
    kinds = np.where(found["prob"][known] == 0, GOOD, "defective")
    return _manifest(found["x"][known][..., None], kinds, _split(kinds), "elpv")


def brick() -> Manifest:
    """The built-in texture."""
    return open_source("brick")


def thyroid() -> Manifest:
    """Six measurements of patients: a table."""
    found = _arrays("thyroid")
    kinds = np.where(found["y"].ravel() == 0, GOOD, "ill")
    return _manifest(found["X"].astype(np.float64), kinds, _split(kinds), "thyroid")


SETS: dict[str, Callable[[], Manifest]] = {
    each.__name__: each for each in (bottle, thyroid, cookies, cookies_16_bit, magnetic_tile, elpv, brick)
}


def _arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(Path(os.environ["HIZUMI_DATA"]) / f"{name}.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _photographs(file: str, name: str, most: Most = FEW) -> Manifest:
    found = _arrays(file)
    ends = found["offset"]
    pictures = [
        np.asarray(Image.open(io.BytesIO(found["image"][start:end].tobytes())).convert("RGB"))
        for start, end in itertools.pairwise(ends)
    ]
    return _manifest(np.stack(pictures), found["kind"], found["split"], name, most)


def _split(kinds: np.ndarray) -> np.ndarray:
    """Defects to test, and with them every fourth good item."""
    return np.where((kinds != GOOD) | (np.arange(len(kinds)) % 4 == 0), "test", "train")


def _manifest(items: np.ndarray, kinds: Any, splits: Any, name: str, most: Most = FEW) -> Manifest:
    """The first so many of each part, evenly spread."""
    good, test = np.asarray(kinds) == GOOD, np.asarray(splits) == "test"
    parts = (good & ~test, good & test, ~good)
    kept = np.concatenate([_spread(np.flatnonzero(part), count) for part, count in zip(parts, most, strict=True)])
    records = tuple(
        Record(
            f"{name}-{index}",
            str(kinds[index]),
            int(not good[index]),
            "test" if test[index] or not good[index] else None,
            row=row,
        )
        for row, index in enumerate(kept.tolist())
    )
    return Manifest(records, items[kept], name=name)


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    return places[np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)]
