"""A fitted inspector in one file (see `hizumi.storage.archive`).

bundle.json                what the detector is, how images reach it, the calibration, options, findings, hashes
weights.safetensors        parameters and buffers of the detector
calibration.safetensors    the held-out normal scores
journal.jsonl              the training curves
model-card.md              the same for people
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from sklearn.base import BaseEstimator

from hizumi.inspection.card import model_card
from hizumi.inspection.inspector import Inspector
from hizumi.inspection.restored import FORMAT, SCORES, WEIGHTS, DetectorHeader, Restored, explained, restore
from hizumi.storage.headers import write_bundle
from hizumi.training import TrainingOptions
from hizumi.training.health import Finding
from hizumi.training.journal import Journal
from hizumi.training.options import Budget

JOURNAL, CARD = "journal.jsonl", "model-card.md"


def save(inspector: Inspector, path: str | Path) -> Path:
    """Write a fitted inspector to one `.hizumi` file, whole or not at all."""
    path = Path(path)
    calibration, arrays = inspector.calibration_.to_dict()
    detector = inspector.detector_
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.state_dict().items()}
    members = {
        WEIGHTS: safetensors.torch.save(weights),
        SCORES: safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}),
        JOURNAL: "".join(json.dumps(record) + "\n" for record in inspector.journal_.records).encode(),
        CARD: model_card(inspector).encode(),
    }
    fields = {
        "detector": inspector.options_["detector"],
        "shape": list(detector.shape or ()),
        "degrees_of_freedom": detector.degrees_of_freedom,
        "sizing": None if inspector.sizing_ is None else asdict(inspector.sizing_),
        "window": None if inspector.window_ is None else asdict(inspector.window_),
        "motion": None if inspector.motion_ is None else asdict(inspector.motion_),
        "channels": inspector.channels_,
        "calibration": calibration,
        "parameters": plain_parameters(inspector),
        "options": inspector.options_,
        "findings": [finding.to_dict() for finding in inspector.findings_],
        "notes": list(inspector.notes_),
    }
    return write_bundle(path, "detector", DetectorHeader, fields, members, FORMAT)


def load(path: str | Path) -> Inspector:
    """Read a bundle; raises BundleError in one line when it is not whole, not known, or not a bundle."""
    restored = restore(path)
    with explained(Path(path), "fit the detector again"):
        return _inspector_of(restored)


def _inspector_of(restored: Restored) -> Inspector:
    header = restored.header
    inspector = Inspector(detector=header.detector["name"], **constructor_arguments(header.parameters))
    inspector.detector_ = restored.detector
    inspector.sizing_, inspector.window_, inspector.motion_ = restored.sizing_, restored.window_, restored.motion_
    inspector.channels_, inspector.calibration_ = header.channels, restored.calibration_
    inspector.options_ = header.options
    inspector.findings_ = [Finding(**finding) for finding in header.findings]
    inspector.notes_, inspector.failures_, inspector.leads_ = tuple(header.notes), (), True
    inspector.journal_ = Journal()
    inspector.journal_.records = [json.loads(line) for line in restored.members[JOURNAL].decode().splitlines()]
    if len(header.shape) == 1:
        inspector.n_features_in_ = header.shape[0]
    return inspector


def plain_parameters(estimator: BaseEstimator) -> dict[str, Any]:
    """The constructor's arguments for JSON, but for the part that is fitted, and the cache of another machine."""
    parameters = estimator.get_params(deep=False)
    training = parameters["training"]
    left_out = ("detector", "model", "cache", "training")
    kept = {name: value for name, value in parameters.items() if name not in left_out}
    return kept | {"training": None if training is None else asdict(training)}


def constructor_arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `plain_parameters`."""
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()
    }
    if arguments["training"] is not None:
        budget = arguments["training"]["budget"]
        training = arguments["training"] | {"budget": _read_budget(budget)}
        arguments["training"] = TrainingOptions(**training)
    return arguments


def _read_budget(plain: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None) -> Budget | tuple[Budget, ...] | None:
    if plain is None:
        return None
    return Budget(**plain) if isinstance(plain, Mapping) else tuple(Budget(**each) for each in plain)
