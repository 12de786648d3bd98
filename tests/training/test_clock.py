"""One clock: wrappers share it, models read it, and images seen are saved as they always were."""

from typing import Any

import pytest
import torch

from hizumi.detectors.cross_channel import CrossTranslation
from hizumi.detectors.likelihood import Background
from hizumi.models import DCGAN, VAE, Autoencoder, Pix2Pix
from hizumi.training import Budget, Trainable, TrainingOptions
from hizumi.training.checkpoint import load_fitted
from hizumi.training.loop import fit

SHORT = TrainingOptions(budget=Budget(steps=3), batch_size=4)


def background() -> tuple[Trainable, Any, torch.Tensor]:
    return Background(VAE(latent=2), 0.2), lambda phase: phase.model, torch.randn(8, 5)


def translation() -> tuple[Trainable, Any, torch.Tensor]:
    return CrossTranslation(Pix2Pix(width=4), backwards=False), lambda phase: phase.translator, torch.rand(8, 4, 16, 16)


@pytest.mark.parametrize("make", [background, translation])
def test_a_wrapped_model_reads_the_clock_of_its_wrapper(make: Any) -> None:
    wrapper, inner, data = make()
    read: list[tuple[int, int, float, bool]] = []

    def observe(_: object) -> None:
        model = inner(wrapper)
        read.append((model.steps_done, model.images_seen, model.progress, model.fabric is not None))

    fit([wrapper], data, SHORT, observe=observe)
    assert read == [(1, 4, 1 / 3, True), (2, 8, 2 / 3, True), (3, 12, 1.0, True)]
    assert inner(wrapper).fabric is None
    counts = [int(value) for key, value in wrapper.state_dict().items() if key.endswith("images_seen")]
    assert counts == [12, 12]


def test_a_model_reads_its_clock_and_does_not_set_it() -> None:
    model = Autoencoder(code=2)
    for name in ("steps_done", "images_seen", "progress", "fabric", "device"):
        with pytest.raises(AttributeError):
            setattr(model, name, 1)


def test_images_seen_are_saved_and_loaded_with_the_state() -> None:
    model = DCGAN(latent=4, width=8).fit(torch.zeros(8, 1, 16, 16), SHORT)
    state = model.state_dict()
    assert state["images_seen"].dtype == torch.int64
    assert state["images_seen"].shape == ()
    assert int(state["images_seen"]) == model.images_seen == 12
    other = DCGAN(latent=4, width=8).prepare((1, 16, 16))
    assert other.images_seen == 0
    load_fitted(other, state)
    assert other.images_seen == 12
    assert other.prepare((1, 16, 16)).images_seen == 0
    del state["images_seen"]
    with pytest.raises(RuntimeError, match="images_seen"):
        other.load_state_dict(state)


def test_device_is_where_the_tensors_lie() -> None:
    assert Autoencoder(code=2).device == torch.device("cpu")
    assert Autoencoder(code=2).prepare((5,)).to("meta").device == torch.device("meta")
