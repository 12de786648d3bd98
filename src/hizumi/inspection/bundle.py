"""A fitted inspector in one file (see `hizumi.storage.archive`).

bundle.json                what the detector is, its preprocessing, the calibration, options, findings, hashes
weights.safetensors        parameters and buffers of the detector
calibration.safetensors    the held-out normal scores, and those of known defects
seen.safetensors           of each good image and known defect the beginning of its hash
journal.jsonl              the training curves
model-card.md              a summary for people
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from sklearn.utils.validation import check_is_fitted

from hizumi.arguments import check_arguments
from hizumi.inspection.inspector import Inspector
from hizumi.inspection.loaded import DetectorHeader, LoadedInspector, restore
from hizumi.inspection.members import CARD, FORMAT, JOURNAL, SCORES, SEEN, WEIGHTS
from hizumi.registry.specification import construct
from hizumi.runs.card import model_card
from hizumi.runs.known_defects import FoundAmongKnown
from hizumi.runs.nouns import learned_in_words, noun_of, threshold_fact
from hizumi.runs.parameters import constructor_arguments, plain_parameters
from hizumi.runs.record import without_place
from hizumi.runs.study import tuned_fact
from hizumi.storage.explained import explained
from hizumi.storage.headers import write_bundle
from hizumi.storage.weights import packed


def save(inspector: Inspector, path: str | Path) -> Path:
    """Write a fitted inspector to one `.hizumi` file, whole or not at all."""
    check_is_fitted(inspector, "calibration_")
    calibration, arrays = inspector.calibration_.to_dict()
    detector = inspector.detector_
    members = {
        WEIGHTS: packed(detector),
        SCORES: safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}),
        SEEN: safetensors.numpy.save(inspector.seen_.arrays()),
        JOURNAL: inspector.journal_.to_bytes(),
        CARD: card_of(inspector).encode(),
    }
    fields = {
        "detector": inspector.options_["detector"],
        "shape": list(detector.shape or ()),
        "degrees_of_freedom": detector.degrees_of_freedom,
        "preprocessing": inspector.preprocessing_.to_dict(),
        "calibration": calibration,
        "parameters": plain_parameters(inspector),
        "options": without_place(inspector.options_),
        "findings": [finding.to_dict() for finding in inspector.findings_],
        "notes": list(inspector.notes_),
    }
    return write_bundle(Path(path), "detector", DetectorHeader, fields, members, FORMAT)


def load(path: str | Path) -> Inspector:
    """Read a bundle; raises BundleError in one line when it is not whole, not known, or not a bundle."""
    loaded = restore(path)
    with explained(Path(path), loaded.header.hizumi, "fit the detector again"):
        return _inspector_of(loaded)


def card_of(inspector: Inspector) -> str:
    """The model card."""
    record = inspector.options_
    seen_by = "camera, light" if record.get("series") is None else "sensors, rate"
    facts = [
        f"Fitted on {record['training_images']} normal {learned_in_words(record)}.",
        threshold_fact(record, inspector.calibration_),
        *([known.words(noun_of(record))] if (known := FoundAmongKnown.of(inspector.calibration_)) else []),
        *([tuned_fact(record["tuned"])] if "tuned" in record else []),
        f"Valid for the same {seen_by} and preprocessing as the normal items it was fitted on.",
    ]
    detector = inspector.detector_
    name = type(detector).__name__
    return model_card("An anomaly detector", name, detector.card, record, facts, inspector.findings_)


def _asked_for(detector: Mapping[str, Any]) -> Any:
    """What was fitted, unfitted, to be fitted again: of a detector for each fold, each of them."""
    crossed = detector["name"] == "cross_conformal"
    return construct(detector["arguments"]["detectors"][0] if crossed else detector)


def _inspector_of(loaded: LoadedInspector) -> Inspector:
    header = loaded.header
    inspector = Inspector(detector=_asked_for(header.detector), **constructor_arguments(header.parameters))
    check_arguments(inspector)
    inspector.detector_ = loaded.detector_
    inspector.preprocessing_ = loaded.preprocessing_
    inspector.region = loaded.preprocessing_.region
    inspector.series = loaded.preprocessing_.series is not None
    inspector.calibration_ = loaded.calibration_
    inspector.options_ = dict(loaded.options_)
    inspector.findings_ = loaded.findings_
    inspector.notes_ = tuple(header.notes)
    inspector.failures_ = ()
    inspector.unopened_ = ()
    inspector.seen_ = loaded.seen_
    inspector.is_main_process_ = True
    inspector.journal_ = loaded.journal_
    if len(header.shape) == 1:
        inspector.know_columns(loaded.preprocessing_.table, header.shape[0])
    return inspector
