"""Detectors and models as plain data: a class name and its arguments, from objects, bundles and command lines."""

import ast
import inspect
from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

from hizumi.detectors import Detector, Preset
from hizumi.errors import UsageError
from hizumi.registry import detector_class, find_detectors, find_models, model_class
from hizumi.training import Trainable


def specify(part: nn.Module) -> dict[str, Any]:
    """The specification of a detector or model: {"name", "arguments"}, ready for JSON."""
    known: dict[str, type] = {**find_detectors(), **find_models()}
    names = {found: name for name, found in known.items()}
    if type(part) not in names:
        raise UsageError(f"{type(part).__name__} is not known to the registry; install it as a plug-in")
    arguments = {name: _plain(getattr(part, name)) for name in inspect.signature(type(part)).parameters}
    return {"name": names[type(part)], "arguments": arguments}


def construct(specification: Mapping[str, Any]) -> Any:
    """A new, unfitted detector or model from its specification."""
    name = specification["name"]
    found: type = model_class(name) if name in find_models() else detector_class(name)
    arguments = {key: _revived(value) for key, value in specification["arguments"].items()}
    try:
        return found(**arguments)
    except TypeError as error:
        known = ", ".join(inspect.signature(found).parameters)
        raise UsageError(f"{name} does not take these settings ({error}); it takes {known}") from error


def preset_of(found: type[Detector], preset: str) -> Preset:
    """A detector's preset; one with nothing to train is fast as it is."""
    if preset in found.presets:
        return found.presets[preset]
    detector = found()
    if preset == "fast" and not detector.phases():
        return Preset(found)
    known = f"it has {', '.join(found.presets)}" if found.presets else "it has none"
    raise UsageError(f"{found.__name__} has no preset {preset!r}; {known}")


def specification_from(
    name: str,
    settings: Mapping[str, str],
    role: Literal["detector", "model"] = "detector",
    preset: str | None = None,
) -> dict[str, Any]:
    """A detector's or model's specification from a name and settings in words, on top of a detector's preset.

    Settings are such as {"model": "vae", "model.latent": "20", "difference": "l1"}.
    A value that names a model becomes that model where the argument takes one; a dot reaches into its own arguments.
    """
    found: type = detector_class(name) if role == "detector" else model_class(name)
    base: Any = found() if preset is None else preset_of(detector_class(name), preset).make()
    given = _arguments(base, settings, name)
    return {"name": name, "arguments": given if preset is None else specify(base)["arguments"] | given}


def _arguments(base: nn.Module, settings: Mapping[str, str], owner: str) -> dict[str, Any]:
    """Arguments in plain data; what a dot reaches into is what `base` has in that place."""
    parameters = inspect.signature(type(base)).parameters
    inner: dict[str, dict[str, str]] = {}
    arguments: dict[str, Any] = {}
    for key, text in settings.items():
        first, _, rest = key.partition(".")
        if first not in parameters:
            raise UsageError(f"{owner} has no setting {first!r}; it has {', '.join(parameters) or 'none'}")
        if rest:
            inner.setdefault(first, {})[rest] = text
        elif text in find_models() and "Trainable" in str(parameters[first].annotation):
            arguments[first] = {"name": text, "arguments": {}}
        else:
            arguments[first] = _value(text)
    for key, nested in inner.items():
        value = arguments.setdefault(key, _model_in(base, key))
        if not isinstance(value, dict):
            raise UsageError(f"{owner}: {key} is no model, so {key}.{next(iter(nested))} means nothing")
        value["arguments"] |= _arguments(construct(value), nested, value["name"])
    return arguments


def _model_in(base: nn.Module, key: str) -> dict[str, Any] | None:
    model = getattr(base, key)
    return specify(model) if isinstance(model, Trainable) else None


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _plain(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return specify(value)
    return list(value) if isinstance(value, tuple) else value


def _revived(value: Any) -> Any:
    if isinstance(value, Mapping):
        return construct(value)
    return tuple(value) if isinstance(value, list) else value
