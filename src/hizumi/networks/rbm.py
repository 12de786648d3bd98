"""Restricted Boltzmann machines: two layers of units, connected between layers only (Hinton 2002)."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

Units = Literal["bernoulli", "gaussian"]


class RestrictedBoltzmannMachine(nn.Module):
    """p(v, h) ∝ exp(-E(v, h)) with E = e(v, b) + e(h, c) - v W h.

    Bernoulli units are 0 or 1 with e(v, b) = -b v; Gaussian ones are real numbers of variance 1 given the other layer,
    with e(v, b) = (v - b)²/2. Means in [0, 1] may stand for the values of Bernoulli units.
    """

    def __init__(
        self, visible: int, hidden: int, visible_units: Units = "bernoulli", hidden_units: Units = "bernoulli"
    ) -> None:
        super().__init__()
        self.visible_units = visible_units
        self.hidden_units = hidden_units
        self.weight = nn.Parameter(0.01 * torch.randn(visible, hidden))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))

    def hidden_mean(self, visible: Float[Tensor, "n v"]) -> Float[Tensor, "n h"]:
        """E[h | v]."""
        return _mean(self.hidden_bias + visible @ self.weight, self.hidden_units)

    def visible_mean(self, hidden: Float[Tensor, "n h"]) -> Float[Tensor, "n v"]:
        """E[v | h]."""
        return _mean(self.visible_bias + hidden @ self.weight.T, self.visible_units)

    def draw_hidden(self, visible: Float[Tensor, "n v"]) -> Float[Tensor, "n h"]:
        """One draw of h given v."""
        return _draw(self.hidden_mean(visible), self.hidden_units)

    def draw_visible(self, hidden: Float[Tensor, "n h"]) -> Float[Tensor, "n v"]:
        """One draw of v given h."""
        return _draw(self.visible_mean(hidden), self.visible_units)

    def free_energy(self, visible: Float[Tensor, "n v"]) -> Float[Tensor, " n"]:
        """F(v) = -log Σ_h exp(-E(v, h)), in nats: -log p(v) up to a constant."""
        inputs = self.hidden_bias + visible @ self.weight
        if self.hidden_units == "bernoulli":
            hidden = softplus(inputs)
        else:
            hidden = (inputs.square() - self.hidden_bias.square() + math.log(2 * math.pi)) / 2
        if self.visible_units == "bernoulli":
            return -visible @ self.visible_bias - hidden.sum(1)
        return (visible - self.visible_bias).square().sum(1) / 2 - hidden.sum(1)

    @torch.no_grad()
    def rebuild(self, visible: Float[Tensor, "n v"]) -> Float[Tensor, "n v"]:
        """E[v | h] for one draw of h given v: a step of Gibbs sampling without the final draw."""
        return self.visible_mean(self.draw_hidden(visible))

    def contrastive_divergence(self, data: Float[Tensor, "n v"], fantasies: Float[Tensor, "m v"]) -> Float[Tensor, ""]:
        """Mean F(data) - mean F(fantasies), whose gradient is the learning rule of Boltzmann machines.

        With respect to the weights it is -(v0 E[h|v0] - v1 E[h|v1]), to the visible biases -(v0 - v1). Fantasies from
        `rebuild(data)` give CD-1; samples of the machine itself give the gradient of -log p(data).
        """
        return self.free_energy(data).mean() - self.free_energy(fantasies).mean()


class BoltzmannStack(nn.Module):
    """Stacked machines: the hidden layer of each is the visible layer of the next."""

    def __init__(
        self, sizes: Sequence[int], visible_units: Units = "bernoulli", code_units: Units = "bernoulli"
    ) -> None:
        super().__init__()
        last = len(sizes) - 2
        self.machines = nn.ModuleList(
            RestrictedBoltzmannMachine(
                below,
                above,
                visible_units if layer == 0 else "bernoulli",
                code_units if layer == last else "bernoulli",
            )
            for layer, (below, above) in enumerate(pairwise(sizes))
        )

    def __len__(self) -> int:
        return len(self.machines)

    def __getitem__(self, layer: int) -> RestrictedBoltzmannMachine:
        return cast(RestrictedBoltzmannMachine, self.machines[layer])

    def up(self, visible: Float[Tensor, "n v"], layers: int | None = None) -> Float[Tensor, "n h"]:
        """Mean activations after the first `layers` layers, or after all."""
        for layer in range(len(self) if layers is None else layers):
            visible = self[layer].hidden_mean(visible)
        return visible

    def down(self, hidden: Float[Tensor, "n h"]) -> Float[Tensor, "n v"]:
        """Mean activations from the top down to the visible layer."""
        for layer in reversed(range(len(self))):
            hidden = self[layer].visible_mean(hidden)
        return hidden

    def unrolled(self) -> tuple[nn.Sequential, nn.Sequential]:
        """`up` and `down` as feed-forward networks with untied weights and linear outputs."""
        machines = [self[layer] for layer in range(len(self))]
        encoder = [_linear(machine.weight.T, machine.hidden_bias) for machine in machines]
        decoder = [_linear(machine.weight, machine.visible_bias) for machine in reversed(machines)]
        return _logistic_between(encoder), _logistic_between(decoder)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _logistic_between(layers: Sequence[nn.Linear]) -> nn.Sequential:
    first, *others = layers
    return nn.Sequential(first, *(module for layer in others for module in (nn.Sigmoid(), layer)))


def _mean(inputs: Tensor, units: Units) -> Tensor:
    return inputs.sigmoid() if units == "bernoulli" else inputs


def _draw(mean: Tensor, units: Units) -> Tensor:
    return torch.bernoulli(mean) if units == "bernoulli" else mean + torch.randn_like(mean)
