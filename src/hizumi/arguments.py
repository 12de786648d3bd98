"""Arguments of detectors, models and estimators: found by name, checked against annotations, cloned with changes.

A constructor is a configuration: it stores its arguments under their own names and cannot fail. `check_arguments` is
called wherever something is about to be fitted, so a misspelt choice or a negative rate is refused before any data are
read, but not where a bundle is loaded. Ranges are declared in the annotation, by the aliases below.
"""

import inspect
from abc import ABCMeta
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval

from hizumi.errors import UsageError

PositiveInt = Annotated[int, Ge(1)]
Halvings = Annotated[int, Interval(ge=1, le=8)]  # of an image's sides; more would leave nothing of any image
NonNegativeInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Share = Annotated[float, Interval(ge=0, le=1)]
"""From 0 to 1, both included."""
ProperShare = Annotated[float, Interval(gt=0, lt=1)]
"""Above 0 and below 1."""
Momentum = Annotated[float, Interval(ge=0, lt=1)]
"""From 0 to below 1: a first or second momentum, or the decay of a running average."""
ShareBelowOne = Annotated[float, Interval(ge=0, lt=1)]
"""From 0 to below 1: what a dropout leaves out, or a phase takes of the budget, which must leave something."""


@dataclass(frozen=True)
class Searched:
    """What tuning tries of an argument, within what the rest of its annotation allows.

    From `low` to `high`, both included, evenly or in equal ratios (`log`); or one of some `choices`. An argument that
    is None where a search begins is off, and is left alone, as is one that rows of numbers have no use for (`of_rows`).
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()
    of_rows: bool = True

    def has(self, value: Any) -> bool:
        """Whether it would try this value."""
        return value in self.choices if self.choices else self.low <= value <= self.high

    def words(self) -> str:
        """For people."""
        only = "" if self.of_rows else ", not for rows"
        if self.choices:
            return f"tuned among {', '.join(map(repr, self.choices))}{only}"
        return f"tuned from {self.low:g} to {self.high:g}{' in equal ratios' if self.log else ''}{only}"


LONGEST_SHOWN = 60  # characters of a wrong value in an error


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
    return _parameters_of(kind)


@cache
def _parameters_of(constructor: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(constructor).parameters


def arguments_of(part: Any) -> dict[str, Any]:
    """What the constructor was given, by name; raises UsageError for a class that does not store it so."""
    kind = type(part)
    missing = [name for name in parameters_of(kind) if not hasattr(part, name)]
    if missing:
        raise UsageError(f"{kind.__name__} must store its argument {missing[0]!r} under that name in its constructor")
    return {name: getattr(part, name) for name in parameters_of(kind)}


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


def all_parts_of(part: Any) -> Iterator[tuple[str, Any]]:
    """As `parts_of`, with the parts of each after it: "detectors.0", "detectors.0.model"."""
    for path, inner in parts_of(part):
        yield path, inner
        yield from ((f"{path}.{within}", each) for within, each in all_parts_of(inner))


def located(part: Any, path: str, called: str = "") -> str:
    """The full path of an argument named in short: "latent" may be "model.latent".

    Own arguments come first, then those of the parts, then those of the parts' parts. Raises UsageError, which says
    what the part is `called`, where the name is unknown, or where several parts at one depth have such an argument.
    """
    called = called or type(part).__name__
    first = path.partition(".")[0]
    level = [("", part)]
    known: dict[str, None] = {}
    while level:
        homes = [f"{prefix}{path}" for prefix, each in level if first in parameters_of(type(each))]
        if len(homes) == 1:
            return homes[0]
        if homes:
            raise UsageError(f"{called} has {len(homes)} settings {first!r}: choose {_listed(homes)}")
        known |= dict.fromkeys(f"{prefix}{name}" for prefix, each in level for name in parameters_of(type(each)))
        level = [(f"{prefix}{name}.", inner) for prefix, each in level for name, inner in parts_of(each)]
    close = get_close_matches(first, [name.rpartition(".")[2] for name in known], n=3)
    hint = f"did you mean {_listed(close)}?" if close else f"it has {', '.join(known) or 'none'}"
    raise UsageError(f"{called} has no setting {first!r}; {hint}")


def home_of(part: Any, path: str, called: str = "") -> tuple[type, str]:
    """The class that has an argument, named as for `located`, and the argument's name there."""
    called = called or type(part).__name__
    first, _, rest = located(part, path, called).partition(".")
    if not rest:
        return type(part), first
    value = getattr(part, first)
    if is_part(value):
        return home_of(value, rest)
    if not (isinstance(value, tuple) and value and all(map(is_part, value))):
        raise UsageError(f"{called}: {first} is no model, so {first}.{rest} means nothing")
    place, _, rest = rest.partition(".")
    if not (place.isdecimal() and int(place) < len(value) and rest):
        raise UsageError(f"{called}: {first} has no part {place!r}; its parts are 0 to {len(value) - 1}")
    return home_of(value[int(place)], rest)


def clone(part: AnyPart, /, **changes: Any) -> AnyPart:
    """A new, unfitted detector or model with the same arguments, but for some changes, named as for `located`.

    Parts among the arguments are cloned too; a fitted one, such as an encoder to be reused, is copied as it is.
    """
    own = {name: value for name, value in changes.items() if name in parameters_of(type(part))}
    arguments = {name: own[name] if name in own else _cloned(value) for name, value in arguments_of(part).items()}
    made = type(part)(**arguments)
    # A part comes before what is changed in it.
    for path in sorted(changes, key=lambda path: not is_part(changes[path])):
        if path not in own:
            home_of(made, path)  # or else an error
            made = _changed(made, path, changes[path])
    return made


def _cloned(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_cloned, value))
    if not is_part(value):
        return value
    return clone(value) if value.shape is None else deepcopy(value)


def _changed(part: Any, path: str, new: Any) -> Any:
    name, _, rest = located(part, path).partition(".")
    value = getattr(part, name)
    if not rest:
        value = new
    elif is_part(value):
        value = _changed(value, rest, new)
    else:
        place, _, rest = rest.partition(".")
        value = tuple(_changed(each, rest, new) if str(n) == place else each for n, each in enumerate(value))
    return type(part)(**arguments_of(part) | {name: value})


def check_arguments(part: Any, called: str = "") -> None:
    """Check all arguments, those of parts included, against their annotations; then what `check` says of relations.

    Raises UsageError in one line for the first that does not fit; it begins with what the part is `called`.
    """
    called = called or type(part).__name__
    for name, value in arguments_of(part).items():
        check_argument(type(part), name, value, f"{called}: {name}")
    for path, inner in parts_of(part):
        check_arguments(inner, f"{called}.{path}")
    places: dict[int, str] = {}
    for path, inner in all_parts_of(part):
        if (first := places.setdefault(id(inner), path)) != path:
            raise UsageError(
                f"{called}: {first} and {path} are one {type(inner).__name__}; give each an object of its own"
            )
    if is_part(part):
        part.check()


def check_argument(owner: type, name: str, value: Any, called: str = "") -> None:
    """Check one value against the annotation of the constructor's parameter of that name."""
    check_value(annotation_of(owner, name), value, called or f"{owner.__name__}: {name}")


def check_value(annotation: Any, value: Any, called: str) -> None:
    """Check one value against an annotation; the error begins with what the value is `called`."""
    from pydantic import ValidationError

    try:
        _adapter(annotation).validate_python(plain(value), strict=True)
    except ValidationError as error:
        close = get_close_matches(str(value), choices_of(annotation), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"{called} is {_shown(value)}; it must be {described(annotation)}{hint}") from error


def plain(value: Any) -> Any:
    """A value as the constructor means it: numpy's scalars as Python's, and lists, which JSON has, as tuples."""
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    return value.item() if type(value).__module__ == "numpy" and value.ndim == 0 else value


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by names such as training.seed."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) and value else {f"{prefix}{name}": value}
    return found


@cache
def annotation_of(owner: type, name: str) -> Any:
    """The annotation of the constructor's parameter of that name: what values it may have."""
    whole = _whole_annotation(owner, name)
    kind, *further = get_args(whole) if get_origin(whole) is Annotated else (whole,)
    ranges = tuple(each for each in further if not isinstance(each, Searched))
    return Annotated[(kind, *ranges)] if ranges else kind


@cache
def searched_of(owner: type, name: str) -> Searched | None:
    """What tuning tries of the constructor's parameter of that name; None where it leaves it alone."""
    whole = _whole_annotation(owner, name)
    further = get_args(whole)[1:] if get_origin(whole) is Annotated else ()
    return next((each for each in further if isinstance(each, Searched)), None)


def _whole_annotation(owner: type, name: str) -> Any:
    return get_type_hints(owner.__init__, include_extras=True).get(name, Any)  # type: ignore[misc]  # each class has its own


@cache
def _adapter(annotation: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
    return TypeAdapter(annotation, config=config)


def options_of(annotation: Any) -> list[Any]:
    """The members of a union, or the annotation itself."""
    if get_origin(annotation) in (Union, UnionType):
        return [inner for option in get_args(annotation) for inner in options_of(option)]
    return [annotation]


def choices_of(annotation: Any) -> list[str]:
    """The words that an annotation allows."""
    literals = [option for option in options_of(annotation) if get_origin(option) is Literal]
    return [choice for literal in literals for choice in get_args(literal) if isinstance(choice, str)]


def part_types(annotation: Any) -> list[type]:
    """The kinds of detectors and models that an annotation allows, by themselves or in a tuple."""
    options = options_of(annotation)
    options += [inner for option in options if get_origin(option) is tuple for inner in get_args(option)]
    return [option for option in options if isinstance(option, Configurable)]


def described(annotation: Any) -> str:
    """What values an annotation allows, in words."""
    options = options_of(annotation)
    if part_types(annotation):  # None stands for the default part
        options = [option for option in options if option is not NoneType]
    return _listed([words for option in options for words in _words(option)])


def _words(option: Any, plural: bool = False) -> list[str]:
    origin, inner = get_origin(option), get_args(option)
    if origin is Literal:
        return [repr(choice) for choice in inner]
    if origin is Annotated:
        return [f"{_words(inner[0], plural)[0]} {_bounds(inner[1:])}"]
    if origin is tuple:
        items = [item for item in inner if item is not Ellipsis]
        if len(set(items)) > 1:
            return [f"a tuple of {' and '.join(described(item) for item in items)}"]
        count = "" if Ellipsis in inner else f"{len(items)} "
        return [f"{'tuples' if plural else 'a tuple'} of {count}{_listed(_words(items[0], plural=True))}"]
    if origin is Sequence:
        return [f"a list of {_listed(_words(inner[0], plural=True))}"]
    kind = origin or option
    if kind in _NOUNS:
        return [_NOUNS[kind][plural]]
    if isinstance(kind, type):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        named = f"{kind.__name__}s" if plural else f"{article} {kind.__name__}"
        needed = vars(kind).get("needed")  # its own: an ability says what a model must be able to do
        return [_with_examples(needed, kind) if needed else named]
    return [str(option)]


_NOUNS: dict[Any, tuple[str, str]] = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("True or False", "True or False"),
    str: ("text", "texts"),
    NoneType: ("None", "None"),
    Callable: ("a function", "functions"),
}


OF_TESTS = "small"
"""The preset of networks too small to learn much, for tests: users are not told of it."""


def no_preset(called: str, preset: str, known: Iterable[str]) -> str:
    """What to say of a preset that is not known."""
    return (
        f"{called} has no preset {preset!r}; it has {', '.join(name for name in known if name != OF_TESTS) or 'none'}"
    )


def _with_examples(needed: str, ability: type) -> str:
    names = (kind.__module__.rpartition(".")[2] for kind in _concrete(ability))
    first = list(islice(names, 2))
    return f"{needed}, such as {_listed(first)}" if first else needed


def _concrete(kind: type) -> Iterator[type]:
    below: list[type] = kind.__subclasses__()
    for each in below:
        if not inspect.isabstract(each):
            yield each
        yield from _concrete(each)


def _bounds(metadata: Iterable[Any]) -> str:
    """Bounds in words, such as "from 0 to 1" or "of at least 1"."""
    words = {"gt": "above", "ge": "of at least", "lt": "below", "le": "of at most"}
    bounds = {key: bound for each in metadata for key in words if (bound := getattr(each, key, None)) is not None}
    match bounds:
        case {"ge": low, "le": high}:
            return f"from {low} to {high}"
        case {"ge": low, "lt": high}:
            return f"from {low} to below {high}"
    return " and ".join(f"{word} {bounds[key]}" for key, word in words.items() if key in bounds)


def _shown(value: Any) -> str:
    """A value in a few words on one line."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))}{',' * (len(value) == 1)})"
    text = type(value).__name__ if is_part(value) else " ".join(repr(value).split())
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _listed(options: list[str]) -> str:
    options = list(dict.fromkeys(options))
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
