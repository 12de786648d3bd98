"""Studies of Optuna: kept in a database, gone on with where they stopped, and read as plain data."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from hizumi.arguments import Searched
from hizumi.data.seeds import seed_for
from hizumi.errors import MissingExtraError, RunError, UsageError
from hizumi.runs.study import Settings, Study, Trial
from hizumi.storage.files import first_line, printable

FIRST_TRIALS = 8  # drawn at random, before a model of the objective says where to look
UNPRUNED = 4  # complete trials before one may end early
ROUNDS, REQUEST, REASON, SETTINGS = "rounds", "request", "reason", "settings"
"""What is kept beside Optuna's own numbers."""
DRIVERS = ("sqlite", "postgresql")
FEWEST_TO_WEIGH = 4  # complete trials, for importances


def optuna() -> ModuleType:
    """The package, silent; raises MissingExtraError."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("tune needs one more package: pip install 'hizumi[tune]'") from error
    optuna.logging.set_verbosity(logging.WARNING)
    return optuna


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Raise RunError in one line, without a password, for whatever the database raises inside."""
    from sqlalchemy.exc import SQLAlchemyError

    kept_in = url.partition(":")[0]
    try:
        yield
    except (SQLAlchemyError, optuna().exceptions.StorageInternalError) as error:
        said = first_line(error.__cause__ or error)
        raise RunError(f"--storage: the study could not be kept in {kept_in} ({said}); look after it") from error


def url_with_driver(url: str) -> str:
    """The URL of a database as SQLAlchemy takes it; raises UsageError where studies are not kept in such.

    Raises MissingExtraError without what PostgreSQL needs.
    """
    if url.partition(":")[0] not in DRIVERS or "://" not in url:
        raise UsageError("--storage is no database; give sqlite:///study.db or postgresql://host/name")
    if url.startswith("sqlite"):
        return url
    try:
        import psycopg  # noqa: F401 - SQLAlchemy imports it
    except ImportError as error:
        raise MissingExtraError(
            "--storage in PostgreSQL needs one more package: pip install 'hizumi[postgresql]'"
        ) from error
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def open_study(url: str, name: str, request: Mapping[str, Any], begun: Settings) -> Any:
    """The study to go on with, or a new one whose first trial has the settings that the search begins with.

    Raises UsageError where it was begun for something else, or its database is none that can be used.
    """
    from sqlalchemy import NullPool

    package = optuna()
    with explained(url):
        study = package.create_study(
            # A connection for each question: one that waits for hours while a trial runs may have been cut meanwhile.
            storage=package.storages.RDBStorage(url_with_driver(url), engine_kwargs={"poolclass": NullPool}),
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            pruner=package.pruners.MedianPruner(n_startup_trials=UNPRUNED),
        )
    kept = study.user_attrs.get(REQUEST)
    if kept is None:
        study.set_user_attr(REQUEST, dict(request))
        study.enqueue_trial(dict(begun))
    elif changed := [key for key in request if kept.get(key) != request[key]]:
        raise UsageError(
            f"the study {printable(name)!r} was begun with another {', '.join(changed)}; give another --study, or "
            "another --output"
        )
    return study


def next_trial(study: Any, spaces: Mapping[str, Searched], begun: Settings, seed: int) -> tuple[Any, Settings]:
    """The next trial of Optuna, with its settings. What it draws depends on seed, number and earlier results alone."""
    package = optuna()
    number = len(study.trials)
    study.sampler = package.samplers.TPESampler(
        n_startup_trials=FIRST_TRIALS, seed=seed_for("tuning", seed, number) % 2**32, multivariate=True
    )
    trial = study.ask()
    settings = {path: _suggested(trial, path, space, begun[path]) for path, space in spaces.items()}
    trial.set_user_attr(SETTINGS, settings)
    return trial, settings


def unfinished_trials(study: Any) -> list[tuple[Any, Settings, list[float]]]:
    """Trials that an interrupted call has left, with their settings and the rounds that they have."""
    package = optuna()
    running = study.get_trials(deepcopy=False, states=(package.trial.TrialState.RUNNING,))
    return [
        (
            package.trial.Trial(study, each._trial_id),
            each.user_attrs[SETTINGS],
            list(each.user_attrs.get(ROUNDS, ())),
        )
        for each in running
        if SETTINGS in each.user_attrs  # else it was interrupted before it had any
    ]


def read_study(
    study: Any, detector: str, data: str, objective: str, rounds: int, spaces: Mapping[str, Searched]
) -> Study:
    """The study as plain data."""
    trials = [_plain(trial) for trial in study.get_trials(deepcopy=False) if SETTINGS in trial.user_attrs]
    logarithmic = [path for path, space in spaces.items() if space.log]
    return Study(detector, data, objective, trials, rounds, _importances(study, trials), logarithmic)


def _plain(trial: Any) -> Trial:
    states = {"COMPLETE": "complete", "PRUNED": "ended early", "FAIL": "failed"}
    rounds = trial.user_attrs.get(ROUNDS, [])
    return Trial(
        trial.number,
        states.get(trial.state.name, "unfinished"),  # type: ignore[arg-type]  # the values are of the right kind
        sum(rounds) / len(rounds) if rounds else None,
        trial.user_attrs[SETTINGS],
        tuple(rounds),
        trial.user_attrs.get(REASON, ""),
    )


def _suggested(trial: Any, path: str, space: Searched, begun: Any) -> Any:
    if space.choices:
        return trial.suggest_categorical(path, list(space.choices))
    if isinstance(begun, int):
        return trial.suggest_int(path, int(space.low), int(space.high), log=space.log)
    return trial.suggest_float(path, space.low, space.high, log=space.log)


def _importances(study: Any, trials: list[Trial]) -> dict[str, float]:
    """By the variance within the best trials against that within all (PED-ANOVA); empty where there are too few."""
    package = optuna()
    values = {trial.value for trial in trials if trial.state == "complete"}
    if len(values) < FEWEST_TO_WEIGH:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = package.importance.get_param_importances(
            study, evaluator=package.importance.PedAnovaImportanceEvaluator()
        )
    return {path: float(share) for path, share in found.items()}
