"""The preset "fast" of models, on the digits with which a newcomer begins."""

from pathlib import Path
from typing import Any

import pytest

from hizumi.data import open_source
from hizumi.generation import Modeller, load, save
from hizumi.registry import find_models, specify
from hizumi.training import Budget, TrainingOptions

MODELS = {name: model for name, model in find_models().items() if "fast" in model.presets}


def fitted(name: str, training: TrainingOptions) -> Modeller:
    """Fitted to digits: with their labels, by denoising them, or by turning them into their negatives."""
    needs = MODELS[name].card.needs
    data: tuple[Any, ...] = ("digits",)
    if "two sets" in needs:
        digits = open_source("digits", normal_class="all").arrays
        data = digits, 255 - digits
    return Modeller(name, preset="fast", pairing="denoise" if "pairs" in needs else None, training=training).fit(*data)


@pytest.mark.parametrize("name", MODELS)
def test_it_trains_in_its_batches_and_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    modeller = fitted(name, TrainingOptions(budget=Budget(steps=2)))
    save(modeller, tmp_path / "model.hizumi")
    assert specify(load(tmp_path / "model.hizumi").model_) == specify(modeller.model_)
    assert type(modeller.model_) is MODELS[name]
    assert modeller.options_["training"]["batch_size"] == MODELS[name].presets["fast"].options.batch_size


# That of continuation_gan is for series, which it goes on with: its digits, drawn from nothing, are alike so soon.
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"continuation_gan"}))
def test_nothing_grave_is_found_after_it(name: str) -> None:
    grave = [finding for finding in fitted(name, TrainingOptions()).findings_ if finding.severity == "problem"]
    assert not grave
