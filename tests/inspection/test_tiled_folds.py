"""Folds of tiled images: the crops that their fits draw go through a fixed network once, and tiles leave no maps."""

import numpy as np
import pytest

from hizumi.data import open_source
from hizumi.detectors import FusedFeatures, kept_maps
from hizumi.inspection import Inspector
from hizumi.preprocessing.reading import Piece
from tests.detectors.passes import seen as seen  # a fixture

SIDE, TILE, COUNT, FOLDS = 64, 24, 6, 3


def fitted() -> Inspector:
    images = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 1), dtype=np.uint8)
    detector = FusedFeatures((1, 2), "wavelets", None, memory=20, candidates=60, channels=8)
    return Inspector(detector, sizing="tile", image_size=TILE, folds=FOLDS, false_alarm_rate=0.2).fit(images)


def test_the_fits_for_folds_share_the_crops_that_they_draw(seen: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    shared = fitted()
    with_sharing = sum(seen)
    seen.clear()
    monkeypatch.setattr(kept_maps, "LARGEST", 0)
    alone = fitted()
    views = shared.scorer().reader.preprocessing.sizing.tiles(SIDE, SIDE)
    # Every fit reads all views of its images, of which the first fit has seen those of all folds.
    assert sum(seen) - with_sharing == FOLDS * (COUNT - COUNT // FOLDS) * len(views)
    np.testing.assert_allclose(shared.calibration_.scores, alone.calibration_.scores, rtol=1e-4)


def test_one_large_image_is_scored_as_with_others_in_its_batch() -> None:
    inspector = fitted()
    scorer = inspector.scorer()
    manifest = open_source(np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 1), dtype=np.uint8))
    together = [item.score for item in scorer.score(manifest)]
    pieces = [piece for piece in scorer.reader.pieces(manifest, pictures=True) if isinstance(piece, Piece)]
    alone = [item.score for piece in pieces for item in scorer.score_pieces([piece])]
    np.testing.assert_allclose(alone, together, rtol=1e-5)
