"""Fitted estimators to files and back, whatever kind they are of."""

import os
from pathlib import Path
from typing import Any

from hizumi import generation, inspection, runtime
from hizumi.errors import UsageError
from hizumi.generation import Modeller
from hizumi.inspection import Inspector
from hizumi.runtime import ExportedInspector
from hizumi.storage.archive import kind_of
from hizumi.storage.files import refuse_unwritable


def load(path: str | Path) -> Inspector | Modeller | ExportedInspector:
    """What a bundle holds: a fitted inspector, a fitted model, or an exported inspector.

    Raises BundleError in one line when it is not whole, not known, or not a bundle.
    """
    match kind_of(_path(path, "load(path)")):
        case "detector":
            return inspection.load(path)
        case "model":
            return generation.load(path)
        case "exported":
            return runtime.load(path)


def save(estimator: Inspector | Modeller, path: str | Path) -> Path:
    """Write a fitted inspector or model to one `.hizumi` file, whole or not at all."""
    call = "save(estimator, path)"
    if not isinstance(estimator, Inspector | Modeller):
        raise UsageError(f"{call}: {_kind(estimator)} cannot be saved; give a fitted Inspector or Modeller first")
    path = _path(path, call)
    refuse_unwritable(path)
    if isinstance(estimator, Modeller):
        return generation.save(estimator, path)
    return inspection.save(estimator, path)


def _path(given: Any, call: str) -> Path:
    if not isinstance(given, str | os.PathLike):
        raise UsageError(f"{call}: {_kind(given)} is no path; give text or a pathlib.Path, such as 'parts.hizumi'")
    return Path(given)


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a value of type {type(value).__name__}"
