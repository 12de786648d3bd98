"""Detectors and models as plain data: a class name and its arguments, from objects, bundles and command lines."""

import ast
import inspect
from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

from hizumi.errors import UsageError
from hizumi.registry.finding import detector_class, find_detectors, find_models, model_class
from hizumi.training.preset import preset_of


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


def specification_from(
    name: str,
    settings: Mapping[str, str],
    role: Literal["detector", "model"] = "detector",
    preset: str | None = None,
) -> dict[str, Any]:
    """A detector's or model's specification from a name and settings in words, on top of a detector's preset.

    Settings are such as {"model": "vae", "model.latent": "20", "difference": "l1"}.
    A value that names a model or a detector becomes that where the argument takes one, and names with commas between
    them become several; a dot reaches into their own arguments: {"detectors.0.features": "raw"} into the first's.
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
        else:
            arguments[first] = _part(text, str(parameters[first].annotation)) or _value(text)
    for key, nested in inner.items():
        value = arguments.setdefault(key, _parts_in(base, key))
        if isinstance(value, list):
            _set_in_list(value, nested, f"{owner}.{key}")
        elif isinstance(value, dict):
            value["arguments"] |= _arguments(construct(value), nested, value["name"])
        else:
            raise UsageError(f"{owner}: {key} is no model, so {key}.{next(iter(nested))} means nothing")
    return arguments


def _part(text: str, annotation: str) -> Any:
    """A model, a detector or several, where an argument of this type takes them by name; None where it does not."""
    if text in find_models() and "Trainable" in annotation:
        return {"name": text, "arguments": {}}
    if "Detector" not in annotation or text == "None":
        return None
    parts = [{"name": name, "arguments": {}} for name in text.split(",") if detector_class(name)]
    return parts if "tuple" in annotation else parts[0]


def _set_in_list(parts: list[Any], settings: Mapping[str, str], owner: str) -> None:
    for place in dict.fromkeys(key.partition(".")[0] for key in settings):
        if not (place.isdecimal() and int(place) < len(parts)):
            raise UsageError(f"{owner} has no part {place!r}; its parts are 0 to {len(parts) - 1}")
        part, prefix = parts[int(place)], f"{place}."
        nested = {key.removeprefix(prefix): text for key, text in settings.items() if key.startswith(prefix)}
        part["arguments"] |= _arguments(construct(part), nested, part["name"])


def _parts_in(base: nn.Module, key: str) -> Any:
    value = getattr(base, key)
    parts = value if isinstance(value, tuple) else (value,)
    return _plain(value) if all(isinstance(part, nn.Module) for part in parts) else None


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _plain(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return specify(value)
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _revived(value: Any) -> Any:
    if isinstance(value, Mapping):
        return construct(value)
    return tuple(_revived(part) for part in value) if isinstance(value, list) else value
