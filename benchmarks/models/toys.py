"""Mode coverage on the ring of 8 and the grid of 25 Gaussians, counted on 2,500 samples.

A case is a line of `CASES`: a toy, a model, and how long it trains. The grid is divided by `GRID_SCALE` for the models,
so that it comes at the scale that networks are initialised for, and samples are brought back before they are counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from common import main

from hizumi.data.toys import toy
from hizumi.evaluation.generation import mode_coverage
from hizumi.models import GAN, VEEGAN, WGANGP, AdaGAN, UnrolledGAN
from hizumi.models.adversarial import Adversarial
from hizumi.training import Budget, TrainingOptions

TRAINING_POINTS = 100_000
SAMPLES = 2_500
GRID_SCALE = 2.828  # the grid's standard deviation in each direction, as in the released code of WGAN-GP
SAMPLES_SEED = 1


@dataclass(frozen=True)
class Case:
    """One model on one toy; `steps` are the loop's: five critic steps for one of the generator count as five."""

    toy: str
    model: Callable[[], Adversarial]
    steps: int
    batch_size: int

    def __call__(self, seed: int, smoke: bool) -> dict[str, Any]:
        target, scale = toy(self.toy), GRID_SCALE if self.toy == "grid" else 1.0
        points = torch.from_numpy(target.sample(TRAINING_POINTS, seed)) / scale
        steps = 10 if smoke else self.steps
        model = self.model()
        model.fit(points, TrainingOptions(budget=Budget(steps=steps), batch_size=self.batch_size, seed=seed))
        samples = scale * model.sample(SAMPLES, SAMPLES_SEED)
        coverage = mode_coverage(samples.numpy(), target.centres, target.standard_deviation)
        return coverage.to_dict() | {"steps": steps, "batch_size": self.batch_size}


def gan() -> GAN:
    return GAN(latent=2, hidden=(128, 128, 128), learning_rate=1e-3, average_decay=None)


def wgan_gp() -> WGANGP:
    return WGANGP(
        latent=2, hidden=(128, 128, 128), learning_rate=1e-3, beta1=0.5, penalty_weight=0.1, average_decay=None
    )


def unrolled_gan() -> UnrolledGAN:
    return UnrolledGAN(latent=2, learning_rate=3e-3)


def veegan() -> VEEGAN:
    return VEEGAN(latent=2, learning_rate=1e-3)


def ada_gan() -> AdaGAN:
    return AdaGAN(generators=4, latent=2, learning_rate=3e-3)


def one_gan() -> AdaGAN:
    """AdaGAN of a single generator: a GAN with its networks, rates and averages."""
    return AdaGAN(generators=1, latent=2, learning_rate=3e-3)


CASES = {
    "gan_ring": Case("ring", gan, steps=15_000, batch_size=256),
    "gan_grid": Case("grid", gan, steps=15_000, batch_size=256),
    "wgangp_ring": Case("ring", wgan_gp, steps=15_000, batch_size=256),
    "wgangp_grid": Case("grid", wgan_gp, steps=25_000, batch_size=256),
    "unrolled_gan_ring": Case("ring", unrolled_gan, steps=4_000, batch_size=128),
    "unrolled_gan_grid": Case("grid", unrolled_gan, steps=6_000, batch_size=128),
    "veegan_ring": Case("ring", veegan, steps=6_000, batch_size=128),
    "veegan_grid": Case("grid", veegan, steps=12_000, batch_size=128),
    "ada_gan_ring": Case("ring", ada_gan, steps=12_000, batch_size=128),
    "ada_gan_grid": Case("grid", ada_gan, steps=24_000, batch_size=128),
    "ada_gan_grid_one_part": Case("grid", one_gan, steps=6_000, batch_size=128),
    "ada_gan_grid_one_gan": Case("grid", one_gan, steps=24_000, batch_size=128),
}


if __name__ == "__main__":
    main(CASES)
