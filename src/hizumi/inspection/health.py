"""Did a detector learn? Looked at after every fit."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from hizumi.data import Manifest, Store
from hizumi.data.manifest import Failure
from hizumi.detectors import Detector
from hizumi.detectors.fixed_features import MOST_PICTURES, FixedFeatures
from hizumi.evaluation.inversion import check_inversion
from hizumi.models.abilities import JudgesPairs
from hizumi.preprocessing import Preprocessing, in_batches
from hizumi.preprocessing.batching import BATCH_SIZE, Outputs
from hizumi.preprocessing.likeness_health import check_likeness
from hizumi.preprocessing.reading import Piece, Reader, stored_pieces
from hizumi.preprocessing.window_health import check_window
from hizumi.shapes import noun_of_item
from hizumi.training.health import Finding, Rebuilt, check_losses, check_reconstructions, check_scores
from hizumi.training.journal import Journal

TRAINING_ITEMS = 128  # at most
HELD_OUT_ITEMS = 64  # at most; they are read once more


def check_detector(
    detector: Detector,
    preprocessing: Preprocessing,
    store: Store,
    scores: Float[np.ndarray, "n"],
    journal: Journal,
    held_out: Iterable[Piece | Failure] = (),
    *,
    by_folds: bool = False,
) -> list[Finding]:
    """Findings in the pixel values, the journal, some training items, and held-out normal ones.

    `scores` are those of all held-out items. `held_out` are some of these, read as they are scored, which are drawn
    from only where the detector rebuilds images. With folds, the scores are those of the training items themselves, by
    fits that had not seen them: one without training then scores them higher by its nature, which the folds allow for.
    So does one that remembers training items.
    """

    def looked_at(crops: np.ndarray) -> Outputs:
        items = preprocessing.to_model(crops)
        anomaly = detector.score(torch.from_numpy(items), BATCH_SIZE)
        outputs = {"item": items, "score": anomaly.image.double().cpu().numpy()}
        if anomaly.reconstruction is None or preprocessing.vectors:
            return outputs
        return outputs | {"reconstruction": anomaly.reconstruction.float().cpu().numpy()}

    def gathered(pieces: Iterable[Piece | Failure]) -> Outputs:
        rows = [item[1] for item in in_batches(looked_at, pieces) if isinstance(item, tuple)]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]} if rows else {}

    training = gathered(stored_pieces(store, TRAINING_ITEMS))
    findings = (
        check_window(store) + _check_channels(detector, store) + check_likeness(store) + check_losses(journal.records)
    )
    if not preprocessing.tiled and preprocessing.series is None:  # one scores below the worst of a record
        by_nature = (by_folds and not detector.phases()) or _remembers(detector)
        seen = scores if by_nature else training["score"]
        findings += check_scores(
            seen, scores, store.manifest.noun, by_folds=by_folds, is_trained=bool(detector.phases())
        )
    noun = noun_of_item(store.shape)
    if "reconstruction" in training:
        unseen = gathered(middles(held_out))
        findings += check_reconstructions(_rebuilt(training), _rebuilt(unseen) if unseen else None, noun)
    for model in detector.phases():
        if isinstance(model, JudgesPairs):
            findings += check_inversion(model, torch.from_numpy(training["item"]), noun)
    return findings


def _check_channels(detector: Detector, store: Store) -> list[Finding]:
    """A finding where a fixed network sees means of channels, or takes for colours what hardly are any."""
    for part in detector.modules():
        if not isinstance(part, FixedFeatures):
            continue
        if part.pictures is None and store.shape[0] == 3 and store.window is not None and store.window.of_channels:
            return [
                Finding(
                    "taken for colours",
                    "warning",
                    "its network sees the three channels, which have windows of their own, as red, green and blue: "
                    "what shows in one channel alone may not be found where they are no colours",
                    "colours=False (--set colours=false) has each channel seen as a picture of its own",
                )
            ]
        if part.pictures is not None and part.pictures.shape[1] > 1:
            pictures, together = part.pictures.shape
            return [
                Finding(
                    "channels averaged",
                    "warning",
                    f"its network sees the means of each {together} neighbouring channels, {pictures} pictures: what "
                    "shows in one channel alone may not be found",
                    f"fit on at most {MOST_PICTURES} channels at a time, or on components of them",
                )
            ]
    return []


def _remembers(detector: Detector) -> bool:
    return any(isinstance(part, Detector) and part.remembers for part in detector.modules())


def some_of(held_out: Manifest, reader: Reader) -> Iterator[Piece | Failure]:
    """Some of the held-out records, evenly spread, each read when it is its turn."""
    chosen = np.linspace(0, len(held_out) - 1, min(len(held_out), HELD_OUT_ITEMS)).astype(np.int64).tolist()
    return reader.pieces(replace(held_out, records=tuple(held_out.records[index] for index in chosen)))


def middles(pieces: Iterable[Piece | Failure]) -> Iterator[Piece]:
    """Of tiled images the middle tile, as of those that were trained on."""
    for piece in pieces:
        if isinstance(piece, Piece):
            middle = len(piece.crops) // 2
            yield replace(piece, crops=piece.crops[middle : middle + 1].copy())  # a view would keep all tiles


def _rebuilt(outputs: Outputs) -> Rebuilt:
    return Rebuilt(outputs["item"], outputs["reconstruction"])
