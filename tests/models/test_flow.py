"""The flow's densities against Jacobians and numerical integration, and its inverse."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from hizumi.data.guard import trusted
from hizumi.data.stream import TensorSource
from hizumi.models import Flow
from hizumi.training import Budget, TrainingOptions

CASES = {
    "rows": (Flow(steps=3, width=8), (5,)),
    "one column": (Flow(steps=2, width=8), (1,)),
    "one level": (Flow(levels=1, steps=2, width=8), (1, 4, 6)),
    "two levels": (Flow(levels=5, steps=2, width=8), (3, 4, 8)),
    "odd sides": (Flow(steps=3, width=8), (1, 3, 5)),
    "windows": (Flow(levels=5, steps=2, width=8), (2, 1, 12)),
    "windows, odd": (Flow(steps=3, width=8), (1, 1, 7)),
    "windows by place": (Flow("positions", steps=2, width=8), (2, 1, 5)),
    "by place": (Flow("positions", steps=2, width=8), (4, 3, 3)),
    "by place, one channel": (Flow("positions", steps=2, width=8), (1, 4, 4)),
}


def stirred(flow: Flow, shape: tuple[int, ...], size: float = 0.1) -> Flow:
    """With weights that no coupling is the identity with, in double precision."""
    torch.manual_seed(0)
    flow = flow.prepare(shape).double().eval().requires_grad_(False)
    for weight in flow.body.parameters():
        weight.add_(size * torch.randn_like(weight))
    return flow


@pytest.mark.parametrize("case", CASES)
def test_densities_are_those_of_the_change_of_variables(case: str) -> None:
    flow, shape = CASES[case]
    flow = stirred(flow, shape)
    for item in torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)):
        jacobian = torch.autograd.functional.jacobian(lambda x: flow.encode(x[None])[0], item)
        _, volume = torch.linalg.slogdet(jacobian.reshape(flow.latent, flow.latent))
        expected = Normal(0.0, 1.0).log_prob(flow.encode(item[None])[0]).sum() + volume
        found = flow.log_likelihood(item[None])
        torch.testing.assert_close(found.image[0], expected)
        torch.testing.assert_close(found.terms["volume"][0], volume)
        if found.pixel is not None:
            torch.testing.assert_close(found.pixel.sum(), expected)


@pytest.mark.parametrize("case", CASES)
def test_codes_and_items_are_each_others_inverse(case: str) -> None:
    flow, shape = CASES[case]
    flow = stirred(flow, shape).float()
    items = torch.randn(16, *shape, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(flow.decode(flow.encode(items)), items, atol=1e-5, rtol=1e-5)
    codes = torch.randn(16, flow.latent, generator=torch.Generator().manual_seed(3))
    with trusted():  # weights drawn at random may put pixels anywhere
        torch.testing.assert_close(flow.encode(flow.decode(codes)), codes, atol=1e-5, rtol=1e-5)


def test_densities_integrate_to_one() -> None:
    flow = stirred(Flow(steps=3, width=8), (2,), size=0.3)
    axis = torch.linspace(-40, 40, 401, dtype=torch.float64)
    with torch.no_grad():
        density = flow.log_likelihood(torch.cartesian_prod(axis, axis)).image.exp()
    assert float(density.sum() * (axis[1] - axis[0]) ** 2) == pytest.approx(1, abs=1e-3)


def test_a_place_of_a_map_of_features_is_judged_by_itself_and_by_where_it_lies() -> None:
    flow = stirred(Flow("positions", steps=2, width=8), (4, 3, 3))
    items = torch.randn(1, 4, 1, 1, dtype=torch.float64).repeat(2, 1, 3, 3)
    items[1, :, 2, 1] = 5.0
    same, changed = flow.log_likelihood(items).pixel[:, 0]
    assert len(same.flatten().unique()) == 9
    assert torch.equal(same != changed, torch.tensor([[False] * 3, [False] * 3, [False, True, False]]))


def test_a_latents_share_lies_on_the_pixels_that_it_comes_from() -> None:
    flow = Flow(levels=2, steps=1, width=8).prepare((1, 8, 8)).eval()
    for part in flow.body.modules():  # only squeezing and setting aside are left, and 1x1 convolutions that do nothing
        if isinstance(part, nn.Conv2d):
            part.requires_grad_(False).weight.zero_()
    images = torch.zeros(2, 1, 8, 8)
    images[1, 0, :4, 4:] = 3.0
    same, changed = flow.log_likelihood(images).pixel[:, 0]
    quarter = torch.zeros(8, 8, dtype=torch.bool)
    quarter[:4, 4:] = True
    assert torch.equal(same != changed, quarter)


def bent(count: int) -> torch.Tensor:
    """x₂ = x₁² + noise, whose entropy is that of its two Gaussians, for a bend keeps volumes."""
    first, noise = torch.randn(2, count, generator=torch.Generator().manual_seed(4))
    return torch.stack([first, first.square() + 0.3 * noise], 1)


def test_actnorm_begins_by_standardising() -> None:
    rows = bent(64)
    flow = Flow(steps=1).prepare((2,)).eval()
    flow.begin(TensorSource(rows))
    scaled, volume = flow.body.levels[0][0](rows[:, :, None, None])
    torch.testing.assert_close(scaled.flatten(1), (rows - rows.mean(0)) / rows.std(0, correction=0))
    torch.testing.assert_close(volume.flatten(), -rows.std(0, correction=0).log().sum()[None])


@pytest.mark.slow
def test_a_fit_finds_a_bent_density() -> None:
    rows = bent(4000)
    flow = Flow(steps=6, width=32, learning_rate=5e-3)
    flow.fit(rows[:3000], TrainingOptions(budget=Budget(steps=500), batch_size=256))
    entropy = math.log(2 * math.pi * math.e) + math.log(0.3)
    with torch.no_grad():
        assert -float(flow.log_likelihood(rows[3000:]).image.mean()) == pytest.approx(entropy, abs=0.1)
    drawn = flow.sample(2000, seed=1)
    residual = drawn[:, 1] - drawn[:, 0].square()
    assert float(residual.abs().median()) == pytest.approx(0.3 * 0.6745, abs=0.06)
