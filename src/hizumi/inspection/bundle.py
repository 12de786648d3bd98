"""A fitted inspector in one file (see `hizumi.archive`).

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
from safetensors import SafetensorError
from sklearn.base import BaseEstimator

from hizumi.calibration import Calibration
from hizumi.data import Motion, Sizing, Window
from hizumi.errors import BundleError, UsageError
from hizumi.headers import Header, read_bundle, write_bundle
from hizumi.inspection.card import model_card
from hizumi.inspection.inspector import Inspector
from hizumi.inspection.specification import construct
from hizumi.training import TrainingOptions
from hizumi.training.checkpoint import load_fitted
from hizumi.training.health import Finding
from hizumi.training.journal import Journal
from hizumi.training.options import Budget

FORMAT = 1
WEIGHTS, SCORES, JOURNAL, CARD = (
    "weights.safetensors",
    "calibration.safetensors",
    "journal.jsonl",
    "model-card.md",
)


class DetectorHeader(Header):
    """bundle.json."""

    detector: dict[str, Any]
    shape: list[int]
    degrees_of_freedom: int | None
    sizing: dict[str, Any] | None
    window: dict[str, Any] | None
    motion: dict[str, Any] | None = None
    channels: int | None
    calibration: dict[str, Any]
    parameters: dict[str, Any]
    options: dict[str, Any]
    findings: list[dict[str, Any]]
    notes: list[str]


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
    path = Path(path)
    header, members = read_bundle(path, "detector", DetectorHeader, FORMAT)
    try:
        return _revive(header, members)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path}: its parts do not fit each other ({reason}); fit the detector again") from error


def _revive(header: DetectorHeader, members: Mapping[str, bytes]) -> Inspector:
    try:
        detector = construct(header.detector)
    except UsageError as error:
        raise BundleError(f"{error}; install the package that has it") from error
    inspector = Inspector(detector=header.detector["name"], **constructor_arguments(header.parameters))
    detector.prepare(tuple(header.shape))
    load_fitted(detector, safetensors.torch.load(members[WEIGHTS]))
    detector.degrees_of_freedom = header.degrees_of_freedom
    inspector.detector_ = detector.eval()
    inspector.sizing_ = None if header.sizing is None else Sizing(**header.sizing)
    inspector.window_ = None if header.window is None else Window(**header.window)
    inspector.motion_ = None if header.motion is None else Motion.from_dict(header.motion)
    inspector.channels_ = header.channels
    inspector.calibration_ = Calibration.from_dict(header.calibration, safetensors.numpy.load(members[SCORES]))
    inspector.options_ = header.options
    inspector.findings_ = [Finding(**finding) for finding in header.findings]
    inspector.notes_, inspector.failures_, inspector.leads_ = tuple(header.notes), (), True
    inspector.journal_ = Journal()
    inspector.journal_.records = [json.loads(line) for line in members[JOURNAL].decode().splitlines()]
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
