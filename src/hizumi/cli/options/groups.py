"""Groups of options: frozen dataclasses whose fields are options, which a command takes as one parameter.

Each has a `heading`, under which its options stand in the command's help, but for those that name one themselves.
"""

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import is_dataclass
from functools import wraps
from typing import Annotated, Any, get_args


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
        option
        for name, parameter in signature.parameters.items()
        for option in (
            [_under(groups[name].heading, option) for option in options_of[name].values()]
            if name in groups
            else [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
        )
    ]

    @wraps(command)
    def with_groups(**given: Any) -> None:
        made = {
            name: group(**{option: given.pop(option) for option in options_of[name]}) for name, group in groups.items()
        }
        command(**given, **made)

    with_groups.__signature__ = signature.replace(parameters=flat)  # type: ignore[attr-defined]  # read by inspect
    return with_groups


def _under(heading: str, option: inspect.Parameter) -> inspect.Parameter:
    kind, shown = get_args(option.annotation)
    shown = copy(shown)  # which other commands may have outside of a group
    shown.rich_help_panel = shown.rich_help_panel or heading
    return option.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, shown])
