"""Finds every model and detector by name: one file, one class; plug-ins by the entry-point group `hizumi.detectors`.

A file's name is the name of what it holds: `one_class_svm.py` holds `OneClassSVM`, the class with that name without
underscores. Files that hold no such class (contracts, shared parts) are passed over.
"""

import pkgutil
from collections.abc import Container, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract, isclass
from types import ModuleType
from typing import TypeVar

import hizumi.detectors
import hizumi.models
from hizumi.detectors.detector import Detector
from hizumi.errors import UsageError
from hizumi.registry.names import PLUG_INS
from hizumi.registry.suggestions import unknown
from hizumi.training.trainable import Trainable

Found = TypeVar("Found")


@cache
def find_models() -> dict[str, type[Trainable]]:
    """All generative models by name, in alphabetical order."""
    found = _classes_named_like_their_files(hizumi.models)
    return {name: model for name, model in found if issubclass(model, Trainable) and not isabstract(model)}


@cache
def find_detectors() -> dict[str, type[Detector]]:
    """All detectors by name, in alphabetical order, plug-ins included."""
    found = _classes_named_like_their_files(hizumi.detectors)
    own = {name: detector for name, detector in found if issubclass(detector, Detector) and not isabstract(detector)}
    taken = {*own, *find_models()}
    for entry in entry_points(group=PLUG_INS):
        if entry.name in taken:
            raise UsageError(
                f"plug-in {entry.name!r} ({entry.value}) has the name of another detector or model; uninstall it"
            )
        own[entry.name] = _load(entry)
        taken.add(entry.name)
    return dict(sorted(own.items()))


def find_trainings() -> dict[str, type[Trainable]]:
    """What detectors train besides models, by names such as "ganomaly.GANomalyTraining"."""
    return {
        f"{name}.{found.__name__}": found
        for name, detector in find_detectors().items()
        for found in vars(import_module(detector.__module__)).values()
        if isclass(found)
        and issubclass(found, Trainable)
        and not isabstract(found)
        and not found.__module__.startswith("hizumi.models.")
    }


def find_parts() -> dict[str, type]:
    """All that has a specification: detectors, models, and what detectors train besides models."""
    return {**find_detectors(), **find_models(), **find_trainings()}


def part_class(name: str) -> type:
    """The class of this name in `find_parts`; raises a UsageError that suggests names like it."""
    return _named(name, "model or detector", find_parts())


def model_class(name: str) -> type[Trainable]:
    """The model of this name; raises a UsageError that suggests names like it."""
    return _named(name, "model", find_models(), find_detectors())


def detector_class(name: str) -> type[Detector]:
    """The detector of this name; raises a UsageError that suggests names like it."""
    return _named(name, "detector", find_detectors(), find_models())


def _classes_named_like_their_files(package: ModuleType) -> Iterator[tuple[str, type]]:
    for info in pkgutil.iter_modules(package.__path__):
        module = import_module(f"{package.__name__}.{info.name}")
        for name, value in vars(module).items():
            if isclass(value) and name.lower() == info.name.replace("_", ""):
                yield info.name, value


def _load(entry: EntryPoint) -> type[Detector]:
    try:
        plug_in = entry.load()
    except Exception as error:  # another package's import may raise anything
        raise UsageError(f"plug-in {entry.name!r} ({entry.value}) cannot be imported: {error}; uninstall it") from error
    if not (isclass(plug_in) and issubclass(plug_in, Detector)):
        raise UsageError(f"plug-in {entry.name!r} ({entry.value}) is not a Detector class; uninstall it")
    return plug_in


def _named(name: str, kind: str, known: Mapping[str, Found], others: Container[str] = ()) -> Found:
    if name in known:
        return known[name]
    raise UsageError(unknown(name, kind, known, others))
