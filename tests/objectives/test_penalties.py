"""The gradient penalty against closed forms and finite differences, in double precision."""

import pytest
import torch
from torch import Tensor, nn

from hizumi import networks, objectives

STEP = 1e-6


def pairs(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real, fake = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return real, 0.5 * fake + 1


def penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    torch.manual_seed(5)  # the same points between the pairs in each call
    return objectives.gradient_penalty(critic, real, fake)


class Linear(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, items: Tensor) -> Tensor:
        return items.flatten(1) @ self.weight


@pytest.mark.parametrize("shape", [(7,), (2, 4, 5)])
def test_a_linear_critic_by_hand(shape: tuple[int, ...]) -> None:
    """The slope of w·x is w everywhere, so the penalty is (‖w‖ - 1)², with gradient 2 (‖w‖ - 1) w / ‖w‖."""
    real, fake = pairs(6, *shape)
    weight = torch.linspace(-1, 2, real[0].numel(), dtype=torch.float64)
    critic = Linear(weight)
    value = penalty(critic, real, fake)
    (gradient,) = torch.autograd.grad(value, critic.weight)
    length = weight.norm()
    torch.testing.assert_close(value, (length - 1) ** 2)
    torch.testing.assert_close(gradient, 2 * (length - 1) * weight / length)


CRITICS = {
    "vectors": ((5, 3), lambda: nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))),
    "images": ((4, 2, 5, 6), lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(36, 1))),
    "our own, vectors": ((5, 3), lambda: networks.critic((3,), hidden=(6, 4))),
    "our own, images": ((4, 2, 8, 8), lambda: networks.critic((2, 8, 8), width=2, batch_norm=False)),
}


@pytest.mark.parametrize("name", CRITICS)
def test_against_finite_differences(name: str) -> None:
    """First the slopes at the points between the pairs, then how the penalty changes with each of the weights."""
    shape, make = CRITICS[name]
    torch.manual_seed(0)
    critic = make().double()
    real, fake = pairs(*shape)
    value = penalty(critic, real, fake)

    torch.manual_seed(5)
    share = torch.rand(len(real), *[1] * (real.ndim - 1), dtype=torch.float64)
    between = share * real + (1 - share) * fake
    squares = torch.zeros(len(real), dtype=torch.float64)
    with torch.no_grad():
        for index in range(real[0].numel()):
            nudge = torch.zeros_like(real).flatten(1)
            nudge[:, index] = STEP
            nudge = nudge.view_as(real)
            squares += ((critic(between + nudge) - critic(between - nudge)).flatten() / (2 * STEP)) ** 2
    torch.testing.assert_close(value.detach(), (squares.sqrt() - 1).square().mean(), rtol=1e-6, atol=1e-9)

    parameters = list(critic.parameters())
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        flat = parameter.data.view(-1)
        for index in range(0, len(flat), max(1, len(flat) // 10)):
            kept = float(flat[index])
            sides = []
            for side in (STEP, -STEP):
                flat[index] = kept + side
                sides.append(float(penalty(critic, real, fake).detach()))
            flat[index] = kept
            found = 0.0 if gradient is None else float(gradient.reshape(-1)[index])
            assert found == pytest.approx((sides[0] - sides[1]) / (2 * STEP), rel=1e-4, abs=1e-8)


def test_points_lie_between_their_own_pair_at_one_share_an_item() -> None:
    seen: list[Tensor] = []

    def watching(items: Tensor) -> Tensor:
        seen.append(items.detach())
        return items.flatten(1).sum(1)

    real, fake = pairs(50, 3, 4, 4)
    objectives.gradient_penalty(watching, real, fake)
    shares = ((seen[0] - fake) / (real - fake)).flatten(1)
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares), rtol=1e-6, atol=1e-6)
    assert 0 <= float(shares.min()) < 0.1
    assert 0.9 < float(shares.max()) <= 1


def test_only_the_critic_gets_a_gradient() -> None:
    real, fake = pairs(4, 3)
    made = fake.requires_grad_()
    critic = Linear(torch.ones(3, dtype=torch.float64))
    objectives.gradient_penalty(critic, real, made).backward()
    assert critic.weight.grad is not None
    assert made.grad is None
