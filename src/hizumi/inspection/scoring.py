"""From records to scores: the one path that calibration, inspection and evaluation share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from hizumi.data import Manifest, Motion, Sizing, Window
from hizumi.detectors import Anomaly, Detector
from hizumi.errors import DataError
from hizumi.inspection.reading import Piece, Reader

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


@dataclass(frozen=True)
class Scorer:
    """A fitted detector with the preprocessing it was fitted with; `sizing` is None where images come as they are."""

    detector: Detector
    sizing: Sizing | None
    window: Window | None
    channels: int | None
    motion: Motion | None = None

    def score(
        self,
        manifest: Manifest,
        *,
        pictures: bool = True,
        strict: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Scored | Failure]:
        """Scores of all records in order; a record that cannot be read is a Failure, or stops it where `strict`."""
        manifest = replace(manifest, motion=self.motion)
        reader, count = self._reader(), 0
        waiting: list[Piece | Failure] = []
        for index in range(len(manifest)):
            try:
                piece = reader.piece(manifest, index, pictures)
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

    def _reader(self) -> Reader:
        return Reader(self.detector.shape, self.sizing, self.window, self.channels)

    def _flush(self, waiting: list[Piece | Failure], pictures: bool) -> Iterator[Scored | Failure]:
        pieces = [piece for piece in waiting if isinstance(piece, Piece)]
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

    def _scored(self, piece: Piece, anomaly: Anomaly, pictures: bool) -> Scored:
        # The worst tile decides.
        worst, reader = int(anomaly.image.argmax()), self._reader()
        normal = None
        if pictures and anomaly.normal is not None and anomaly.normal.ndim == 4:
            normal = reader.restored(piece, anomaly.normal.float().cpu().numpy())
            shown = None if self.motion is None else self.motion.channels
            normal = Window.to_display(torch.from_numpy(normal)[None, :shown])[0]
        pixel = None if anomaly.pixel is None else reader.restored(piece, anomaly.pixel.float().cpu().numpy())[0]
        return Scored(
            piece.index,
            piece.name,
            float(anomaly.image[worst]),
            {term: float(value[worst]) for term, value in anomaly.terms.items()},
            pixel,
            piece.picture,
            normal,
        )


def _rows(anomaly: Anomaly, rows: slice) -> Anomaly:
    return Anomaly(
        anomaly.image[rows],
        None if anomaly.pixel is None else anomaly.pixel[rows],
        {term: value[rows] for term, value in anomaly.terms.items()},
        None if anomaly.normal is None else anomaly.normal[rows],
    )
