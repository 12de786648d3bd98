"""Planning tells what a fit would do and changes nothing, whatever was fitted before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi.arguments import is_part
from hizumi.detectors import GANomaly, GANomalyTraining, Mahalanobis
from hizumi.generation import Modeller
from hizumi.inspection import Inspector
from hizumi.models import VAE
from hizumi.training import Budget, TrainingOptions

SHORT = TrainingOptions(budget=Budget(steps=2), batch_size=4)


def images(seed: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (30, size, size), dtype=np.uint8)


def table(seed: int, columns: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(40, columns))


ESTIMATORS: dict[str, tuple[Callable[[], Any], Any, Any]] = {
    "inspector of images": (lambda: Inspector(Mahalanobis()), images(0), images(1, size=24)),
    "inspector of rows": (lambda: Inspector(Mahalanobis()), table(0), table(1, columns=6)),
    "inspector with folds": (lambda: Inspector(Mahalanobis(), folds=3), images(0), images(1)),
    "inspector that trains": (
        lambda: Inspector(GANomaly(GANomalyTraining(latent=4, width=4)), training=SHORT),
        images(0),
        images(1, size=24),
    ),
    "modeller of images": (lambda: Modeller(VAE(latent=2, width=4), training=SHORT), images(0), images(1, size=24)),
    "modeller of rows": (lambda: Modeller(VAE(latent=2, width=4), training=SHORT), table(0), table(1, columns=6)),
}


def state(value: Any) -> Any:
    """Everything that an estimator holds, comparable by ==."""
    if is_part(value):
        return {name: tensor.tolist() for name, tensor in value.state_dict().items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: state(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [state(each) for each in value]
    return state(vars(value)) if hasattr(value, "__dict__") and not isinstance(value, type) else value


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("fitted", [True, False], ids=["fitted", "new"])
def test_planning_changes_nothing(name: str, fitted: bool, tmp_path: Path) -> None:
    make, first, second = ESTIMATORS[name]
    estimator = make().set_params(cache=tmp_path)
    if fitted:
        estimator.fit(first)
    before, kept = state(vars(estimator)), sorted(tmp_path.iterdir())
    plan = estimator.plan(second)
    assert plan["estimate"]["seconds"] >= 0
    assert state(vars(estimator)) == before
    assert sorted(tmp_path.iterdir()) == kept


def test_an_inspector_still_takes_its_own_data_after_planning_for_others() -> None:
    inspector = Inspector(Mahalanobis()).fit(table(0))
    scores = inspector.score_samples(table(0))
    inspector.plan(table(1, columns=6))
    np.testing.assert_array_equal(inspector.score_samples(table(0)), scores)


def test_a_modeller_keeps_its_model_after_planning() -> None:
    modeller = Modeller(VAE(latent=2, width=4), training=SHORT).fit(images(0))
    samples = modeller.sample(3)
    modeller.plan(images(1))
    np.testing.assert_array_equal(modeller.sample(3), samples)
