"""How well drawn defects are told from the good images that they are drawn on: an objective that needs no label."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from hizumi.data import Manifest
from hizumi.data.defects import scratched, spotted
from hizumi.data.seeds import seed_for
from hizumi.errors import DataError, UsageError
from hizumi.evaluation.metrics import auroc
from hizumi.inspection.drawn_scratches import drawn_on, spread
from hizumi.inspection.health import middles
from hizumi.inspection.scoring import SCORE, Scorer
from hizumi.preprocessing.batching import in_batches
from hizumi.preprocessing.reading import Piece

IMAGES = 64  # at most, each with one defect of each form


@dataclass(frozen=True)
class Form:
    """A drawn defect: what it is, its size in pixels of the working size, and its contrast."""

    kind: str
    size: int
    contrast: float


DRAW = {"scratch": scratched, "spot": spotted}
SIZES = {"scratch": (8, 16, 32), "spot": (3, 6, 12)}
FORMS = tuple(Form(kind, size, contrast) for kind in DRAW for size in SIZES[kind] for contrast in (0.12, 0.25))
WORDS = (
    f"mean AUROC over {len(FORMS)} forms of drawn defects (scratches and spots of three sizes and two contrasts each) "
    "on good images held out of each fit"
)


def refuse_undrawable(manifest: Manifest) -> None:
    """Raise UsageError where defects cannot be drawn on what the data hold."""
    if manifest.noun != "image":
        raise UsageError(
            f"defects are drawn on single images, and {manifest.name} holds {manifest.noun}s: give labelled ones, and "
            "--objective labelled"
        )


def drawn_auroc(scorer: Scorer, held_out: Manifest, seed: int) -> float:
    """Mean, over the forms, of the AUROC of drawn defects against the same images without; of tiles, the middle one.

    Raises DataError where nothing can be read, or all images are too small.
    """
    pieces = list(middles(scorer.reader.pieces(spread(held_out, IMAGES))))
    good = _scores(scorer, iter(pieces))
    preprocessing = scorer.reader.preprocessing
    areas = []
    for place, form in enumerate(FORMS):
        draw = partial(DRAW[form.kind], contrast=form.contrast)
        drawn = drawn_on(pieces, form.size, draw, preprocessing, partial(seed_for, "drawn defects", seed, place))
        damaged = _scores(scorer, drawn)
        if len(damaged):
            labels = np.repeat([0, 1], [len(good), len(damaged)])
            areas.append(auroc(np.concatenate([good, damaged]), labels))
    if not areas:
        raise DataError(f"{held_out.name}: no image could be read and is large enough to draw a defect on")
    return float(np.mean(areas))


def _scores(scorer: Scorer, pieces: Iterator[Piece]) -> np.ndarray:
    scored = in_batches(scorer.scores, pieces)
    return np.array([float(item[1][SCORE][0]) for item in scored if isinstance(item, tuple)])
