"""An estimator's constructor arguments as plain data, and back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

from sklearn.base import BaseEstimator

from hizumi.arguments import arguments_of, clone, is_part, parts_of, plain
from hizumi.calibration import Costs
from hizumi.data.variation import Variation
from hizumi.errors import UsageError
from hizumi.training import Budget, TrainingOptions


def plain_parameters(estimator: BaseEstimator) -> dict[str, Any]:
    """The constructor's arguments for JSON, but for those that a bundle has elsewhere, and the cache."""
    parameters = estimator.get_params(deep=False)
    left_out = ("detector", "model", "cache", "region", "series")
    kept = {name: value for name, value in parameters.items() if name not in left_out}
    return {
        name: asdict(value) if isinstance(value, TrainingOptions | Costs | Variation) else plain(value)
        for name, value in kept.items()
    }


def constructor_arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `plain_parameters`."""
    arguments = {name: _in_tuples(value) for name, value in parameters.items()}
    if (training := arguments["training"]) is not None:
        budget = training["budget"]
        if isinstance(budget, Mapping):
            budget = Budget(**budget)
        elif budget is not None:  # one for each phase
            budget = tuple(Budget(**each) for each in budget)
        arguments["training"] = TrainingOptions(**training | {"budget": budget})
    for name, kind in (("costs", Costs), ("variation", Variation)):
        if (value := arguments.get(name)) is not None:
            arguments[name] = kind(**value)
    return arguments


def _in_tuples(value: Any) -> Any:
    return tuple(map(_in_tuples, value)) if isinstance(value, list) else value


def with_nested(own: Mapping[str, Any], parts: Iterable[str]) -> dict[str, Any]:
    """An estimator's parameters, and those of its parts by the names that `set_nested` takes.

    A part that is named, or left to be chosen, has none yet.
    """
    found = dict(own)
    for part in parts:
        if is_part(own[part]):
            found |= _within(own[part], part)
        elif is_dataclass(own[part]):
            found |= {f"{part}__{field.name}": getattr(own[part], field.name) for field in fields(own[part])}
    return found


def _within(part: Any, called: str) -> dict[str, Any]:
    found = {f"{called}__{name}": value for name, value in arguments_of(part).items()}
    for path, inner in parts_of(part):
        found |= _within(inner, f"{called}__{path.replace('.', '__')}")
    return found


def set_nested(
    estimator: Any,
    set_own: Callable[..., Any],
    parameters: Mapping[str, Any],
    parts: Mapping[str, Callable[[], Any]],
) -> None:
    """Set an estimator's parameters, and those of its parts, such as "training__seed" or "detector__model__latent".

    `set_own` takes the estimator's own; `parts` make what is to be changed of each part. Raises UsageError for a part
    or a name that there is not.
    """
    nested: dict[str, dict[str, Any]] = {}
    for path in [path for path in parameters if "__" in path]:
        part, _, name = path.partition("__")
        if part not in parts:
            raise UsageError(f"{path}: {type(estimator).__name__} has no part {part!r}; it has {' and '.join(parts)}")
        nested.setdefault(part, {})[name] = parameters[path]
    set_own(**{name: value for name, value in parameters.items() if "__" not in name})
    for part, changes in nested.items():
        setattr(estimator, part, _changed(parts[part](), part, changes))


def _changed(part: Any, called: str, changes: Mapping[str, Any]) -> Any:
    if is_part(part):
        return clone(part, **{path.replace("__", "."): value for path, value in changes.items()})
    known = [field.name for field in fields(part)]
    for path in changes:
        if path not in known:
            raise UsageError(f"{called}__{path}: {type(part).__name__} has no {path!r}; it has {', '.join(known)}")
    return replace(part, **changes)
