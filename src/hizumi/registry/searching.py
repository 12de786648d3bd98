"""What tuning tries of a detector: the spaces that are declared beside its arguments, and those of its parts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hizumi.arguments import Searched, arguments_of, located, parts_of, searched_of
from hizumi.detectors.detector import Detector
from hizumi.errors import UsageError


def spaces_of(detector: Detector, *, vectors: bool = False) -> dict[str, Searched]:
    """The spaces of all arguments that are searched and not None, by full path, such as "model.latent".

    Of `vectors`, which are rows of numbers, those that make a difference there.
    """
    return {path: space for path, _, space in _searched(detector, "") if space.of_rows or not vectors}


def values_of(detector: Detector, paths: Sequence[str]) -> dict[str, Any]:
    """What the arguments of these paths are."""
    values = {path: value for path, value, _ in _searched(detector, "")}
    return {path: values[path] for path in paths}


def chosen_spaces(
    detector: Detector, called: str, names: Sequence[str] = (), *, vectors: bool = False
) -> Mapping[str, Searched]:
    """Those of the named arguments, in short or in full; all where none is named.

    Raises UsageError where there is nothing to search, a name is unknown or not searched, or where the detector begins
    outside of its space.
    """
    spaces = spaces_of(detector, vectors=vectors)
    paths = [located(detector, name, called) for name in names] or list(spaces)
    for name, path in zip(names, paths, strict=False):
        if path not in spaces:
            words = f"it can be searched in {', '.join(spaces)}" if spaces else "nothing of it can"
            why = (
                "does nothing for rows" if path in spaces_of(detector) else "is not searched, or is None, which is off"
            )
            raise UsageError(f"{called}: {name} {why}; {words}")
    if not paths:
        what = "nothing to search in rows" if vectors else "nothing to search"
        raise UsageError(f"{called} declares {what}; choose another detector, or set it by hand (--set)")
    for path, value in values_of(detector, paths).items():
        if not spaces[path].has(value):
            raise UsageError(
                f"{called}: {path} begins at {value!r}, and is {spaces[path].words()}; set it there (--set), or "
                "search others alone (--search)"
            )
    return {path: spaces[path] for path in paths}


def _searched(part: Any, prefix: str) -> Iterator[tuple[str, Any, Searched]]:
    owner: type = type(part)
    for name, value in arguments_of(part).items():
        space = searched_of(owner, name)
        if space is not None and value is not None:
            yield f"{prefix}{name}", value, space
    for path, inner in parts_of(part):
        yield from _searched(inner, f"{prefix}{path}.")
