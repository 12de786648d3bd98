"""Fitted estimators to files and back, whatever kind they are of."""

from pathlib import Path

from hizumi import generation, inspection, runtime
from hizumi.generation import Modeller
from hizumi.inspection import Inspector
from hizumi.runtime import ExportedInspector
from hizumi.storage.archive import kind_of


def load(path: str | Path) -> Inspector | Modeller | ExportedInspector:
    """What a bundle holds: a fitted inspector, a fitted model, or an exported inspector.

    Raises BundleError in one line when it is not whole, not known, or not a bundle.
    """
    match kind_of(Path(path)):
        case "detector":
            return inspection.load(path)
        case "model":
            return generation.load(path)
        case "exported":
            return runtime.load(path)


def save(estimator: Inspector | Modeller, path: str | Path) -> Path:
    """Write a fitted inspector or model to one `.hizumi` file, whole or not at all."""
    if isinstance(estimator, Modeller):
        return generation.save(estimator, path)
    return inspection.save(estimator, path)
