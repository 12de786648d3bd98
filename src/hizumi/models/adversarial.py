"""Shared by adversarial models: the generator, its running average, and whose turn it is."""

from abc import ABC
from typing import final

import torch
from torch import Tensor, nn

from hizumi import objectives
from hizumi.errors import UsageError
from hizumi.models.abilities import HasPrior
from hizumi.networks.parts import in_parts
from hizumi.shapes import is_bounded
from hizumi.training import Schedule, WeightAverage, constant

SAMPLES_AT_ONCE = 256


class Adversarial(HasPrior, ABC):
    """A generator and what it plays against; subclasses make the networks and say what a step is.

    `build` must set `generator`, call `keep_average` after it, and register an optimiser for either player.
    """

    generator: nn.Module
    average: WeightAverage | None
    learning_rate: float
    augmentation: tuple[objectives.Change, ...] = ()

    @final
    def optimise_each(self, *players: str, betas: tuple[float, float], schedule: Schedule = constant) -> None:
        """Register an Adam optimiser for each of these attributes, by its name."""
        for player in players:
            parameters = self.get_submodule(player).parameters()
            self.optimise(player, parameters, learning_rate=self.learning_rate, betas=betas, schedule=schedule)

    @final
    def keep_average(self, decay: float | None) -> None:
        """Keep a running average of the generator's weights to sample from; None or 0 for the last weights."""
        self.average = WeightAverage(self.generator, decay) if decay else None

    @final
    def follow_average(self) -> None:
        """Call after each step of the generator."""
        if self.average is not None:
            self.average.follow(self.generator, self.clock)

    @final
    def shown(self, items: Tensor) -> Tensor:
        """Items as the opponent sees them, real and generated ones alike: changed at random where asked for."""
        if not self.augmentation:
            return items
        if items.ndim == 2:
            raise UsageError(f"{type(self).__name__}: augmentation changes images; leave it out for rows of numbers")
        if "colour" in self.augmentation and not is_bounded(tuple(items.shape[1:])):
            raise UsageError(f"{type(self).__name__}: series have no colour to change; leave it out of augmentation")
        return objectives.augmented(items, self.augmentation)

    @final
    def generators_turn(self, opponent_steps: int, pretraining: int = 0) -> bool:
        """Whether the generator moves in this step: after every `opponent_steps`-th, once `pretraining` steps are done.

        The opponent moves in every step, so that a step sees one batch.
        """
        return self.steps_done >= pretraining and (self.steps_done - pretraining + 1) % opponent_steps == 0

    @final
    def decode(self, codes: Tensor) -> Tensor:
        """Items that the generator, or its running average, makes of codes (n, latent)."""
        generator = self.generator if self.average is None else self.average.network
        return torch.cat([generator(part) for part in in_parts(codes, SAMPLES_AT_ONCE)])
