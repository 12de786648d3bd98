"""From records to crops at the working size, and from maps of these crops back to the size of the record."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hizumi.data import Manifest, Sizing, Window
from hizumi.data.images import prepare
from hizumi.data.manifest import Failure
from hizumi.data.missing import not_finite
from hizumi.data.pose import UPRIGHT, Pose
from hizumi.errors import DataError
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.shapes import Float, Shaped
from hizumi.storage.files import printable

if TYPE_CHECKING:
    from hizumi.data import Store


@dataclass(frozen=True, eq=False)
class Piece:
    """One record at the working size: one crop, or one for each tile.

    Crops of images have the values and dtype of the record; rows of numbers are float64, in their own units. `size` is
    the (height, width) of the maps that belong to the record.
    """

    index: int
    name: str
    crops: Shaped[np.ndarray, "t c h w"] | Shaped[np.ndarray, "1 d"]
    size: tuple[int, int] | None = None
    tiles: tuple[tuple[int, int], ...] | None = None
    picture: np.ndarray | None = None  # (H, W, 3) uint8, where wanted
    notes: tuple[str, ...] = ()  # on what was converted
    pose: Pose = UPRIGHT  # of the record, whose crops are those of the aligned image


@dataclass(frozen=True)
class Reader:
    """Reads records as they reach a fitted detector or model for items of `shape`; `fitted` names it in errors."""

    preprocessing: Preprocessing
    shape: tuple[int, ...] | None
    fitted: str = "detector"

    def pieces(self, manifest: Manifest, *, pictures: bool = False, strict: bool = False) -> Iterator[Piece | Failure]:
        """All records in order; one that cannot be read is a Failure, or raises DataError where `strict`."""
        manifest = self.preprocessing.decoding(manifest)
        for index, record in enumerate(manifest.records):
            try:
                yield self.piece(manifest, index, pictures)
            except DataError as error:
                if strict:
                    raise
                yield Failure.of(index, record.name, error)

    def piece(self, manifest: Manifest, index: int, pictures: bool) -> Piece:
        """One record; raises DataError where it cannot be read, or is unlike the training data."""
        name = manifest.records[index].name
        pixels, notes = manifest.read(index)
        sizing, window = self.preprocessing.sizing, self.preprocessing.window
        if manifest.vectors != self.preprocessing.vectors:
            raise DataError(
                f"{name}: is {'a row of numbers' if manifest.vectors else 'an image'}, unlike the training data"
            )
        channels = self.preprocessing.channels
        if window is None or channels is None:
            return Piece(index, name, self._row(pixels, name))
        shown, pose = pixels, UPRIGHT
        if self.preprocessing.alignment is not None:
            pose, on_alignment = self.preprocessing.alignment.pose_of(pixels, name)
            pixels, notes = pose.aligned(pixels), (*notes, *on_alignment)
        size = pixels.shape[0] * self.preprocessing.enlarge, pixels.shape[1] * self.preprocessing.enlarge
        if self.preprocessing.enlarge > 1:
            shown = pixels = Sizing(*size).fit(pixels)
        sized = pixels if sizing is None else sizing.fit(pixels)
        image = prepare(sized, channels=channels, window=window, name=name)
        if sizing is None and image.shape != self.shape:
            raise DataError(
                f"{name}: is {size[1]}x{size[0]} pixels, the {self.fitted} was fitted on another size; set image_size"
            )
        _refuse_overflow(image, window, name)
        picture = None
        if pictures:
            whole = prepare(shown, channels=channels, window=window, name=name)
            picture = self.displayed(window.to_unit(whole))
        if sizing is None or not self.preprocessing.tiled:
            return Piece(index, name, image[np.newaxis], size, None, picture, notes, pose)
        tiles = sizing.tiles(*size)
        crops = [image[:, top : top + sizing.height, left : left + sizing.width] for top, left in tiles]
        return Piece(index, name, np.stack(crops), size, tiles, picture, notes, pose)

    def restored(self, piece: Piece, planes: Float[np.ndarray, "t k h w"]) -> Float[np.ndarray, "k height width"]:
        """Planes of a record's crops, such as maps, at the size of the record and as it lies."""
        assert piece.size is not None, "only images have planes"
        return np.stack([piece.pose.back(plane) for plane in self._whole(piece, planes)])

    def _whole(self, piece: Piece, planes: Float[np.ndarray, "t k h w"]) -> Float[np.ndarray, "k height width"]:
        assert piece.size is not None, "only images have planes"
        sizing = self.preprocessing.sizing
        if sizing is None:
            restored: np.ndarray = planes[0]
            return restored
        if piece.tiles is None:
            return np.stack([sizing.restore_map(plane, *piece.size) for plane in planes[0]])
        return np.stack([sizing.stitch(plane, piece.tiles, *piece.size) for plane in planes.swapaxes(0, 1)])

    def restored_unscaled(self, piece: Piece, planes: Float[np.ndarray, "t k h w"]) -> Float[np.ndarray, "k h2 w2"]:
        """Planes of a record without their padding, at the working size where the record was scaled to it."""
        sizing = self.preprocessing.sizing
        if sizing is None or piece.tiles is not None:
            return self.restored(piece, planes)
        assert piece.size is not None, "only images have planes"
        return np.stack([piece.pose.back(sizing.without_padding(plane, *piece.size)) for plane in planes[0]])

    def displayed(self, image: Float[np.ndarray, "c h w"]) -> np.ndarray:
        """An image in [-1, 1] as people see it, (h, w, 3) uint8: of a frame with its motion, the frame alone."""
        motion = self.preprocessing.motion
        return Window.to_display(image[np.newaxis, : None if motion is None else motion.channels])[0]

    def _row(self, row: np.ndarray, name: str) -> Float[np.ndarray, "1 d"]:
        if row.shape != self.shape:
            raise DataError(f"{name}: has {len(row)} columns, the {self.fitted} was fitted on {self.shape}")
        row = np.asarray(row, dtype=np.float64)
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(row) | ~np.isfinite(self.preprocessing.to_model(row[np.newaxis])[0])
        table = self.preprocessing.table
        if table is not None:
            wrong &= ~(np.isnan(row) & np.array(table.may_miss))
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            column = repr(printable(table.columns[place])) if table is not None else place
            raise DataError(f"{name}: column {column} is {not_finite(row[place])}; fill in or leave out the row")
        return row[np.newaxis]


def stored_pieces(store: "Store", count: int) -> Iterator[Piece]:
    """Up to so many items of a store, evenly spread, without decoding them again; of a tiled image, its middle."""
    for item in np.linspace(0, len(store) - 1, min(len(store), count)).astype(np.int64).tolist():
        yield Piece(store.kept[item], store.name(item), store.crop(item)[np.newaxis])


def _refuse_overflow(image: Shaped[np.ndarray, "c h w"], window: Window, name: str) -> None:
    """Raise DataError for a pixel that leaves the range of float32 once it is mapped to the window."""
    if image.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        mapped = window.unit_of(image)
    if not np.isfinite(mapped).all():
        worst = float(image[~np.isfinite(mapped)][0])
        raise DataError(
            f"{name}: has a pixel of {worst:g}, too far from the window {window.low:g} to {window.high:g} to be "
            "computed with; repair or leave out the image"
        )
