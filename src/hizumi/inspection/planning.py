"""What fitting an inspector will cost."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from hizumi.data import Manifest, Store
from hizumi.data.stream import Batches
from hizumi.detectors import Detector
from hizumi.detectors.kept_maps import maps_are_kept
from hizumi.inspection.drawn_scratches import IMAGES, LENGTHS
from hizumi.inspection.fitting import PreparedData
from hizumi.inspection.health import HELD_OUT_ITEMS, TRAINING_ITEMS
from hizumi.inspection.scoring import Scorer
from hizumi.memory import free_bytes, peak_memory
from hizumi.preprocessing import Preprocessing, in_batches
from hizumi.preprocessing.batching import BATCH_SIZE
from hizumi.preprocessing.reading import Piece, Reader, stored_pieces
from hizumi.runs.planning import TrainingCost, Trial, cost_of_statistics, of_more, tried
from hizumi.training import TrainingOptions

SCORED_FIRST = 4  # records
RECORDS_AT_ONCE = 2  # while one is scored, the next is read


def cost_of_fit(
    detector: Detector,
    data: PreparedData,
    fitted_on: Batches,
    options: TrainingOptions,
    *,
    reading_seconds: float,
) -> dict[str, Any]:
    """Seconds, steps and bytes of memory of a fit, of one more for each of the folds, and of what is scored for them.

    `fitted_on` are the store's images, perhaps in several views. `free_bytes` is what there is, None where the system
    does not say. The detector is used up.
    """
    store, folds, preprocessing = data.store, data.folds, data.preprocessing
    training = TrainingCost.measured(detector.phases(), fitted_on, options)
    seconds, steps, peaks = reading_seconds, 0, [peak_memory(), training.peak_bytes]
    for count in (len(store), *(len(store) - len(fold) for fold in folds)):
        of_training, its_steps = training.seconds_and_steps(count)
        seconds, steps = seconds + of_training, steps + its_steps
    # Of tiles, which are drawn, fits share the network's part: little beside the scoring, and long to measure.
    statistics, of_fold = _statistics(detector, fitted_on, bool(folds) and fitted_on is store and store.views == 1)
    share = sum((len(store) - len(fold)) / len(store) for fold in folds)
    scoring = _scoring(Scorer.of(detector, preprocessing), data.held_out, store.views)
    looking = _looking(detector, preprocessing, store, len(data.held_out))
    seconds += statistics.seconds + of_fold.seconds * share + scoring.seconds + looking.seconds
    peaks += [statistics.peak_bytes, scoring.peak_bytes, looking.peak_bytes]
    free = free_bytes()
    return {
        "seconds": round(seconds, 1),
        "steps": steps,
        "memory_bytes": max(peaks) + store.mapped_bytes,
        "free_bytes": int(free) if np.isfinite(free) else None,
    }


def _statistics(detector: Detector, source: Batches, folds_share_maps: bool) -> tuple[Trial, Trial]:
    """Of all items, by themselves and, for a fold, once the maps of fixed networks are kept."""
    alone = cost_of_statistics(detector, source)
    if not folds_share_maps:
        return alone, alone
    with maps_are_kept():
        cost_of_statistics(detector, source)  # what it measures computes them first
        return alone, cost_of_statistics(detector, source)


def _scoring(scorer: Scorer, held_out: Manifest, tiles: int) -> Trial:
    """Of whole records, which have so many tiles each, or of ever more tiles of one where these are many."""

    def scored(few: int) -> None:
        for _ in scorer.score(held_out.only(range(few)), pictures=False):
            pass

    def partly_scored(few: int) -> None:
        for _ in scorer.score_pieces(_of_one_record(scorer.reader, held_out, few), pictures=False):
            pass

    if tiles <= BATCH_SIZE:
        return of_more(scored, len(held_out), max(1, min(SCORED_FIRST, BATCH_SIZE // tiles)))
    reading = tried(lambda: list(_of_one_record(scorer.reader, held_out, 1)))
    of_tiles = of_more(
        partly_scored, tiles * len(held_out), BATCH_SIZE, held_at_once=RECORDS_AT_ONCE * tiles, is_warm=True
    )
    return replace(of_tiles, seconds=of_tiles.seconds + reading.seconds * (len(held_out) - 1))


def _of_one_record(reader: Reader, manifest: Manifest, tiles: int) -> Iterator[Piece]:
    """The first record that can be read, as if it had so many tiles, or all its own where these are fewer."""
    for piece in reader.pieces(manifest):
        if isinstance(piece, Piece):
            assert piece.tiles is not None, "it has many"
            yield replace(piece, crops=piece.crops[:tiles], tiles=piece.tiles[:tiles])
            return


def _looking(detector: Detector, preprocessing: Preprocessing, store: Store, held_out: int) -> Trial:
    """Of the health check, which scores training items and some of so many held-out ones, and of what is drawn on."""

    def scored(few: int) -> None:
        for _ in in_batches(Scorer.of(detector, preprocessing).scores, stored_pieces(store, few)):
            pass

    drawn_on = 0 if preprocessing.window is None or detector.phases() else len(LENGTHS) * min(held_out, IMAGES)
    return of_more(scored, min(len(store), TRAINING_ITEMS) + min(held_out, HELD_OUT_ITEMS) + drawn_on, SCORED_FIRST)
