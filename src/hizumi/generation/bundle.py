"""A fitted modeller in one file (see `hizumi.storage.archive`).

model.json             what the model is, how data reach it and come back, options, findings, hashes
weights.safetensors    parameters and buffers of the model
journal.jsonl          the training curves
model-card.md          the same for people
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch

from hizumi.data.pairs import PAIRINGS
from hizumi.errors import BundleError, UsageError
from hizumi.generation.card import model_card
from hizumi.generation.modeller import Modeller
from hizumi.inspection.bundle import constructor_arguments, plain_parameters
from hizumi.inspection.restored import explained
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.registry.specification import construct
from hizumi.storage.headers import Header, read_bundle, write_bundle
from hizumi.training.checkpoint import load_fitted
from hizumi.training.health import Finding
from hizumi.training.journal import Journal

FORMAT = 1
WEIGHTS, JOURNAL, CARD = "weights.safetensors", "journal.jsonl", "model-card.md"


class ModelHeader(Header):
    """model.json."""

    model: dict[str, Any]
    shape: list[int]
    preprocessing: dict[str, Any]
    classes: list[str]
    parameters: dict[str, Any]
    options: dict[str, Any]
    findings: list[dict[str, Any]]
    notes: list[str]


def save(modeller: Modeller, path: str | Path) -> Path:
    """Write a fitted modeller to one `.hizumi` file, whole or not at all."""
    model = modeller.model_
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    members = {
        WEIGHTS: safetensors.torch.save(weights),
        JOURNAL: "".join(json.dumps(record) + "\n" for record in modeller.journal_.records).encode(),
        CARD: model_card(modeller).encode(),
    }
    fields = {
        "model": modeller.options_["model"],
        "shape": list(model.require_built()),
        "preprocessing": modeller.preprocessing_.to_dict(),
        "classes": list(modeller.classes_),
        "parameters": plain_parameters(modeller) | {"pairing": plain_pairing(modeller.pairing)},
        "options": modeller.options_,
        "findings": [finding.to_dict() for finding in modeller.findings_],
        "notes": list(modeller.notes_),
    }
    return write_bundle(Path(path), "model", ModelHeader, fields, members, FORMAT)


def load(path: str | Path) -> Modeller:
    """Read a model; raises BundleError in one line when it is not whole, not known, or not a model."""
    path = Path(path)
    header, members = read_bundle(path, "model", ModelHeader, FORMAT)
    with explained(path, "train the model again"):
        return _revive(header, members)


def _revive(header: ModelHeader, members: Mapping[str, bytes]) -> Modeller:
    try:
        model = construct(header.model)
    except UsageError as error:
        raise BundleError(f"{error}; install the package that has it") from error
    parameters = header.parameters | {"pairing": _revived_pairing(header.parameters["pairing"])}
    modeller = Modeller(model=header.model["name"], **constructor_arguments(parameters))
    model.prepare(tuple(header.shape))
    load_fitted(model, safetensors.torch.load(members[WEIGHTS]))
    modeller.model_ = model.eval()
    modeller.preprocessing_ = Preprocessing.from_dict(header.preprocessing)
    modeller.classes_ = tuple(header.classes)
    modeller.options_ = header.options
    modeller.findings_ = [Finding(**finding) for finding in header.findings]
    modeller.notes_, modeller.failures_, modeller.leads_ = tuple(header.notes), (), True
    modeller.journal_ = Journal()
    modeller.journal_.records = [json.loads(line) for line in members[JOURNAL].decode().splitlines()]
    return modeller


def plain_pairing(pairing: Any) -> Any:
    """A pairing for JSON."""
    if pairing is None or isinstance(pairing, str):
        return pairing
    for name, known in PAIRINGS.items():
        if type(pairing) is known:
            return {"name": name, "arguments": asdict(pairing)}
    raise UsageError(f"a model trained on pairs of your own {type(pairing).__name__} cannot be saved; give two folders")


def _revived_pairing(plain: Any) -> Any:
    return PAIRINGS[plain["name"]](**plain["arguments"]) if isinstance(plain, dict) else plain
