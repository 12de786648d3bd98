"""Small instances of every class that the registry finds."""

from typing import Any

import pytest
import torch

from hizumi.detectors import Detector
from hizumi.models import DCGAN, BiGAN
from hizumi.registry import find_detectors, find_models
from hizumi.training import Budget, Trainable, TrainingOptions

SMALL: dict[str, dict[str, Any]] = {
    "autoencoder": {"width": 8},
    "bigan": {"width": 8, "latent": 4},
    "conditional_gan": {"width": 8, "latent": 4},
    "progressive_gan": {"width": 2, "latent": 4},
    "ada_gan": {"generators": 2, "width": 8, "hidden": (32, 32), "latent": 4, "classifier_share": 0.3},
    "unrolled_gan": {"width": 8, "hidden": (32, 32), "latent": 4, "unrolled_steps": 2},
    "veegan": {"width": 8, "hidden": (32, 32), "latent": 4},
    "vae": {"width": 8, "latent": 4},
    "deep_autoencoder": {"hidden": (24,), "code": 4, "pretraining": 0.7},
    "deep_belief_network": {"hidden": (24, 12), "gibbs_steps": 5},
    "encoder_classifier": {"width": 8},
    "cycle_gan": {"width": 8, "blocks": 1, "pool": 4, "warp": True},
    "dcgan": {"width": 8, "latent": 4},
    "gan": {"hidden": (32, 32), "latent": 4},
    "wgan": {"width": 8, "hidden": (32, 32), "latent": 4, "critic_steps": 2, "long_critic_steps": 3},
    "wgan_gp": {"width": 8, "hidden": (32, 32), "latent": 4, "critic_steps": 2},
    "pix2pix": {"width": 8},
    "pixel_cnn": {"levels": 8, "width": 8, "blocks": 1},
    "gated_pixel_cnn": {"levels": 8, "width": 8, "layers": 1},
    "row_lstm": {"levels": 8, "hidden": 6, "layers": 1},
    "diagonal_bilstm": {"levels": 8, "hidden": 6, "layers": 1},
    "ganomaly": {"width": 8, "latent": 8},
    "skip_ganomaly": {"width": 8, "residual_share": 0.99},
    "alad": {"width": 16, "latent": 8, "learning_rate": 2e-3, "average_decay": 0.95},
    "alocc": {"width": 8, "judged": "residual"},  # its critic learns objects, not textures
    "con_ad": {"width": 8, "latent": 4, "hypotheses": 3, "learning_rate": 4e-3},
    "anogan": {"steps": 60, "learning_rate": 0.1},
    "f_anogan": {"width": 8, "residual": False, "bounded_codes": False, "learning_rate": 2e-3},
    "conv_ae_one_class_svm": {"width": 8, "code": 8},
    "dbn_one_class_svm": {"hidden": (64,), "boundary": "ball"},
    "deep_svdd": {"widths": (8, 4), "code": 8, "learning_rate": 1e-3},
    "deep_one_class": {"width": 8, "features": 64, "compactness_weight": 1.0},
    "distillation": {"levels": (2, 3), "score_levels": (2, 3), "width": 8},
    "nearest_features": {"levels": (3, 4), "input_size": None, "memory": 50, "candidates": 200},
    "gaussian_features": {"map_levels": (2, 3), "levels": (1, 2)},
}
SHAPES = {"grey": (1, 32, 32), "colour odd": (3, 21, 34), "four channels": (4, 24, 32), "vectors": (6,)}
MOTION_SHAPES = {"grey with flow": (4, 24, 32), "colour with flow, odd": (6, 21, 34)}


def small(name: str) -> Detector | Trainable:
    """An instance that trains in well under a second a step."""
    found: type = {**find_models(), **find_detectors()}[name]
    arguments = dict(SMALL.get(name, {}))
    if name == "reconstruction":
        arguments["model"] = small("autoencoder")
    if name == "egbad":
        arguments["model"] = BiGAN(width=8, latent=8, learning_rate=4e-3, spectral_norm=True)
    if name == "likelihood":
        arguments["model"] = small("vae")
    if name == "ensemble":
        arguments["detectors"] = (small("mahalanobis"), small("reconstruction"))
    if name == "cross_channel":
        arguments["translator"] = small("pix2pix")
    if name in ("anogan", "f_anogan"):
        arguments["gan"] = DCGAN(width=16, latent=8, learning_rate=1e-3, average_decay=0.9)
    return found(**arguments)


def items(shape: tuple[int, ...], count: int = 24, seed: int = 0) -> torch.Tensor:
    """Normal data: smooth images in [-1, 1] that vary in a few ways, or correlated vectors."""
    generator = torch.Generator().manual_seed(seed)
    if len(shape) == 1:
        return torch.randn(count, 2, generator=generator) @ torch.randn(
            2, *shape, generator=torch.Generator().manual_seed(9)
        ) + 0.1 * torch.randn(count, *shape, generator=generator)
    channels, height, width = shape
    amplitude, phase = torch.rand(2, count, channels, 1, 1, generator=generator)
    rows, columns = torch.arange(height)[:, None] / 8, torch.arange(width)[None] / 8
    wave = torch.sin(rows + columns + phase) * (0.3 + 0.3 * amplitude)
    return wave + 0.02 * torch.randn(count, *shape, generator=generator)


def batch_for(found: type[Trainable], shape: tuple[int, ...], count: int = 24, seed: int = 0) -> Any:
    """What a model trains on: items, or items with labels, or with what they turn into."""
    data = items(shape, count, seed)
    if "labels" in found.card.needs:
        return data, torch.arange(count) % 3
    if "pairs" in found.card.needs or "two sets" in found.card.needs:
        return data, -data
    return data


def take_steps(model: Trainable, batch: Any, count: int) -> dict[str, torch.Tensor]:
    """Steps through a whole budget, as the loop takes them, and the last losses of each name."""
    losses: dict[str, torch.Tensor] = {}
    for step in range(count):
        model.clock.steps_done, model.clock.progress = step, step / count
        losses |= model.step(batch)
        model.clock.images_seen += 8
    return losses


def options(steps: int = 3, **changes: Any) -> TrainingOptions:
    """A short training."""
    return TrainingOptions(budget=Budget(steps=steps), batch_size=8, **changes)


def shapes_of(found: type[Detector] | type[Trainable]) -> list[tuple[int, ...]]:
    """Shapes that a class says it takes."""
    return list(labelled_shapes(found).values())


def labelled_shapes(found: type[Detector] | type[Trainable]) -> dict[str, tuple[int, ...]]:
    """The same with the name of each shape."""
    if "motion" in found.card.needs:
        return MOTION_SHAPES
    kinds = {label: "images" if len(shape) == 3 else "vectors" for label, shape in SHAPES.items()}
    return {label: shape for label, shape in SHAPES.items() if kinds[label] in found.card.inputs}


def cases(classes: dict[str, Any]) -> list[Any]:
    """Every class with every shape it takes, named for the test's report."""
    return [
        pytest.param(name, shape, id=f"{name}-{label}")
        for name, found in classes.items()
        for label, shape in labelled_shapes(found).items()
    ]


def equal_states(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Bit for bit, parameters and buffers."""
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
