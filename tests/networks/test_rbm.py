"""Boltzmann machines of 4 visible and 3 hidden units against sums over all of their states."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from hizumi.networks import BoltzmannStack, RestrictedBoltzmannMachine


def states(units: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)


V, H = states(4), states(3)


def machine(**units: str) -> RestrictedBoltzmannMachine:
    torch.manual_seed(0)
    made = RestrictedBoltzmannMachine(4, 3, **units).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


def energies(m: RestrictedBoltzmannMachine, visible: Tensor, hidden: Tensor) -> Tensor:
    """E of every pair of states, as the definition has it."""
    interaction = visible @ m.weight @ hidden.T
    return -(visible @ m.visible_bias)[:, None] - (hidden @ m.hidden_bias)[None] - interaction


def negative_log_likelihood(m: RestrictedBoltzmannMachine, data: Tensor) -> Tensor:
    """Mean of log Z - log Σ_h exp(-E(v, h)), all sums over all states."""
    joint = -energies(m, data, H)
    return (-energies(m, V, H)).logsumexp((0, 1)) - joint.logsumexp(1).mean()


def gradients(loss: Tensor, m: RestrictedBoltzmannMachine) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [m.weight, m.visible_bias, m.hidden_bias]))


def test_free_energy_and_means_by_enumeration() -> None:
    m = machine()
    torch.testing.assert_close(m.free_energy(V), -(-energies(m, V, H)).logsumexp(1))
    torch.testing.assert_close(m.hidden_mean(V), (-energies(m, V, H)).softmax(1) @ H)
    torch.testing.assert_close(m.visible_mean(H), (-energies(m, V, H)).softmax(0).T @ V)


def test_gaussian_hidden_units_by_integration() -> None:
    torch.manual_seed(1)
    m = RestrictedBoltzmannMachine(4, 1, hidden_units="gaussian").double()
    for parameter in m.parameters():
        torch.nn.init.normal_(parameter)
    h = torch.linspace(-15, 15, 30001, dtype=torch.float64)
    energy = -(V @ m.visible_bias)[:, None] + (h - m.hidden_bias).square() / 2 - V @ m.weight * h
    total = torch.trapezoid((-energy).exp(), h)
    torch.testing.assert_close(m.free_energy(V), -total.log())
    torch.testing.assert_close(m.hidden_mean(V)[:, 0], torch.trapezoid(h * (-energy).exp(), h) / total)


def test_gaussian_visible_units_by_enumeration() -> None:
    m = machine(visible_units="gaussian")
    values = torch.randn(6, 4, dtype=torch.float64)
    energy = (values - m.visible_bias).square().sum(1)[:, None] / 2 - (H @ m.hidden_bias)[None]
    energy = energy - values @ m.weight @ H.T
    torch.testing.assert_close(m.free_energy(values), -(-energy).logsumexp(1))
    # E is quadratic in v, so that E[v|h] is where it is lowest.
    lowest = m.visible_mean(H).detach().requires_grad_()
    by_hand = (lowest - m.visible_bias).square().sum() / 2 - (lowest @ m.weight * H).sum()
    torch.testing.assert_close(torch.autograd.grad(by_hand, lowest)[0], torch.zeros(8, 4, dtype=torch.float64))


@pytest.mark.parametrize("hidden_units", ["bernoulli", "gaussian"])
def test_cd1_is_the_published_rule(hidden_units: str) -> None:
    m = machine(hidden_units=hidden_units)
    v0 = V[[3, 7, 7, 12, 15]]
    v1 = m.rebuild(v0)
    h0, h1 = m.hidden_mean(v0), m.hidden_mean(v1)
    by_hand = [-(v0.T @ h0 - v1.T @ h1) / 5, -(v0 - v1).mean(0), -(h0 - h1).mean(0)]
    for got, expected in zip(gradients(m.contrastive_divergence(v0, v1), m), by_hand, strict=True):
        torch.testing.assert_close(got, expected)


def test_rebuilding_goes_through_drawn_hidden_units() -> None:
    m = machine()
    torch.manual_seed(0)
    rebuilt = m.rebuild(V[[6]].expand(200_000, -1))
    chances = (-energies(m, V[[6]], H)).softmax(1)[0]
    possible = m.visible_mean(H)
    seen = torch.cdist(rebuilt, possible).argmin(1)
    torch.testing.assert_close(rebuilt, possible[seen])
    torch.testing.assert_close(torch.bincount(seen, minlength=8) / 200_000, chances.float(), atol=0.005, rtol=0)


def chains(m: RestrictedBoltzmannMachine, visible: Tensor, steps: int) -> Tensor:
    with torch.no_grad():
        for _ in range(steps):
            visible = m.draw_visible(m.draw_hidden(visible))
    return visible


def test_gibbs_sampling_has_the_machines_marginals() -> None:
    m = machine()
    torch.manual_seed(0)
    drawn = chains(m, torch.zeros(100_000, 4, dtype=torch.float64), 60)
    seen = torch.bincount((drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0]).double()).long(), minlength=16) / 100_000
    exact = (-energies(m, V, H)).logsumexp(1).softmax(0)
    torch.testing.assert_close(seen.double(), exact, atol=5 * math.sqrt(0.25 / 100_000), rtol=0)


def test_cd_k_comes_to_the_exact_gradient_and_cd_1_points_the_same_way() -> None:
    m = machine()
    with torch.no_grad():
        m.weight *= 2  # slow enough for the number of steps to show
    data = V[[1, 3, 3, 7, 14]]
    exact = gradients(negative_log_likelihood(m, data), m)
    many = data.repeat(20_000, 1)
    torch.manual_seed(0)
    errors = []
    for steps in (1, 3, 40):
        estimate = gradients(m.contrastive_divergence(many, chains(m, many, steps)), m)
        errors.append(max(float((a - b).detach().abs().max()) for a, b in zip(estimate, exact, strict=True)))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.008  # sampling error: 100,000 chains, entries of at most 1
    cd1 = torch.cat([g.flatten() for g in gradients(m.contrastive_divergence(many, m.rebuild(many)), m)])
    assert float(torch.cosine_similarity(cd1, torch.cat([g.flatten() for g in exact]), 0)) > 0.5


def test_descending_cd_1_raises_the_likelihood() -> None:
    m = machine()
    data = V[[0, 3, 12, 15]]
    before = negative_log_likelihood(m, data).item()
    optimiser = torch.optim.SGD(m.parameters(), 0.2)
    for _ in range(400):
        optimiser.zero_grad()
        m.contrastive_divergence(data, m.rebuild(data)).backward()
        optimiser.step()
    assert negative_log_likelihood(m, data).item() < before - 1


def test_unrolled_stack_computes_the_same() -> None:
    torch.manual_seed(0)
    stack = BoltzmannStack([6, 5, 4, 2], code_units="gaussian")
    for parameter in stack.parameters():
        torch.nn.init.normal_(parameter)
    encoder, decoder = stack.unrolled()
    items = torch.rand(7, 6)
    torch.testing.assert_close(encoder(items), stack.up(items))
    torch.testing.assert_close(decoder(encoder(items)).sigmoid(), stack.down(stack.up(items)))
    torch.testing.assert_close(stack[1].hidden_mean(stack[0].hidden_mean(items)), stack.up(items, 2))
    assert not {id(p) for p in stack.parameters()} & {id(p) for p in [*encoder.parameters(), *decoder.parameters()]}
