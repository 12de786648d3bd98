"""From records to scores: the one path that calibration, inspection, evaluation and exported bundles share."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np

from hizumi.data import Manifest
from hizumi.data.manifest import Failure
from hizumi.errors import DataError
from hizumi.preprocessing.batching import BATCH_SIZE, Outputs, in_batches
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.preprocessing.reading import Piece, Reader
from hizumi.shapes import Bool, Float, Shaped, UInt8

if TYPE_CHECKING:
    from torch import Tensor

    from hizumi.detectors import Anomaly, Detector

SCORE, MAP, EXPECTED, SHARES, TERM = "score", "map", "normal", "shares", "term:"
"""Names of a batch's outputs, in torch and in an exported graph; a term has its own name behind the prefix."""

EMBEDDING = "embedding"
"""An output of `embedded_scores_of` alone."""

Wanted = bool | Callable[[int, float], bool]
"""Whether pictures are wanted: of all records, of none, or of some, by their places and scores."""


@runtime_checkable
class ScoresBatches(Protocol):
    """A fitted detector, in whatever form it runs."""

    def __call__(self, crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        """Outputs for crops (n, c, h, w) in the data's own values and dtype, or for rows (n, d) of float32.

        "score" (n,), higher is more anomalous; "map" (n, 1, h, w), "normal" (n, c, h, w), of images in [-1, 1] and of
        series standardised, and terms (n,) where the detector has them. Of windows, a graph also gives their "shares".
        """


def named_outputs(anomaly: "Anomaly") -> "dict[str, Tensor]":
    """A detector's answer to a batch under the names of its outputs."""
    named = {SCORE: anomaly.image, MAP: anomaly.pixel, EXPECTED: anomaly.expected}
    present = {name: value for name, value in named.items() if value is not None}
    return present | {f"{TERM}{name}": value for name, value in anomaly.terms.items()}


def scores_of(detector: "Detector", preprocessing: Preprocessing) -> ScoresBatches:
    """A fitted detector in torch."""
    import torch

    def scored(crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        anomaly = detector.score(torch.from_numpy(preprocessing.to_model(crops)), BATCH_SIZE)
        named = named_outputs(anomaly)
        if preprocessing.vectors:
            named.pop(EXPECTED, None)  # only images and series are shown
        pictures = {name: named[name].float() for name in (MAP, EXPECTED) if name in named}
        return {name: values.cpu().numpy() for name, values in (named | pictures).items()}

    return scored


def embeddings_of(
    detector: "Detector", preprocessing: Preprocessing
) -> Callable[[Shaped[np.ndarray, "n ..."]], Outputs]:
    """What a fitted detector sees of crops."""
    import torch

    def embedded(crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        items = torch.from_numpy(preprocessing.to_model(crops))
        return {EMBEDDING: detector.embed(items).float().cpu().numpy()}

    return embedded


def embedded_scores_of(detector: "Detector", preprocessing: Preprocessing) -> ScoresBatches:
    """A fitted detector in torch, which also says what it sees; on a CPU a fixed network runs once for both."""
    from hizumi.detectors.kept_maps import maps_are_kept

    scores, embeddings = scores_of(detector, preprocessing), embeddings_of(detector, preprocessing)

    def scored(crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        with maps_are_kept():
            return scores(crops) | embeddings(crops)

    return scored


SharesOfScores = Callable[[Shaped[np.ndarray, "n c 1 t"]], Float[np.ndarray, "n c 1 t"] | None]
"""What each number of windows adds to their scores; None where a score has no such shares."""


def shares_of(detector: "Detector", preprocessing: Preprocessing) -> SharesOfScores:
    """By a fitted detector in torch."""
    import torch

    def shared(crops: Shaped[np.ndarray, "n c 1 t"]) -> Float[np.ndarray, "n c 1 t"] | None:
        shares = detector.contributions(torch.from_numpy(preprocessing.to_model(crops)))
        return None if shares is None else shares.double().cpu().numpy()

    return shared


@dataclass(frozen=True, eq=False)
class Scored:
    """A record's score and what it is made of; arrays have the record's size, `normal` that at which it was scored.

    A stretch of a recording has no pictures, but the values that the detector expects of it, in the data's own units,
    `shares`, what each channel at each step adds to the scores of the windows that cover it, on average, and `newest`,
    the score of the last window that has ended at each step.
    """

    index: int
    name: str
    score: float
    terms: dict[str, float]
    map: Float[np.ndarray, "h w"] | None
    picture: UInt8[np.ndarray, "h w 3"] | None
    normal: UInt8[np.ndarray, "h2 w2 3"] | None
    notes: tuple[str, ...] = ()
    inside: Bool[np.ndarray, "h w"] | None = None  # its region of interest; None: all of it
    expected: Float[np.ndarray, "t c"] | None = None
    shares: Float[np.ndarray, "t c"] | None = None
    newest: Float[np.ndarray, "t"] | None = None
    embedding: Float[np.ndarray, "k"] | None = None  # the mean of its crops'


@dataclass(frozen=True)
class Scorer:
    """Scores records with a fitted detector, read as its training data were.

    `shares` of scores are for pictures of series; None where a graph gives them with the scores, or not at all.
    """

    scores: ScoresBatches
    reader: Reader
    batch_size: int = BATCH_SIZE
    shares: SharesOfScores | None = None

    @classmethod
    def of(cls, detector: "Detector", preprocessing: Preprocessing, *, embedded: bool = False) -> Self:
        """From a fitted detector in torch; `embedded`, it also gives what the detector sees of each record."""
        scores = (embedded_scores_of if embedded else scores_of)(detector, preprocessing)
        return cls(scores, Reader(preprocessing, detector.shape), shares=shares_of(detector, preprocessing))

    def score(
        self,
        manifest: Manifest,
        *,
        pictures: Wanted = True,
        strict: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Scored | Failure]:
        """Scores of all records in order; a Failure where one cannot be read, or its score or map is not finite.

        Raises DataError in place of a Failure where `strict`.
        """
        pieces = self.reader.pieces(manifest, pictures=pictures is not False, strict=strict)
        yield from self.score_pieces(
            pieces, pictures=pictures, strict=strict, total=len(manifest), on_progress=on_progress
        )

    def score_pieces(
        self,
        pieces: Iterable[Piece | Failure],
        *,
        pictures: Wanted = True,
        strict: bool = False,
        total: int = 0,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Scored | Failure]:
        """As `score`, of records that its reader has read."""
        done = in_batches(self.scores, pieces, batch_size=self.batch_size, total=total, on_progress=on_progress)
        for item in done:
            yield item if isinstance(item, Failure) else self._judged(*item, pictures, strict)

    def _judged(self, piece: Piece, outputs: Outputs, pictures: Wanted, strict: bool) -> Scored | Failure:
        try:
            _refuse_not_finite(piece.name, outputs)
        except DataError as error:
            if strict:
                raise
            return Failure.of(piece.index, piece.name, error)
        if not isinstance(pictures, bool):
            pictures = pictures(piece.index, self.reader.record_score(piece, outputs[SCORE]))
        return self._scored(piece, outputs, pictures)

    def _scored(self, piece: Piece, outputs: Outputs, pictures: bool) -> Scored:
        if self.reader.preprocessing.series is not None:
            return self._scored_by_steps(piece, outputs, pictures)
        # The worst tile decides.
        worst = int(outputs[SCORE].argmax())
        normal = None
        if pictures and EXPECTED in outputs and not self.reader.preprocessing.vectors:
            normal = self.reader.displayed(self.reader.restored_unscaled(piece, outputs[EXPECTED]))
        return Scored(
            piece.index,
            piece.name,
            float(outputs[SCORE][worst]),
            {name.removeprefix(TERM): float(v[worst]) for name, v in outputs.items() if name.startswith(TERM)},
            self.reader.restored_map(piece, outputs[MAP]) if MAP in outputs else None,
            self.reader.picture(piece) if pictures else None,
            normal,
            piece.notes,
            piece.inside,
            embedding=_mean_of(outputs),
        )

    def _scored_by_steps(self, piece: Piece, outputs: Outputs, pictures: bool) -> Scored:
        """A stretch's score, and its terms, are those of its worst step."""
        by_step = self.reader.step_scores(piece, outputs[SCORE])
        worst = int(by_step.argmax())
        terms = {
            name.removeprefix(TERM): float(self.reader.by_step(piece, values)[worst])
            for name, values in outputs.items()
            if name.startswith(TERM)
        }
        return Scored(
            piece.index,
            piece.name,
            float(by_step[worst]),
            terms,
            by_step[np.newaxis],
            None,
            None,
            piece.notes,
            expected=self.reader.stretch_made(piece, outputs[EXPECTED]) if pictures and EXPECTED in outputs else None,
            shares=self._shares(piece, outputs) if pictures else None,
            newest=self.reader.newest(piece, outputs[SCORE]),
            embedding=_mean_of(outputs),
        )

    def _shares(self, piece: Piece, outputs: Outputs) -> Float[np.ndarray, "t c"] | None:
        """What each channel of a stretch adds to scores at each step, the mean over the windows that cover it."""
        shares = outputs.get(SHARES) if self.shares is None else self.shares(piece.crops)
        return None if shares is None else self.reader.restored(piece, shares)[:, 0].T


def _mean_of(outputs: Outputs) -> Float[np.ndarray, "k"] | None:
    return outputs[EMBEDDING].mean(0) if EMBEDDING in outputs else None


def _refuse_not_finite(name: str, outputs: Outputs) -> None:
    for output, values in outputs.items():
        if output in (EXPECTED, SHARES, EMBEDDING) or np.isfinite(values).all():
            continue
        broken = values[~np.isfinite(values)][0]
        what = {SCORE: "score", MAP: "anomaly map"}.get(output, f"score's term {output.removeprefix(TERM)!r}")
        raise DataError(
            f"{name}: its {what} is {'NaN' if np.isnan(broken) else 'infinite'}, so that it cannot be judged; "
            "look for values far from those of the training data"
        )
