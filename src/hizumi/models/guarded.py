"""Abilities check what they are given: each method of that name, whichever model implements it."""

import math
from abc import ABC
from collections.abc import Callable
from functools import wraps
from inspect import BoundArguments, signature
from typing import Annotated, Any

from annotated_types import Ge, Le

from hizumi.arguments import PositiveInt, check_value
from hizumi.data.guard import as_computed, checked_codes, checked_items, is_trusted, trusted
from hizumi.errors import DataError, UsageError
from hizumi.memory import refuse_beyond_free
from hizumi.shapes import is_series
from hizumi.storage.statements import LARGEST_SEED
from hizumi.training import Trainable
from hizumi.training.labels import checked_labels
from hizumi.training.torch_settings import usual_torch

BYTES = 4  # of a number in single precision
Method = Callable[..., Any]
Seed = Annotated[int, Ge(0), Le(LARGEST_SEED)]


class Guarded(Trainable, ABC):
    """A model whose abilities take arrays, lists and tensors, and refuse in words what they cannot use."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, guard in GUARDS.items():
            method = vars(cls).get(name)
            if method is not None and not getattr(method, "__isabstractmethod__", False):
                setattr(cls, name, guard(method))

    def _called(self, method: Method) -> str:
        return f"{type(self).__name__}.{method.__name__}"


def of_items(method: Method) -> Method:
    """Guard a method whose first argument is items of the model's shape."""
    parameters = signature(method)

    @wraps(method)
    def guarded(self: Guarded, images: Any, *others: Any, **named: Any) -> Any:
        shape = self.require_built()
        if is_trusted():
            return method(self, images, *others, **named)
        items = as_computed(checked_items(images, self._called(method), shape), self).to(self.device)
        given = _with_labels(parameters.bind(self, items, *others, **named), self._called(method))
        with trusted(), usual_torch():
            return method(*given.args, **given.kwargs)

    return guarded


def of_codes(method: Method) -> Method:
    """Guard a method that turns codes into items."""

    @wraps(method)
    def guarded(self: Any, codes: Any) -> Any:
        shape = self.require_built()
        if is_trusted():
            return method(self, codes)
        called = self._called(method)
        given = as_computed(checked_codes(codes, called), self).to(self.device)
        wrong: RuntimeError | None = None
        with trusted(), usual_torch():
            try:
                items = method(self, given)
            except RuntimeError as error:
                wrong = error
            expected = tuple(given.shape[1:]) if wrong is None and items.shape[1:] == shape else self.code_shape()
        if given.shape[1:] != expected:
            sides = ", ".join(map(str, ("n", *expected)))
            raise DataError(f"{called} takes codes ({sides}), not ones of shape {tuple(given.shape)}") from wrong
        if wrong is not None:
            raise wrong
        return items

    return guarded


def of_count(method: Method) -> Method:
    """Guard a method that draws items."""
    parameters = signature(method)

    @wraps(method)
    def guarded(self: Guarded, count: Any, seed: Any = 0, *others: Any, **named: Any) -> Any:
        self.require_built()
        check_count(self, count, self._called(method))
        check_value(Seed, seed, f"{self._called(method)}: seed")
        given = _with_labels(parameters.bind(self, int(count), int(seed), *others, **named), self._called(method))
        with trusted(), usual_torch():
            return method(*given.args, **given.kwargs)

    return guarded


def check_count(model: Trainable, count: Any, called: str, times: int = 1) -> None:
    """Raise UsageError for what is no number of items, ShortageError for more than memory holds.

    Each is so many `times` as large as those that the model has learned from.
    """
    check_value(PositiveInt, count, f"{called}: count")
    needed = BYTES * math.prod(model.require_built()) * int(count) * times
    refuse_beyond_free(needed, f"{called}: to make {count:,} items", "ask for fewer or shorter ones")


def of_start(method: Method) -> Method:
    """Guard a method that goes on with windows of series."""

    @wraps(method)
    def guarded(self: Guarded, start: Any, seed: Any = 0) -> Any:
        shape, called = self.require_built(), self._called(method)
        if not is_series(shape):
            raise UsageError(f"{called} goes on with series, and the model was fitted on items of shape {shape}")
        check_value(Seed, seed, f"{called}: seed")
        steps = as_computed(checked_items(start, called), self).to(self.device)
        if steps.ndim != 4 or steps.shape[1:3] != shape[:2] or steps.shape[3] >= shape[2]:
            raise DataError(
                f"{called} takes the first steps of windows, (n, {shape[0]}, 1, k) with k below {shape[2]}, not ones "
                f"of shape {tuple(steps.shape)}"
            )
        with trusted(), usual_torch():
            return method(self, steps, int(seed))

    return guarded


def _with_labels(given: BoundArguments, called: str) -> BoundArguments:
    """Arguments with their labels, where there are any, as a tensor."""
    if given.arguments.get("labels") is not None:
        given.arguments["labels"] = checked_labels(given.arguments["labels"], called)
    return given


GUARDS: dict[str, Callable[[Method], Method]] = {
    "encode": of_items,
    "reconstruct": of_items,
    "translate": of_items,
    "translate_back": of_items,
    "log_likelihood": of_items,
    "decode": of_codes,
    "sample": of_count,
    "continued": of_start,
}
