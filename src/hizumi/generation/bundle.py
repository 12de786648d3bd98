"""A fitted modeller in one file (see `hizumi.storage.archive`).

model.json             what the model is, its preprocessing, options, findings, hashes
weights.safetensors    parameters and buffers of the model
journal.jsonl          the training curves
model-card.md          a summary for people
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from hizumi.arguments import check_arguments, clone
from hizumi.data.pairs import PAIRINGS
from hizumi.errors import BundleError, UsageError
from hizumi.generation.modeller import Modeller
from hizumi.preprocessing import Preprocessing
from hizumi.preprocessing.preprocessing import upgraded
from hizumi.registry import find_models, of_bundle
from hizumi.runs.card import model_card
from hizumi.runs.nouns import learned_in_words
from hizumi.runs.parameters import constructor_arguments, plain_parameters
from hizumi.runs.record import without_place
from hizumi.storage.explained import explained
from hizumi.storage.headers import Header, read_bundle, write_bundle
from hizumi.storage.weights import packed, unpacked
from hizumi.training.checkpoint import revive
from hizumi.training.health import Finding
from hizumi.training.journal import Journal

FORMAT = 2
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
    check_is_fitted(modeller, "model_")
    model = modeller.model_
    members = {
        WEIGHTS: packed(model),
        JOURNAL: modeller.journal_.to_bytes(),
        CARD: card_of(modeller).encode(),
    }
    fields = {
        "model": modeller.options_["model"],
        "shape": list(model.require_built()),
        "preprocessing": modeller.preprocessing_.to_dict(),
        "classes": list(modeller.classes_),
        "parameters": plain_parameters(modeller) | {"pairing": plain_pairing(modeller.pairing)},
        "options": without_place(modeller.options_),
        "findings": [finding.to_dict() for finding in modeller.findings_],
        "notes": list(modeller.notes_),
    }
    return write_bundle(Path(path), "model", ModelHeader, fields, members, FORMAT)


def load(path: str | Path) -> Modeller:
    """Read a model; raises BundleError in one line when it is not whole, not known, or not a model."""
    path = Path(path)
    header, members = read_bundle(path, "model", ModelHeader, FORMAT, upgraded)
    with explained(path, header.hizumi, "train the model again"):
        return _revived(header, members)


def card_of(modeller: Modeller) -> str:
    """The model card."""
    record = modeller.options_
    classes = [f"Classes: {', '.join(record['classes'])}."] if record["classes"] else []
    facts = [
        f"Learned from {record['training_images']} {learned_in_words(record)}.",
        *classes,
        "What it makes was never seen: use it to study, to augment or to repair data, not as evidence.",
    ]
    model = modeller.model_
    return model_card("A generative model", type(model).__name__, model.card, record, facts, modeller.findings_)


def _revived(header: ModelHeader, members: Mapping[str, bytes]) -> Modeller:
    model = of_bundle(header.model, header.hizumi)
    if header.model["name"] not in find_models():  # but what a detector trains
        raise BundleError(f"{header.model['name']} is no model; use an unchanged copy of the bundle")
    parameters = header.parameters | {"pairing": _revived_pairing(header.parameters["pairing"])}
    shape, preprocessing = tuple(header.shape), Preprocessing.from_dict(header.preprocessing)
    preprocessing.refuse_unfit(shape)
    revive(model, shape, unpacked(members[WEIGHTS]))
    modeller = Modeller(clone(model), **constructor_arguments(parameters))
    check_arguments(modeller)
    modeller.model_ = model.eval()
    modeller.preprocessing_ = preprocessing
    modeller.series = preprocessing.series is not None
    modeller.classes_ = tuple(header.classes)
    modeller.options_ = header.options
    modeller.findings_ = [Finding(**finding) for finding in header.findings]
    modeller.notes_ = tuple(header.notes)
    modeller.failures_ = ()
    modeller.unopened_ = ()
    modeller.is_main_process_ = True
    modeller.journal_ = Journal.from_bytes(members[JOURNAL])
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
