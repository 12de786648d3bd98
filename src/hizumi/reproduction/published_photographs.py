"""Sets of photographs: files one after another in an array, and folders of many kinds of parts."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from hizumi.data import Manifest, open_source
from hizumi.data.sizing import Sizing
from hizumi.errors import DataError
from hizumi.reproduction.published_forms import Form, Pool, decoded, npz_form, unpacked
from hizumi.storage.files import printable

SIDE = 256  # pixels of both sides of a square photograph of a part
MARKED_SHARE = 0.4  # of a pixel's area, from which it is marked where masks are shrunk
WELD_ROWS = 256  # all defective welds have so many


def read_categories(folder: Path, what: str, names: Sequence[str], places: Sequence[str]) -> Pool:
    """Kinds of parts as sections, all at 256 pixels: those of these names that the folder, or a place in it, holds.

    Each is a folder in the MVTec AD layout, or a file PLACE_NAME_256.npz. Raises DataError where there is none.
    """
    if not folder.is_dir():
        raise DataError(f"{printable(folder)}: there is no such folder; give the one that holds {what}")
    found = {name: pool for name in names if (pool := _category(folder, name, places)) is not None}
    if not found:
        raise DataError(
            f"{printable(folder)}: holds no {what}; looked for folders such as {names[0]}/train/good, there or in "
            f"{' or '.join(f'{place}/' for place in places)}; or files such as {places[0]}_{names[0]}_{SIDE}.npz"
        )
    pools = list(found.values())
    return Pool(
        np.concatenate([pool.items for pool in pools]),
        np.concatenate([pool.kinds for pool in pools]),
        np.concatenate([pool.tested for pool in pools if pool.tested is not None]),
        sections=np.repeat(list(found), [len(pool) for pool in pools]),
        masks=np.concatenate([_masks(pool) for pool in pools]),
    )


def photographs_form(name: str) -> Form:
    """A file of photographs with their splits, kinds, and masks of some."""
    return npz_form(name, from_photographs)


def from_photographs(arrays: Mapping[str, np.ndarray]) -> Pool:
    """`image`, the files' bytes, `offset`, where each begins, `split`, `kind`, and masks of those in `mask_of`."""
    items = np.stack(decoded(arrays["image"], arrays["offset"]))
    masks = np.zeros(items.shape[:3], bool)
    if "mask" in arrays:
        masks[arrays["mask_of"]] = unpacked(arrays["mask"], items.shape[2])
    return Pool(items, arrays["kind"], arrays["split"] == "test", masks=masks if masks.any() else None)


def from_welds(arrays: Mapping[str, np.ndarray]) -> Pool:
    """As `from_photographs`, grey, of several heights and with the weld in `group`: all brought to 256 rows.

    Every defective one has 256 rows and half of the good ones has not, so that the height alone would tell: no other
    height tests. What trains is cut in the middle or mirrored at its lower edge. Those in `leak` are left out.
    """
    images, tested = decoded(arrays["image"], arrays["offset"], "L"), arrays["split"] == "test"
    alike = np.array([len(image) == WELD_ROWS for image in images])
    kept = np.flatnonzero(np.where(tested, alike & ~arrays["leak"], True))
    items = np.stack([_of_rows(images[index], WELD_ROWS) for index in kept])[..., np.newaxis]
    masks = np.zeros((len(images), *items.shape[1:3]), bool)
    masks[arrays["mask_of"]] = unpacked(arrays["mask"], items.shape[2])
    return Pool(items, arrays["kind"][kept], tested[kept], groups=arrays["group"][kept], masks=masks[kept])


def _category(folder: Path, name: str, places: Sequence[str]) -> Pool | None:
    for place in (*(folder / place for place in places), folder):
        if (place / name / "train").is_dir():
            return _shrunk(open_source(place / name))
    readers: list[Callable[[Path], Pool | None]] = [
        photographs_form(f"{place}_{name}_{SIDE}.npz")[1] for place in places
    ]
    return next((pool for reader in readers if (pool := reader(folder)) is not None), None)


def _shrunk(manifest: Manifest) -> Pool:
    """Images that a manifest names and their masks, at 256 pixels and in colour."""
    sizing = Sizing(SIDE, SIDE)
    items = np.empty((len(manifest), SIDE, SIDE, 3), np.uint8)
    masks = np.zeros(items.shape[:3], bool)
    for index in range(len(manifest)):
        items[index] = sizing.fit(manifest.read(index).pixels)  # grey ones show the same in all three channels
        mask = manifest.read_mask(index)
        if mask is not None:
            masks[index] = sizing.fit(mask[..., np.newaxis].astype(np.float32))[..., 0] >= MARKED_SHARE
    return Pool(
        items,
        np.array([record.kind for record in manifest.records]),
        np.array([record.split == "test" for record in manifest.records]),
        masks=masks,
    )


def _masks(pool: Pool) -> Bool[np.ndarray, "n h w"]:
    return np.zeros(pool.items.shape[:3], bool) if pool.masks is None else pool.masks


def _of_rows(image: UInt8[np.ndarray, "h w"], rows: int) -> UInt8[np.ndarray, "rows w"]:
    top = max(0, (len(image) - rows) // 2)
    cut = image[top : top + rows]
    return np.pad(cut, ((0, rows - len(cut)), (0, 0)), mode="symmetric")
