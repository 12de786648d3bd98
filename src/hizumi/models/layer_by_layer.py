"""Shared by models made of restricted Boltzmann machines: greedy training, one layer after the other."""

import math
from abc import ABC
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from hizumi.networks import BoltzmannStack, Units
from hizumi.shapes import is_bounded
from hizumi.training import Schedule, Trainable, constant
from hizumi.training.randomness import own_random_numbers

MOMENTA = (0.5, 0.9)  # in the first and in the second half of a layer's training
WEIGHT_COST = 2e-4
GAUSSIAN_SLOWDOWN = 0.01  # of the learning rate: units without bounds diverge at the rate of binary ones


class LayerByLayer(Trainable, ABC):
    """A stack of machines, trained from the bottom to the top by one step of contrastive divergence (CD-1).

    Images are brought to [0, 1], the means of binary units; vectors are values of Gaussian units of variance 1, so
    their columns should have been brought to about that. `build` must call `stack_machines`.
    """

    stack: BoltzmannStack

    @final
    def stack_machines(
        self,
        shape: tuple[int, ...],
        sizes: Sequence[int],
        learning_rate: float,
        code_units: Units = "bernoulli",
        schedule: Schedule = constant,
    ) -> None:
        """Make the machines and their optimisers; `sizes` are those of the layers above the items."""
        visible_units: Units = "bernoulli" if is_bounded(shape) else "gaussian"
        self.stack = BoltzmannStack([math.prod(shape), *sizes], visible_units, code_units)
        for layer in range(len(self.stack)):
            machine = self.stack[layer]
            binary = machine.visible_units == machine.hidden_units == "bernoulli"
            rate = learning_rate if binary else GAUSSIAN_SLOWDOWN * learning_rate
            for momentum in MOMENTA:
                name = f"machine {layer + 1}, momentum {momentum}"
                self.optimise(
                    name, machine.parameters(), kind="sgd", learning_rate=rate, momentum=momentum, schedule=schedule
                )

    @final
    def train_machine(self, items: Tensor, progress: float, chains: Tensor | None = None) -> dict[str, Tensor]:
        """One step of the machine whose turn it is once a share `progress` of the greedy training is over.

        Where there are `chains`, states (m, v) of the top machine's visible units, they go on by a Gibbs step for each
        step of that machine, and it learns from them in place of CD-1 (Tieleman 2008).
        """
        layer, half = divmod(int(progress * 2 * len(self.stack)), 2)
        machine = self.stack[layer]
        with torch.no_grad():
            data = self.stack.up(self.units_of(items), layer)
            rebuilt = fantasies = machine.rebuild(data)
            if chains is not None and layer == len(self.stack) - 1:
                with own_random_numbers():
                    torch.manual_seed(self.images_seen)  # equal in all processes, so the chains are, too
                    chains.copy_(machine.draw_visible(machine.draw_hidden(chains)))
                fantasies = chains
        loss = machine.contrastive_divergence(data, fantasies) + WEIGHT_COST / 2 * machine.weight.square().sum()
        self.update(f"machine {layer + 1}, momentum {MOMENTA[half]}", loss)
        return {f"machine {layer + 1}": (data - rebuilt).square().sum(1).mean()}

    @final
    def units_of(self, items: Tensor) -> Tensor:
        """Items (n, *shape) as values of the visible units, (n, v)."""
        return (items.flatten(1) + 1) / 2 if is_bounded(self.require_built()) else items.flatten(1)

    @final
    def items_of(self, units: Tensor) -> Tensor:
        """Values of the visible units as items."""
        shape = self.require_built()
        return (2 * units - 1 if is_bounded(shape) else units).reshape(-1, *shape)
