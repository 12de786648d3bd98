"""Groups of options: frozen dataclasses whose fields are options, which a command takes as one parameter."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from typing import Any


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Spread the groups among a command's parameters out into their options, which is what typer has to see."""
    signature = inspect.signature(command)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if is_dataclass(parameter.annotation)
    }
    options_of = {name: inspect.signature(group).parameters for name, group in groups.items()}
    flat = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        for option in (options_of[name].values() if name in groups else [parameter])
    ]

    @wraps(command)
    def with_groups(**given: Any) -> None:
        made = {
            name: group(**{option: given.pop(option) for option in options_of[name]}) for name, group in groups.items()
        }
        command(**given, **made)

    with_groups.__signature__ = signature.replace(parameters=flat)  # type: ignore[attr-defined]  # read by inspect
    return with_groups
