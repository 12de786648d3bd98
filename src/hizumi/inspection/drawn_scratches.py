"""A sanity check of a fit: is a scratch found that is drawn onto normal images?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from hizumi.data import Manifest
from hizumi.data.defects import scratched
from hizumi.data.seeds import seed_for
from hizumi.inspection.health import middles
from hizumi.inspection.scoring import SCORE, Scorer
from hizumi.preprocessing import Preprocessing
from hizumi.preprocessing.batching import in_batches
from hizumi.preprocessing.reading import Piece

LENGTHS = (8, 16, 32)  # pixels of the working size
IMAGES = 32  # at most


@dataclass
class DrawnScratches:
    """Scores of normal images that a detector has not seen, with a scratch drawn on each, by the scratch's length.

    Of an image in tiles, the middle one is scored alone. Real defects are of other kinds: that these are found says
    that something is, and no more, and detectors are not to be compared by it.
    """

    seed: int
    scores: dict[int, list[float]] = field(default_factory=lambda: {length: [] for length in LENGTHS})
    times_shrunk: list[float] = field(default_factory=list)

    def add(self, scorer: Scorer, held_out: Manifest, count: int) -> None:
        """Draw on so many of the images, evenly spread, and score them; those that cannot be read are left out."""
        preprocessing = scorer.reader.preprocessing
        if preprocessing.window is None or preprocessing.motion is not None:
            return  # of frames, a scratch would have to move as they do
        pieces = list(middles(scorer.reader.pieces(spread(held_out, count))))
        self.times_shrunk += [_times_shrunk(piece) for piece in pieces]
        for length, scores in self.scores.items():
            drawn = drawn_on(
                pieces, length, scratched, preprocessing, partial(seed_for, "drawn scratches", self.seed, length)
            )
            for item in in_batches(scorer.scores, drawn):
                assert isinstance(item, tuple), "all that is handed in are pieces"
                scores.append(float(item[1][SCORE][0]))

    def to_record(self) -> list[dict[str, Any]]:
        """Lengths in pixels of the images as they were recorded, with the scores."""
        times = float(np.median(self.times_shrunk)) if self.times_shrunk else 1.0
        finite = {length: [score for score in scores if np.isfinite(score)] for length, scores in self.scores.items()}
        return [{"pixels": round(length * times), "scores": scores} for length, scores in finite.items() if scores]


Draw = Callable[[np.ndarray, int, tuple[float, float], np.random.Generator, np.ndarray | None], np.ndarray]
"""Such as `scratched`."""


def drawn_on(
    pieces: Iterable[Piece], size: int, draw: Draw, preprocessing: Preprocessing, seed: Callable[[str], int]
) -> Iterator[Piece]:
    """Images, of tiled ones the middle tile, with one defect of so many pixels; small ones are left out.

    `seed` gives that of the record of a name, wherever that stands in the data or in a fold.
    """
    window, region = preprocessing.window, preprocessing.region
    assert window is not None, "only images are drawn on"
    for piece in pieces:
        crop = piece.crops[len(piece.crops) // 2]
        if min(crop.shape[1:]) >= 2 * size:
            generator = np.random.default_rng(seed(piece.name))
            inside = None if region is None else (crop != region.colour_of(crop)).any(axis=0)
            unit = window.unit_of(crop)  # in which all channels are alike
            drawn = draw(unit, size, (-1.0, 1.0), generator, inside)
            yield replace(piece, crops=np.where(drawn == unit, crop, window.to_pixels(drawn)[0])[np.newaxis])


def spread(manifest: Manifest, count: int) -> Manifest:
    """So many of the records, evenly spread."""
    return manifest.only(np.linspace(0, len(manifest) - 1, min(len(manifest), count)).astype(np.int64).tolist())


def _times_shrunk(piece: Piece) -> float:
    assert piece.size is not None, "only images are drawn on"
    if piece.tiles is not None:
        return 1.0
    return max(size / side for size, side in zip(piece.size, piece.crops.shape[2:], strict=True))
