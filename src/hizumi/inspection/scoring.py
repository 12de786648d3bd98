"""From records to scores: the one path that calibration, inspection, evaluation and exported bundles share."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from hizumi.data import Manifest, Motion, Sizing, Window
from hizumi.errors import DataError
from hizumi.preprocessing.reading import Piece, Reader
from hizumi.shapes import Float, Shaped, UInt8

BATCH_SIZE = 64

AnyItem = TypeVar("AnyItem")

Observer = Callable[[Mapping[str, Any]], None]
"""Told what goes on, as training tells it."""


class Scores(NamedTuple):
    """What is known of a batch; higher is more anomalous."""

    image: Float[np.ndarray, "n"]
    pixel: Float[np.ndarray, "n 1 h w"] | None
    terms: dict[str, Float[np.ndarray, "n"]]
    normal: Float[np.ndarray, "n c h w"] | None  # in [-1, 1]


@runtime_checkable
class ScoresBatches(Protocol):
    """A fitted detector, in whatever form it runs."""

    def __call__(self, crops: Shaped[np.ndarray, "n ..."]) -> Scores:
        """Scores of crops (n, c, h, w) in the data's own values and dtype, or of rows (n, d) of float32."""


def reporting(observe: Observer | None, phase: str) -> Callable[[int, int], None] | None:
    """What tells an observer how many of how many records are done."""
    if observe is None:
        return None
    return lambda done, total: observe({"phase": phase, "step": done, "share": done / total, "losses": {}})


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
    map: Float[np.ndarray, "h w"] | None
    picture: UInt8[np.ndarray, "h w 3"] | None
    normal: UInt8[np.ndarray, "h w 3"] | None


@dataclass(frozen=True)
class Scorer:
    """What scores batches, with the preprocessing it was fitted with, for items of `shape`.

    `sizing` is None where images come as they are, `window` and `channels` are None for rows of numbers.
    """

    scores: ScoresBatches
    shape: tuple[int, ...] | None
    sizing: Sizing | None
    window: Window | None
    channels: int | None
    motion: Motion | None = None
    batch_size: int = BATCH_SIZE

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
        for waiting, done in _ahead(self._read(manifest, pictures, strict)):
            yield from self._flush(waiting, pictures)
            if on_progress is not None:
                on_progress(done, len(manifest))

    def reader(self) -> Reader:
        """What brings records to the working size."""
        return Reader(self.shape, self.sizing, self.window, self.channels)

    def _read(self, manifest: Manifest, pictures: bool, strict: bool) -> Iterator[tuple[list[Piece | Failure], int]]:
        """Records until their crops fill a batch, and how many records are read by then; the last in any case."""
        reader = self.reader()
        waiting: list[Piece | Failure] = []
        count = 0
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
            if count >= self.batch_size:
                yield waiting, index + 1
                waiting, count = [], 0
        yield waiting, len(manifest)

    def _flush(self, waiting: list[Piece | Failure], pictures: bool) -> Iterator[Scored | Failure]:
        scores = self._by_piece([piece for piece in waiting if isinstance(piece, Piece)])
        for item in waiting:
            yield item if isinstance(item, Failure) else self._scored(item, next(scores), pictures)

    def _by_piece(self, pieces: list[Piece]) -> Iterator[Scores]:
        if not pieces:
            return
        crops = np.concatenate([piece.crops for piece in pieces])
        size = self.batch_size
        parts = [self.scores(crops[start : start + size]) for start in range(0, len(crops), size)]
        scores, start = _joined(parts), 0
        for piece in pieces:
            yield _rows(scores, slice(start, start + len(piece.crops)))
            start += len(piece.crops)

    def _scored(self, piece: Piece, scores: Scores, pictures: bool) -> Scored:
        # The worst tile decides.
        worst, reader = int(scores.image.argmax()), self.reader()
        normal = None
        if pictures and scores.normal is not None:
            shown = None if self.motion is None else self.motion.channels
            normal = Window.to_display(reader.restored(piece, scores.normal)[np.newaxis, :shown])[0]
        return Scored(
            piece.index,
            piece.name,
            float(scores.image[worst]),
            {term: float(values[worst]) for term, values in scores.terms.items()},
            None if scores.pixel is None else reader.restored(piece, scores.pixel)[0],
            piece.picture,
            normal,
        )


def _ahead(items: Iterator[AnyItem]) -> Iterator[AnyItem]:
    """The same items, each made in another thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _rows(scores: Scores, rows: slice) -> Scores:
    return Scores(
        scores.image[rows],
        None if scores.pixel is None else scores.pixel[rows],
        {term: values[rows] for term, values in scores.terms.items()},
        None if scores.normal is None else scores.normal[rows],
    )


def _joined(parts: list[Scores]) -> Scores:
    if len(parts) == 1:
        return parts[0]
    return Scores(
        np.concatenate([part.image for part in parts]),
        None if parts[0].pixel is None else np.concatenate([part.pixel for part in parts if part.pixel is not None]),
        {term: np.concatenate([part.terms[term] for part in parts]) for term in parts[0].terms},
        None if parts[0].normal is None else np.concatenate([part.normal for part in parts if part.normal is not None]),
    )
