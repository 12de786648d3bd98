"""From records to crops of the working size, and from pictures and maps of these back to the size of the record."""

from dataclasses import dataclass

import numpy as np

from hizumi.data import Manifest, Sizing, Window
from hizumi.data.images import prepare
from hizumi.errors import DataError
from hizumi.shapes import Float, Shaped


@dataclass(frozen=True, eq=False)
class Piece:
    """One record at the working size: one crop, or as many as there are tiles; `size` is that of what comes back.

    Crops of images have the values and the dtype of the record, which the window maps to [-1, 1]; rows are float32.
    """

    index: int
    name: str
    crops: Shaped[np.ndarray, "t c h w"] | Shaped[np.ndarray, "1 d"]
    size: tuple[int, int] | None
    tiles: tuple[tuple[int, int], ...] | None
    picture: np.ndarray | None  # (H, W, 3) uint8, where wanted


@dataclass(frozen=True)
class Reader:
    """The preprocessing that something was fitted with, for items of `shape`.

    `sizing` is None where images come as they are, `window` and `channels` are None for rows of numbers; `fitted` is
    what error messages call that which was fitted. Images are first made `enlarge` times larger.
    """

    shape: tuple[int, ...] | None
    sizing: Sizing | None
    window: Window | None
    channels: int | None
    fitted: str = "detector"
    enlarge: int = 1

    def piece(self, manifest: Manifest, index: int, pictures: bool) -> Piece:
        """One record; raises DataError where it cannot be read, or is unlike what was trained on."""
        name, pixels = manifest.records[index].name, manifest.read(index).pixels
        if manifest.vectors != (self.window is None):
            raise DataError(
                f"{name}: is {'a row of numbers' if manifest.vectors else 'an image'}, unlike the training data"
            )
        if self.window is None or self.channels is None:
            return Piece(index, name, self._row(pixels, name), None, None, None)
        size = pixels.shape[0] * self.enlarge, pixels.shape[1] * self.enlarge
        if self.enlarge > 1:
            pixels = Sizing(*size).fit(pixels)
        sized = pixels if self.sizing is None else self.sizing.fit(pixels)
        image = prepare(sized, channels=self.channels, window=self.window, name=name)
        if self.sizing is None and image.shape != self.shape:
            raise DataError(
                f"{name}: is {size[1]}x{size[0]} pixels, the {self.fitted} was fitted on another size; set image_size"
            )
        picture = None
        if pictures:
            whole = prepare(pixels, channels=self.channels, window=self.window, name=name)
            shown = None if manifest.motion is None else manifest.motion.channels  # people look at frames
            picture = Window.to_display(self.window.to_unit(whole)[np.newaxis, :shown])[0]
        if self.sizing is None or self.sizing.mode == "resize":
            return Piece(index, name, image[np.newaxis], size, None, picture)
        tiles = self.sizing.tiles(*size)
        height, width = self.sizing.height, self.sizing.width
        crops = np.stack([image[:, top : top + height, left : left + width] for top, left in tiles])
        return Piece(index, name, crops, size, tiles, picture)

    def restored(self, piece: Piece, planes: Float[np.ndarray, "t k h w"]) -> Float[np.ndarray, "k height width"]:
        """Planes of the crops as planes of the record."""
        assert piece.size is not None
        if self.sizing is None:
            restored: np.ndarray = planes[0]
            return restored
        if piece.tiles is None:
            return np.stack([self.sizing.restore_map(plane, *piece.size) for plane in planes[0]])
        return np.stack([self.sizing.stitch(plane, piece.tiles, *piece.size) for plane in planes.swapaxes(0, 1)])

    def _row(self, row: np.ndarray, name: str) -> Float[np.ndarray, "1 d"]:
        if not np.isfinite(row).all():
            column = int(np.flatnonzero(~np.isfinite(row))[0])
            raise DataError(f"{name}: column {column} is {row[column]}; fill or remove such values")
        if row.shape != self.shape:
            raise DataError(f"{name}: has {len(row)} columns, the {self.fitted} was fitted on {self.shape}")
        return np.asarray(row, dtype=np.float32)[np.newaxis]
