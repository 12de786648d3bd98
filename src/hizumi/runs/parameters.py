"""An estimator's constructor arguments as plain data, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sklearn.base import BaseEstimator

from hizumi.arguments import check_arguments
from hizumi.training import Budget, TrainingOptions


def plain_parameters(estimator: BaseEstimator) -> dict[str, Any]:
    """The constructor's arguments for JSON, except for the fitted part and the cache, which another machine lacks."""
    parameters = estimator.get_params(deep=False)
    training = parameters["training"]
    left_out = ("detector", "model", "cache", "training")
    kept = {name: value for name, value in parameters.items() if name not in left_out}
    return kept | {"training": None if training is None else asdict(training)}


def constructor_arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `plain_parameters`."""
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()
    }
    if (training := arguments["training"]) is not None:
        budget = training["budget"]
        if isinstance(budget, Mapping):
            budget = Budget(**budget)
        elif budget is not None:  # one for each phase
            budget = tuple(Budget(**each) for each in budget)
        arguments["training"] = TrainingOptions(**training | {"budget": budget})
        check_arguments(arguments["training"])
    return arguments
