"""What a caller has set for torch as a whole changes no number of a fit, a score or a sample."""

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from hizumi import Modeller
from hizumi.detectors import AnoGAN, Detector, GaussianFeatures, OneClassSVM, Reconstruction
from hizumi.models import DCGAN, VAE, Autoencoder, ConditionalGAN
from hizumi.registry import construct, specify
from hizumi.training import Budget, TrainingOptions
from hizumi.training.checkpoint import revive
from hizumi.training.torch_settings import usual_torch

RANDOM = torch.Generator().manual_seed(0)
IMAGES = torch.rand(24, 1, 16, 16, generator=RANDOM) * 2 - 1
SHORT = TrainingOptions(budget=Budget(steps=3), batch_size=8)
DETECTORS: dict[str, Callable[[], Detector]] = {
    "features": lambda: GaussianFeatures(map_levels=(1, 2), network="wavelets", input_size=None),
    "reconstruction": lambda: Reconstruction(Autoencoder(code=4, width=4)),
    "search": lambda: AnoGAN(DCGAN(width=4, latent=4), steps=3),
    "support vectors": OneClassSVM,
}


@contextmanager
def doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "doubles": doubles,
    "another device": lambda: torch.device("meta"),
}


def loaded(detector: Detector, state: dict[str, Tensor]) -> Detector:
    again: Detector = construct(specify(detector))
    assert detector.shape is not None
    revive(again, detector.shape, state)
    return again


@pytest.mark.parametrize("made", DETECTORS.values(), ids=DETECTORS)
def test_detectors_compute_the_same_whatever_is_set_around_them(made: Callable[[], Detector]) -> None:
    detector = made().fit(IMAGES, SHORT)
    expected, state = detector.score(IMAGES), detector.state_dict()
    for called, around in SURROUNDINGS.items():
        with around():
            scores = detector.score(IMAGES), made().fit(IMAGES, SHORT).score(IMAGES)
            again = loaded(detector, state)
        for score in (*scores, again.score(IMAGES)):
            assert score.image.dtype == expected.image.dtype, called
            assert torch.equal(score.image, expected.image), called


def test_models_compute_the_same_whatever_is_set_around_them() -> None:
    def computed(model: VAE) -> list[Tensor]:
        likelihood = model.log_likelihood(IMAGES)
        return [model.sample(3), model.encode(IMAGES), model.reconstruct(IMAGES), likelihood.image]

    model = VAE(latent=2, width=4).fit(IMAGES, SHORT)
    expected = computed(model)
    for called, around in SURROUNDINGS.items():
        with around():
            found = [*computed(model), *computed(VAE(latent=2, width=4).fit(IMAGES, SHORT))]
        assert all(map(torch.equal, found, [*expected, *expected])), called


def test_estimators_compute_the_same_whatever_is_set_around_them() -> None:
    images, classes = (127.5 * (IMAGES[:, 0] + 1)).byte().numpy(), np.arange(len(IMAGES)) % 2

    def computed() -> list[np.ndarray]:
        knows_classes = Modeller(ConditionalGAN(latent=2, width=4), training=SHORT).fit(images, classes)
        decodes = Modeller(VAE(latent=2, width=4), training=SHORT).fit(images)
        return [knows_classes.sample(3, kinds="1"), decodes.draw_codes(2), decodes.walk(rows=1, steps=2)]

    assert [*inspect.signature(Modeller.fit).parameters][:3] == ["self", "X", "y"]  # by which scikit-learn goes
    expected = computed()
    for called, around in SURROUNDINGS.items():
        with around():
            found = computed()
        assert all(map(np.array_equal, found, expected)), called


def test_items_of_inference_mode_are_learned_from() -> None:
    with torch.inference_mode():
        images = IMAGES.clone()
    fitted = Reconstruction(Autoencoder(code=4, width=4)).fit(images, SHORT)
    expected = Reconstruction(Autoencoder(code=4, width=4)).fit(IMAGES, SHORT).score(IMAGES)
    assert torch.equal(fitted.score(images).image, expected.image)


def test_gradients_of_codes_are_recorded_where_the_caller_has_them_recorded() -> None:
    model = VAE(latent=2, width=4).fit(IMAGES, SHORT)
    images = IMAGES.clone().requires_grad_()
    assert model.encode(images).requires_grad
    with torch.no_grad():
        assert not model.encode(images).requires_grad


def test_the_last_thread_to_leave_sets_the_default_back() -> None:
    inside, left = threading.Event(), threading.Event()

    def other() -> None:
        with usual_torch():
            inside.set()
            left.wait()

    with doubles():
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait()
        with usual_torch():
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float32
        left.set()
        thread.join()
        assert torch.get_default_dtype() == torch.float64


def test_a_fit_leaves_the_random_numbers_of_numpy_alone() -> None:
    key, drawn = np.random.get_state(legacy=False)["state"].values()  # noqa: NPY002
    OneClassSVM().fit(IMAGES)
    left = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    assert (left["key"] == key).all()
    assert left["pos"] == drawn
