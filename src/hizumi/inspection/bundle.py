"""One file for everything fitted: a zip of JSON and safetensors, without pickle, in which no byte can change unseen.

    bundle.json                what the detector is, how images reach it, the calibration, options, findings, hashes
    weights.safetensors        parameters and buffers of the detector
    calibration.safetensors    the held-out normal scores
    journal.jsonl              the training curves
    model-card.md              the same for people

The archive's comment is the SHA-256 of every byte before it.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from hizumi.calibration import Calibration
from hizumi.data import Sizing, Window
from hizumi.errors import BundleError, UsageError
from hizumi.files import write_atomically
from hizumi.inspection.card import model_card
from hizumi.inspection.inspector import Inspector
from hizumi.inspection.specification import construct
from hizumi.training import TrainingOptions
from hizumi.training.checkpoint import load_fitted
from hizumi.training.health import Finding
from hizumi.training.journal import Journal
from hizumi.training.options import Budget
from hizumi.version import __version__

FORMAT = 1
HEADER, WEIGHTS, SCORES, JOURNAL, CARD = (
    "bundle.json",
    "weights.safetensors",
    "calibration.safetensors",
    "journal.jsonl",
    "model-card.md",
)
HASH_LENGTH = 64


class Header(BaseModel):
    """bundle.json."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    hizumi: str
    detector: dict[str, Any]
    shape: list[int]
    degrees_of_freedom: int | None
    sizing: dict[str, Any] | None
    window: dict[str, Any] | None
    channels: int | None
    calibration: dict[str, Any]
    parameters: dict[str, Any]
    options: dict[str, Any]
    findings: list[dict[str, Any]]
    notes: list[str]
    members: dict[str, str]


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
    header = Header(
        format=FORMAT,
        hizumi=__version__,
        detector=inspector.options_["detector"],
        shape=list(detector.shape or ()),
        degrees_of_freedom=detector.degrees_of_freedom,
        sizing=None if inspector.sizing_ is None else asdict(inspector.sizing_),
        window=None if inspector.window_ is None else asdict(inspector.window_),
        channels=inspector.channels_,
        calibration=calibration,
        parameters=_parameters(inspector),
        options=inspector.options_,
        findings=[finding.to_dict() for finding in inspector.findings_],
        notes=list(inspector.notes_),
        members={name: hashlib.sha256(content).hexdigest() for name, content in members.items()},
    )
    write_atomically(path, _archive({HEADER: header.model_dump_json(indent=2).encode()} | members))
    return path


def load(path: str | Path) -> Inspector:
    """Read a bundle; raises BundleError in one line when it is not whole, not known, or not a bundle."""
    path = Path(path)
    members = _members(path)
    try:
        header = Header.model_validate_json(members[HEADER])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: bundle.json is not valid at {where}: {first['msg']}") from error
    if header.format > FORMAT:
        raise BundleError(f"{path}: was written by hizumi {header.hizumi}; this is {__version__}: install a newer one")
    for name, expected in header.members.items():
        if name not in members or hashlib.sha256(members[name]).hexdigest() != expected:
            raise BundleError(f"{path}: {name} is missing or was changed; use an unchanged copy of the bundle")
    try:
        return _revive(header, members)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path}: its parts do not fit each other ({reason}); fit the detector again") from error


def _revive(header: Header, members: Mapping[str, bytes]) -> Inspector:
    try:
        detector = construct(header.detector)
    except UsageError as error:
        raise BundleError(f"{error}; install the package that has it") from error
    inspector = Inspector(detector=header.detector["name"], **_constructor(header.parameters))
    detector.prepare(tuple(header.shape))
    load_fitted(detector, safetensors.torch.load(members[WEIGHTS]))
    detector.degrees_of_freedom = header.degrees_of_freedom
    inspector.detector_ = detector.eval()
    inspector.sizing_ = None if header.sizing is None else Sizing(**header.sizing)
    inspector.window_ = None if header.window is None else Window(**header.window)
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


def _parameters(inspector: Inspector) -> dict[str, Any]:
    """The constructor's arguments, but for the detector, which stands by itself, and the cache of another machine."""
    parameters = inspector.get_params(deep=False)
    training = parameters["training"]
    kept = {name: value for name, value in parameters.items() if name not in ("detector", "cache", "training")}
    return kept | {"training": None if training is None else asdict(training)}


def _constructor(parameters: Mapping[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()
    }
    if arguments["training"] is not None:
        budget = arguments["training"]["budget"]
        training = arguments["training"] | {"budget": None if budget is None else Budget(**budget)}
        arguments["training"] = TrainingOptions(**training)
    return arguments


def _archive(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.comment = b"0" * HASH_LENGTH
    content = buffer.getvalue()[:-HASH_LENGTH]
    return content + hashlib.sha256(content).hexdigest().encode()


def _members(path: Path) -> dict[str, bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BundleError(f"{path}: is no hizumi bundle, or was cut short ({error})") from error
    if hashlib.sha256(content[:-HASH_LENGTH]).hexdigest().encode() != content[-HASH_LENGTH:]:
        raise BundleError(f"{path}: is no hizumi bundle, or a byte of it was changed; use an unchanged copy")
    if HEADER not in members:
        raise BundleError(f"{path}: holds no {HEADER}; it is no hizumi bundle")
    return members
