"""Adversarial models on MNIST, seen through the eyes of the judge: a classifier of real digits.

Samples are counted by the digit that the judge sees, and compared with test images by the Fréchet distance in the space
of the numbers that it decides by, at several moments of training. Images are padded to 32 pixels where nothing else is
said.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from common import main, mnist, padded
from judge import agreement, digits_of, judge, shares
from torch import Tensor

from hizumi.evaluation import frechet_distance
from hizumi.evaluation.extractors import extractor
from hizumi.models import DCGAN, WGANGP, BiGAN, ConditionalGAN, ProgressiveGAN
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, TrainingOptions
from hizumi.training.loop import fit

SAMPLES = 10_000  # as many as there are test images
SAMPLES_SEED = 1
MOMENTS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # shares of the budget at which the curve has a point


@dataclass(frozen=True)
class Settings:
    """How a model is made and trained."""

    model: Callable[[], Adversarial | ConditionalGAN]
    steps: int
    batch_size: int

    def options(self, seed: int, smoke: bool) -> TrainingOptions:
        """For the loop."""
        return TrainingOptions(seed=seed, batch_size=self.batch_size, budget=Budget(steps=20 if smoke else self.steps))


def conditional_gan_digits(seed: int, smoke: bool) -> dict[str, Any]:
    """Share of samples in which the judge sees the digit that was asked for; 28 pixels."""
    settings = Settings(
        partial(ConditionalGAN, width=16, learning_rate=5e-4, average_decay=0.995), steps=9000, batch_size=64
    )
    model, started = settings.model(), time.monotonic()
    model.fit(mnist("train"), settings.options(seed, smoke))
    seconds = time.monotonic() - started
    asked = torch.arange(SAMPLES) % 10
    seen = digits_of(judge(), model.sample(SAMPLES, SAMPLES_SEED, labels=asked))
    return {
        "training seconds": round(seconds, 1),
        "agreement": float((seen == asked).float().mean()),
        "agreement by digit": [float((seen[asked == digit] == digit).float().mean()) for digit in range(10)],
        "samples": SAMPLES,
    }


def bigan_digits(seed: int, smoke: bool) -> dict[str, Any]:
    """How well codes keep the digit: nearest neighbours among the training images' codes; rebuilt test images."""
    settings = Settings(
        partial(
            BiGAN,
            width=16,
            learning_rate=5e-4,
            decay_start=1.0,  # where the rate falls, the critic wins, and rebuilt digits change their class
            latent=16,
            critic_met=384,
            critic_depth=2,
            instance_noise=0.2,
            average_decay=0.998,
        ),
        steps=3000,
        batch_size=64,
    )
    (images, digits), (test_images, test_digits) = mnist("train"), mnist("test")
    model, started = settings.model(), time.monotonic()
    model.fit(images, settings.options(seed, smoke))
    seconds = time.monotonic() - started
    codes, test_codes = _in_parts(model.encode, images), _in_parts(model.encode, test_images)
    nearest = _in_parts(lambda some: torch.cdist(some, codes).argmin(1), test_codes)
    rebuilt = _in_parts(model.reconstruct, test_images)
    return {
        "training seconds": round(seconds, 1),
        "1-nearest-neighbour accuracy": float((digits[nearest] == test_digits).float().mean()),
        "rebuilt images of the same class": agreement(judge(), rebuilt, test_digits),
        "shares of digits among samples": shares(judge(), model.sample(SAMPLES, SAMPLES_SEED)),
        "training codes": len(codes),
        "test codes": len(test_codes),
    }


def _digits(settings: Settings, seed: int, smoke: bool) -> dict[str, Any]:
    images, test_images = padded(mnist("train")[0]), padded(mnist("test")[0])
    model, reader = settings.model(), judge()
    features = extractor(reader)
    real = features(test_images)
    moments, curve, seconds_looking = list(MOMENTS), list[dict[str, float]](), 0.0

    def look(record: Mapping[str, Any]) -> None:
        nonlocal seconds_looking
        if record["share"] < moments[0]:
            return
        started = time.monotonic()
        moments.pop(0)
        distance = frechet_distance(real, features(model.sample(SAMPLES, SAMPLES_SEED)))
        model.train()
        point = {"step": record["step"], "training seconds": round(record["seconds"] - seconds_looking, 1)}
        curve.append(point | {"frechet distance": distance})
        seconds_looking += time.monotonic() - started

    fit([model], images, settings.options(seed, smoke), observe=look)
    found = shares(reader, model.sample(SAMPLES, SAMPLES_SEED))
    half = len(images) // 2
    return {
        "training seconds": curve[-1]["training seconds"],
        "smallest share of a digit": min(found),
        "shares of digits": found,
        "frechet distance, samples to test images": curve[-1]["frechet distance"],
        "frechet distance, training images to test images": frechet_distance(real, features(images[:SAMPLES])),
        "frechet distance, halves of the training images": frechet_distance(
            features(images[:half]), features(images[half:])
        ),
        "curve": curve,
        "samples": SAMPLES,
    }


@torch.no_grad()
def _in_parts(function: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
    return torch.cat([function(part) for part in torch.split(items, 500)])


UNCONDITIONAL = {
    "dcgan_digits": Settings(
        partial(DCGAN, width=16, learning_rate=5e-4, average_decay=0.995), steps=6000, batch_size=64
    ),
    "wgangp_digits": Settings(
        partial(WGANGP, width=16, learning_rate=1e-3, beta1=0.5, critic_steps=3, average_decay=0.995),
        steps=8000,
        batch_size=64,
    ),
    "progressive_digits": Settings(
        partial(ProgressiveGAN, width=8, learning_rate=3e-3, average_decay=0.995), steps=7000, batch_size=32
    ),
}

if __name__ == "__main__":
    cases = {case.__name__: case for case in (conditional_gan_digits, bigan_digits)}
    main(cases | {name: partial(_digits, settings) for name, settings in UNCONDITIONAL.items()})
