"""What all adversarial models share: a generator that turns noise into items, and whose turn it is."""

from abc import ABC
from typing import final

import torch
from torch import Tensor, nn

from hizumi.models.abilities import CanSample
from hizumi.training import Trainable, WeightAverage

SAMPLES_AT_ONCE = 256


class Adversarial(Trainable, CanSample, ABC):
    """A generator and what it plays against; subclasses make the networks and say what a step is.

    `build` must set `generator` and call `keep_average` after it.
    """

    latent: int
    generator: nn.Module
    average: WeightAverage | None

    @final
    def keep_average(self, decay: float | None) -> None:
        """Keep a running average of the generator's weights to sample from; None or 0 for the last weights."""
        self.average = WeightAverage(self.generator, decay) if decay else None

    @final
    def follow_average(self) -> None:
        """Call after each step of the generator."""
        if self.average is not None:
            self.average.follow(self.generator, self.steps_done)

    @final
    def noise(self, count: int) -> Tensor:
        """Codes (count, latent) drawn from N(0, I)."""
        return torch.randn(count, self.latent, device=self.images_seen.device)

    @final
    def generators_turn(self, opponent_steps: int, pretraining: int = 0) -> bool:
        """Whether the generator moves in this step: in every `opponent_steps`-th, after `pretraining` steps."""
        return self.steps_done >= pretraining and (self.steps_done + 1) % opponent_steps == 0

    @final
    def sample(self, count: int, seed: int = 0) -> Tensor:
        """Items generated from codes drawn from N(0, I)."""
        self.require_built()
        noise = torch.randn(count, self.latent, generator=torch.Generator().manual_seed(seed))
        self.eval()
        generator = self.generator if self.average is None else self.average.network
        with torch.no_grad():
            parts = [generator(codes.to(self.images_seen.device)) for codes in torch.split(noise, SAMPLES_AT_ONCE)]
        return torch.cat(parts)
