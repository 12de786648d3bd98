"""Detectors and models as plain data, and made from names and settings in words."""

import ast
from collections.abc import Mapping
from typing import Any, get_origin

from torch import nn

from hizumi.arguments import (
    annotation_of,
    arguments_of,
    check_argument,
    check_arguments,
    choices_of,
    clone,
    home_of,
    is_part,
    located,
    options_of,
    part_types,
    plain,
)
from hizumi.detectors.detector import Detector
from hizumi.errors import BundleError, UsageError
from hizumi.registry.finding import detector_class, find_parts, model_class, part_class
from hizumi.storage.files import first_line
from hizumi.training.preset import made
from hizumi.training.trainable import Trainable


def specify(part: nn.Module) -> dict[str, Any]:
    """The specification of a detector or model: {"name", "arguments"}, ready for JSON."""
    name = next((name for name, found in find_parts().items() if found is type(part)), None)
    if name is None:
        raise UsageError(f"{type(part).__name__} is not known to the registry; install it as a plug-in")
    return {"name": name, "arguments": {key: _plain(value) for key, value in arguments_of(part).items()}}


def construct(specification: Mapping[str, Any]) -> Any:
    """A new, unfitted detector or model from its specification.

    Arguments that moved into a part since the specification was written are passed on to it.
    """
    found = part_class(specification["name"])
    arguments = {key: _revived(value) for key, value in specification["arguments"].items()}
    try:
        return found(**arguments)
    except (TypeError, UsageError) as error:
        reason = first_line(error)
        raise UsageError(f"{specification['name']} does not take these settings: {reason}") from error


def of_bundle(specification: Mapping[str, Any], writer: str) -> Any:
    """`construct` for what hizumi `writer` put into a bundle; raises BundleError with what to do where it cannot be."""
    try:
        return construct(specification)
    except UsageError as error:
        known = specification["name"] in find_parts()
        remedy = f"hizumi {writer} wrote it: fit it again" if known else "install the package that has it"
        raise BundleError(f"{error}; {remedy}") from error


def make_detector(name: str, settings: Mapping[str, str] = {}, preset: str | None = None) -> Detector:
    """An unfitted detector from its name, its preset, and settings in words.

    Settings are such as {"model": "vae", "model.latent": "20", "difference": "l1"}. A name of a model or detector
    becomes that where the argument takes one, and names with commas between them become several; a dot reaches into
    their own arguments ("detectors.0.features"), and so does a name alone where it is unique ("latent"). Raises
    UsageError, which suggests what may have been meant, for names and values that do not fit.
    """
    found = detector_class(name)
    return _set(made(found, preset), settings, name)


def make_model(name: str, settings: Mapping[str, str] = {}, preset: str | None = None) -> Trainable:
    """An unfitted model from its name, its preset, and settings in words; see `make_detector`."""
    found = model_class(name)
    return _set(made(found, preset), settings, name)


def _set(part: Any, settings: Mapping[str, str], name: str) -> Any:
    waiting, given = dict(settings), dict[str, str]()
    while waiting:
        # A part comes before what is set in it, an outer one before an inner one.
        path = min(waiting, key=lambda path: (not _is_of_part(part, path), path.count(".")))
        home, argument = home_of(part, path, name)
        if (other := given.setdefault(located(part, path, name), path)) != path:
            raise UsageError(f"{name}: {other} and {path} are one setting; give it once")
        value = _parsed(waiting.pop(path), annotation_of(home, argument))
        check_argument(home, argument, value, f"{name}: {path}")
        part = clone(part, **{path: value})
    check_arguments(part, name)
    return part


def _is_of_part(part: Any, path: str) -> bool:
    try:
        home, argument = home_of(part, path)
    except UsageError:  # perhaps of a part that another setting brings
        return False
    return bool(part_types(annotation_of(home, argument)))


def _parsed(text: str, annotation: Any) -> Any:
    """The value that a text stands for, by the annotation of the argument that it is given to."""
    choices, options = choices_of(annotation), options_of(annotation)
    if text in choices or str in options or (choices and text.isidentifier() and text not in {"None", *find_parts()}):
        return text
    if part_types(annotation) and text != "None":
        parts = tuple(part_class(name)() for name in text.split(","))
        several = any(get_origin(option) is tuple for option in options)
        return parts if several or len(parts) > 1 else parts[0]
    try:
        return plain(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def _plain(value: Any) -> Any:
    if is_part(value):
        return specify(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else plain(value)


def _revived(value: Any) -> Any:
    if isinstance(value, Mapping):
        return construct(value)
    return tuple(map(_revived, value)) if isinstance(value, list) else value
