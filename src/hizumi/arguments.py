"""Arguments of detectors, models and estimators: found by name, checked against annotations, cloned with changes.

A constructor is a configuration: it stores its arguments under their own names and cannot fail. `check_arguments` is
called wherever something is about to be fitted, so a misspelt choice or a negative rate is refused before any data are
read. Ranges are declared in the annotation, by the aliases below.
"""

import inspect
from abc import ABCMeta
from collections import defaultdict
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt

from hizumi.errors import UsageError

PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Share = Annotated[float, Interval(ge=0, le=1)]
"""From 0 to 1, both included."""
ProperShare = Annotated[float, Interval(gt=0, lt=1)]
"""Above 0 and below 1."""
Momentum = Annotated[float, Interval(ge=0, lt=1)]
"""From 0 to below 1: a first or second momentum, or the decay of a running average."""


class Configurable(ABCMeta):
    """Metaclass of detectors and models: a keyword that names an argument of a part is passed on to that part.

    `GANomaly(latent=32)` is `GANomaly(GANomalyTraining(latent=32))`: each argument has one home, and is found there by
    its name. See `located`.
    """

    def __call__(cls, *positional: Any, **keywords: Any) -> Any:
        """Make an instance; arguments of its parts are set on clones of the parts it was given or has by default."""
        own = {name: value for name, value in keywords.items() if name in parameters_of(cls)}
        made = super().__call__(*positional, **own)
        return made if len(own) == len(keywords) else clone(made, **{k: v for k, v in keywords.items() if k not in own})

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's own, which `__call__` would otherwise hide."""
        _, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]  # each class has its own
        return inspect.Signature(parameters)


AnyPart = TypeVar("AnyPart")


def parameters_of(kind: type) -> Mapping[str, inspect.Parameter]:
    """The constructor's parameters by name, `self` left out."""
    return inspect.signature(kind).parameters


def arguments_of(part: Any) -> dict[str, Any]:
    """What the constructor was given, by name."""
    return {name: getattr(part, name) for name in parameters_of(type(part))}


def is_part(value: Any) -> bool:
    """Whether this is a detector or a model, which has arguments of its own."""
    return isinstance(type(value), Configurable)


def parts_of(part: Any) -> Iterator[tuple[str, Any]]:
    """Detectors and models among the arguments, each with its path: "model", or "detectors.0" in a tuple."""
    for name, value in arguments_of(part).items():
        if is_part(value):
            yield name, value
        elif isinstance(value, tuple):
            yield from ((f"{name}.{place}", item) for place, item in enumerate(value) if is_part(item))


def located(part: Any, path: str) -> str:
    """The full path of an argument named in short: "latent" may be "model.latent".

    Own arguments come first, then those of the parts, then those of the parts' parts. Raises UsageError where the name
    is unknown, or where several parts have an argument of that name and none is nearer than the others.
    """
    first = path.partition(".")[0]
    level = [("", part)]
    known: dict[str, None] = {}
    while level:
        homes = [f"{prefix}{path}" for prefix, each in level if first in parameters_of(type(each))]
        if len(homes) == 1:
            return homes[0]
        if homes:
            raise UsageError(f"{type(part).__name__} has {len(homes)} settings {first!r}: choose {' or '.join(homes)}")
        known |= dict.fromkeys(f"{prefix}{name}" for prefix, each in level for name in parameters_of(type(each)))
        level = [(f"{prefix}{name}.", inner) for prefix, each in level for name, inner in parts_of(each)]
    raise UsageError(f"{type(part).__name__} has no setting {first!r}; {suggestion(first, known)}")


def suggestion(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """What to write in place of a name that is not known."""
    short = {path.rpartition(".")[2]: path for path in reversed(list(known))}
    close = [short[match] for match in get_close_matches(name, short, n=3)]
    return f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(known) or 'none'}"


def clone(part: AnyPart, /, **changes: Any) -> AnyPart:
    """A new, unfitted detector or model with the same arguments, but for some changes, named as for `located`.

    Parts among the arguments are cloned too; a fitted one, such as an encoder to be reused, is copied as it is.
    """
    own = {name: value for name, value in changes.items() if name in parameters_of(type(part))}
    arguments = {name: own[name] if name in own else _cloned(value) for name, value in arguments_of(part).items()}
    made = type(part)(**arguments)
    inner: dict[str, dict[str, Any]] = defaultdict(dict)
    for name in changes.keys() - own.keys():
        first, _, rest = located(made, name).partition(".")
        inner[first][rest] = changes[name]
    if not inner:
        return made
    changed = {name: _changed(arguments[name], nested, name, type(part)) for name, nested in inner.items()}
    return type(part)(**arguments | changed)


def _cloned(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_cloned(item) for item in value)
    if not is_part(value):
        return value
    return clone(value) if value.shape is None else _copied(value)


def _copied(part: Any) -> Any:
    import copy

    return copy.deepcopy(part)


def _changed(value: Any, changes: dict[str, Any], name: str, owner: type) -> Any:
    if is_part(value):
        return clone(value, **changes)
    if not (isinstance(value, tuple) and all(map(is_part, value))) or not value:
        raise UsageError(f"{owner.__name__}: {name} is no model, so {name}.{next(iter(changes))} means nothing")
    of_place: dict[str, dict[str, Any]] = defaultdict(dict)
    for path, new in changes.items():
        place, _, rest = path.partition(".")
        if not (place.isdecimal() and int(place) < len(value) and rest):
            raise UsageError(f"{owner.__name__}: {name} has no part {place!r}; its parts are 0 to {len(value) - 1}")
        of_place[place][rest] = new
    return tuple(clone(each, **of_place[str(place)]) for place, each in enumerate(value))


def check_arguments(part: Any) -> None:
    """Check all arguments, those of parts included, against their annotations; then what `check` says of relations.

    Raises UsageError in one line for the first that does not fit.
    """
    for name, value in arguments_of(part).items():
        check_argument(type(part), name, value)
    for _, inner in parts_of(part):
        check_arguments(inner)
    if is_part(part):
        part.check()


def check_argument(owner: type, name: str, value: Any) -> None:
    """Check one value against the annotation of the constructor's parameter of that name."""
    from pydantic import ValidationError

    try:
        _adapter(owner, name).validate_python(_plain(value), strict=True)
    except ValidationError as error:
        annotation = _annotations(owner)[name]
        close = get_close_matches(str(value), _choices(annotation), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        shown = type(value).__name__ if is_part(value) else repr(value)
        raise UsageError(f"{owner.__name__}: {name} is {shown}; it must be {described(annotation)}{hint}") from error


def described(annotation: Any) -> str:
    """What values an annotation allows, in words."""
    origin, options = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [bound for each in options[1:] for bound in _bounds(each)]
        return f"{described(options[0])} {' and '.join(bounds)}" if bounds else described(options[0])
    if origin is Literal:
        return _listed([repr(option) for option in options])
    if origin in (Union, UnionType):
        return _listed([described(option) for option in options])
    if origin is tuple:
        inner = [option for option in options if option is not Ellipsis]
        count = "" if Ellipsis in options else f"{len(inner)} "
        return f"a tuple of {count}({', '.join(dict.fromkeys(map(described, inner)))})"
    if isinstance(annotation, type):
        doc = getattr(annotation, "needed", None)  # an ability says what a model must be able to do
        return doc or _NOUNS.get(annotation, f"a {annotation.__name__}")
    return str(annotation)


_NOUNS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
    NoneType: "None",
}


def _bounds(bound: Any) -> list[str]:
    match bound:
        case Interval(ge=low, le=high) if low is not None and high is not None:
            return [f"from {low} to {high}"]
        case Interval():
            return [words for each in bound for words in _bounds(each)]
        case Ge():
            return [f"of at least {bound.ge}"]
        case Gt():
            return [f"above {bound.gt}"]
        case Le():
            return [f"of at most {bound.le}"]
        case Lt():
            return [f"below {bound.lt}"]
    return []


def _listed(options: list[str]) -> str:
    options = list(dict.fromkeys(options))
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(option) for option in get_args(annotation)]
    return [choice for option in get_args(annotation) for choice in _choices(option)]


def _plain(value: Any) -> Any:
    """Numpy's numbers as Python's, and lists, which JSON and users write for tuples, as tuples."""
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value.item() if type(value).__module__ == "numpy" and value.ndim == 0 else value


@cache
def _annotations(owner: type) -> dict[str, Any]:
    hints = get_type_hints(owner.__init__, include_extras=True)  # type: ignore[misc]  # each class has its own
    return {name: hints.get(name, Any) for name in parameters_of(owner)}


@cache
def _adapter(owner: type, name: str) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(_annotations(owner)[name], config=ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False))
