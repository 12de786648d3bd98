"""torch's random numbers are shared by all threads: what one does leaves the fit of another as it is alone."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hizumi
from hizumi.detectors import Reconstruction
from hizumi.generation import Modeller
from hizumi.inspection import Inspector
from hizumi.models import VAE, Flow
from hizumi.training import Budget, TrainingOptions
from hizumi.training.randomness import undrawn

BRIEF = TrainingOptions(budget=Budget(steps=3), batch_size=8)


def images(count: int = 24) -> torch.Tensor:
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def fitted(between: Callable[[Any], None] | None = None) -> dict[str, torch.Tensor]:
    options = TrainingOptions(budget=Budget(steps=60), batch_size=8)
    return Reconstruction(VAE(latent=3, width=8)).fit(images(), options, observe=between).state_dict()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("bundles")
    pixels = images().movedim(1, -1).numpy()
    fits: dict[str, Any] = {
        "gan": Inspector("ganomaly", preset="small", training=BRIEF).fit(pixels),
        "dbn": Inspector("dbn_one_class_svm", preset="small", training=BRIEF).fit(pixels),
        "flow": Modeller(Flow(), preset="small", training=BRIEF).fit(pixels),
    }
    return [hizumi.save(fit, place / f"{name}.hizumi") for name, fit in fits.items()]


def test_loading_in_another_thread_leaves_a_fit_alone(bundles: list[Path]) -> None:
    alone, ended = fitted(), threading.Event()

    def load_all() -> None:
        while not ended.is_set():
            for path in bundles:
                hizumi.load(path)

    other = threading.Thread(target=load_all)
    other.start()
    try:
        beside = fitted()
    finally:
        ended.set()
        other.join()
    assert all(torch.equal(alone[name], beside[name]) for name in alone)


def test_loading_waits_for_no_fit_and_draws_nothing(bundles: list[Path]) -> None:
    loaded: list[Any] = []

    def during(_: Any) -> None:
        if len(loaded) < len(bundles):
            before = torch.random.get_rng_state()
            other = threading.Thread(target=lambda: loaded.append(hizumi.load(bundles[len(loaded)])))
            other.start()
            other.join(timeout=60)
            assert torch.equal(before, torch.random.get_rng_state())

    fitted(during)
    assert len(loaded) == len(bundles)


def test_what_a_network_draws_from_a_generator_of_its_own_is_drawn_when_it_is_loaded() -> None:
    def fixed() -> torch.Tensor:
        return torch.randn(3, 2, generator=torch.Generator().manual_seed(1))

    expected = fixed()
    with undrawn():
        assert torch.equal(fixed(), expected)
        assert not torch.randn(3, 2).any()
