"""From records to scores: the one path that calibration, inspection and evaluation share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hizumi.data import Manifest, Sizing, Window
from hizumi.data.images import prepare
from hizumi.detectors import Anomaly, Detector
from hizumi.errors import DataError

BATCH_SIZE = 64


@dataclass(frozen=True)
class Failure:
    """A record that could not be scored, and why."""

    index: int
    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Scored:
    """A record's score and what it is made of; arrays are at the input's own size."""

    index: int
    name: str
    score: float
    terms: dict[str, float]
    map: np.ndarray | None  # (H, W) float32
    picture: np.ndarray | None  # (H, W, 3) uint8
    normal: np.ndarray | None  # (H, W, 3) uint8


@dataclass(frozen=True, eq=False)
class _Piece:
    """One record, ready for the network: one crop, or as many as there are tiles."""

    index: int
    name: str
    crops: Tensor  # (t, c, h, w) or (1, d)
    size: tuple[int, int] | None
    tiles: tuple[tuple[int, int], ...] | None
    picture: np.ndarray | None


@dataclass(frozen=True)
class Scorer:
    """A fitted detector with the preprocessing it was fitted with; `sizing` is None where images come as they are."""

    detector: Detector
    sizing: Sizing | None
    window: Window | None
    channels: int | None

    def score(
        self,
        manifest: Manifest,
        *,
        pictures: bool = True,
        strict: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Scored | Failure]:
        """Scores of all records in order; a record that cannot be read is a Failure, or stops it where `strict`."""
        waiting: list[_Piece | Failure] = []
        count = 0
        for index in range(len(manifest)):
            try:
                piece = self._piece(manifest, index, pictures)
                count += len(piece.crops)
                waiting.append(piece)
            except DataError as error:
                if strict:
                    raise
                name = manifest.records[index].name
                waiting.append(Failure(index, name, str(error).removeprefix(f"{name}: ")))
            if count >= BATCH_SIZE:
                yield from self._flush(waiting, pictures)
                waiting, count = [], 0
                if on_progress is not None:
                    on_progress(index + 1, len(manifest))
        yield from self._flush(waiting, pictures)
        if on_progress is not None:
            on_progress(len(manifest), len(manifest))

    def _piece(self, manifest: Manifest, index: int, pictures: bool) -> _Piece:
        name, pixels = manifest.records[index].name, manifest.read(index).pixels
        if manifest.vectors != (self.window is None):
            raise DataError(
                f"{name}: is {'a row of numbers' if manifest.vectors else 'an image'}, unlike the training data"
            )
        if self.window is None or self.channels is None:
            return _Piece(index, name, self._row(pixels, name), None, None, None)
        size = pixels.shape[0], pixels.shape[1]
        fitted = pixels if self.sizing is None else self.sizing.fit(pixels)
        unit, _ = prepare(fitted, channels=self.channels, window=self.window, name=name)
        if self.sizing is None and tuple(unit.shape) != self.detector.shape:
            raise DataError(
                f"{name}: is {size[1]}x{size[0]} pixels, the detector was fitted on another size; set image_size"
            )
        picture = None
        if pictures:
            whole = (
                unit if fitted is pixels else prepare(pixels, channels=self.channels, window=self.window, name=name)[0]
            )
            picture = Window.to_display(whole[None])[0]
        if self.sizing is None or self.sizing.mode == "resize":
            return _Piece(index, name, unit[None], size, None, picture)
        tiles = self.sizing.tiles(*size)
        height, width = self.sizing.height, self.sizing.width
        crops = torch.stack([unit[:, top : top + height, left : left + width] for top, left in tiles])
        return _Piece(index, name, crops, size, tiles, picture)

    def _row(self, row: np.ndarray, name: str) -> Tensor:
        if not np.isfinite(row).all():
            column = int(np.flatnonzero(~np.isfinite(row))[0])
            raise DataError(f"{name}: column {column} is {row[column]}; fill or remove such values")
        if row.shape != self.detector.shape:
            raise DataError(f"{name}: has {len(row)} columns, the detector was fitted on {self.detector.shape}")
        return torch.from_numpy(np.asarray(row, dtype=np.float32))[None]

    def _flush(self, waiting: list[_Piece | Failure], pictures: bool) -> Iterator[Scored | Failure]:
        pieces = [piece for piece in waiting if isinstance(piece, _Piece)]
        if not pieces:
            yield from (failure for failure in waiting if isinstance(failure, Failure))
            return
        anomaly = self.detector.score(torch.cat([piece.crops for piece in pieces]), BATCH_SIZE)
        start = 0
        for piece in waiting:
            if isinstance(piece, Failure):
                yield piece
            else:
                yield self._scored(piece, _rows(anomaly, slice(start, start + len(piece.crops))), pictures)
                start += len(piece.crops)

    def _scored(self, piece: _Piece, anomaly: Anomaly, pictures: bool) -> Scored:
        # The worst tile decides.
        worst = int(anomaly.image.argmax())
        normal = None
        if pictures and anomaly.normal is not None and anomaly.normal.ndim == 4:
            normal = self._restored(piece, anomaly.normal.float().cpu().numpy())
            normal = Window.to_display(torch.from_numpy(normal)[None])[0]
        pixel = None if anomaly.pixel is None else self._restored(piece, anomaly.pixel.float().cpu().numpy())[0]
        return Scored(
            piece.index,
            piece.name,
            float(anomaly.image[worst]),
            {term: float(value[worst]) for term, value in anomaly.terms.items()},
            pixel,
            piece.picture,
            normal,
        )

    def _restored(self, piece: _Piece, planes: np.ndarray) -> np.ndarray:
        """Planes (t, k, h, w) of the crops as planes (k, H, W) of the input."""
        assert piece.size is not None
        if self.sizing is None:
            restored: np.ndarray = planes[0]
            return restored
        if piece.tiles is None:
            return np.stack([self.sizing.restore_map(plane, *piece.size) for plane in planes[0]])
        return np.stack([self.sizing.stitch(plane, piece.tiles, *piece.size) for plane in planes.swapaxes(0, 1)])


def _rows(anomaly: Anomaly, rows: slice) -> Anomaly:
    return Anomaly(
        anomaly.image[rows],
        None if anomaly.pixel is None else anomaly.pixel[rows],
        {term: value[rows] for term, value in anomaly.terms.items()},
        None if anomaly.normal is None else anomaly.normal[rows],
    )
