"""Rules for what a bundle states, checked before anything is built from it; plain Python, which the runtime has."""

import json
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Rule = Callable[[Any, str], None]
"""Raises ValueError, which names the place and what it must be, where a value of JSON does not fit."""

LONGEST_TEXT = 100_000  # characters
LONGEST_LIST = 1_000_000
LARGEST_WHOLE = 2**53  # beyond, JSON of other programs loses digits
DEEPEST = 32  # lists and objects within one another
LONGEST_SHOWN = 60  # characters of a wrong value


def load_json(content: bytes) -> Any:
    """The value of a JSON text, of finite numbers only; raises ValueError for anything else, in one line."""
    try:
        return json.loads(content, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def number(low: float = -math.inf, high: float = math.inf) -> Rule:
    """A finite number from `low` to `high`."""
    words = "a number" if math.isinf(low) and math.isinf(high) else f"a number from {low:g} to {high:g}"

    def check(value: Any, where: str) -> None:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not (fits and abs(value) < 1e308 and low <= value <= high):
            raise _wrong(where, value, words)

    return check


def real(value: Any, where: str) -> None:
    """A number, or what stands for one that is none or too large."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(where, value, "a number")


def whole(low: int = 0, high: int = LARGEST_WHOLE) -> Rule:
    """A whole number from `low` to `high`."""

    def check(value: Any, where: str) -> None:
        if type(value) is not int or not low <= value <= high:
            raise _wrong(where, value, f"a whole number from {low} to {high}")

    return check


def text(value: Any, where: str) -> None:
    """A text of bounded length."""
    if not (isinstance(value, str) and len(value) <= LONGEST_TEXT):
        raise _wrong(where, value, "a text")


def long_text(value: Any, where: str) -> None:
    """A text that holds many numbers, such as those of an image; as long as a bundle's header may be."""
    if not isinstance(value, str):
        raise _wrong(where, value, "a text")


def choice(*allowed: str) -> Rule:
    """One of these words."""

    def check(value: Any, where: str) -> None:
        if not (isinstance(value, str) and value in allowed):
            raise _wrong(where, value, " or ".join(map(repr, allowed)))

    return check


def optional(rule: Rule) -> Rule:
    """None, or what the rule allows."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            rule(value, where)

    return check


def items(rule: Rule, least: int = 0, most: int = LONGEST_LIST) -> Rule:
    """A list of `least` to `most` values that each fit the rule."""

    def check(value: Any, where: str) -> None:
        if not (isinstance(value, list | tuple) and least <= len(value) <= most):
            raise _wrong(where, value, f"a list of {least} to {most} values")
        for place, each in enumerate(value):
            rule(each, f"{where}.{place}")

    return check


def mapping(rule: Rule, least: int = 0) -> Rule:
    """An object with any names, whose values fit the rule."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, Mapping) or len(value) < least:
            raise _wrong(where, value, "an object" if not least else f"an object with {least} or more values")
        for name, each in value.items():
            text(name, where)
            rule(each, _inside(where, name))

    return check


def boolean(value: Any, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong(where, value, "true or false")


def fields(
    rules: Mapping[str, Rule], others: Rule | None = None, later: Mapping[str, Rule] = MappingProxyType({})
) -> Rule:
    """An object with all of these fields, perhaps with those of `later`, which earlier versions did not write.

    Where there is a rule for `others`, it may have those, too.
    """

    def check(value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(where, value, "an object")
        for name, rule in rules.items():
            if name not in value:
                raise ValueError(f"{_inside(where, name)}: it is missing")
            rule(value[name], _inside(where, name))
        for name in value.keys() & later.keys():
            later[name](value[name], _inside(where, name))
        for name in value.keys() - rules.keys() - later.keys():
            if others is None:
                raise ValueError(f"{_inside(where, str(name)[:LONGEST_SHOWN])}: there is no such field")
            others(value[name], _inside(where, name))

    return check


def anything(value: Any, where: str, depth: int = DEEPEST) -> None:
    """Any value of JSON with finite numbers and bounded depth."""
    if depth == 0:
        raise ValueError(f"{where[:LONGEST_SHOWN]}: it is nested too deeply")
    match value:
        case None | bool():
            return
        case str():
            text(value, where)
        case float() | int():
            number()(value, where)
        case Mapping():
            for name, each in value.items():
                anything(each, _inside(where, name), depth - 1)
        case list() | tuple():
            for place, each in enumerate(value):
                anything(each, f"{where}.{place}", depth - 1)
        case _:
            raise _wrong(where, value, "a value that JSON has")


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else str(name)


def _wrong(where: str, value: Any, words: str) -> ValueError:
    shown = repr(value)[: 10 * LONGEST_SHOWN] if isinstance(value, str | int | float | None) else type(value).__name__
    shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 3]}..."
    return ValueError(f"{where}: it is {shown}, and must be {words}")


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is no number")


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"it holds {digits[:LONGEST_SHOWN]}, which is too large")
    return value
