import pytest
import torch
from scipy.optimize import brentq, minimize
from torch.distributions import Normal

from hizumi import objectives

RANDOM = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("beta", [0.05, 1 / 3, 0.5, 0.9])
def test_weights_fill_up_to_one_level_found_by_bisection(beta: float) -> None:
    ratios = (2 * torch.randn(200, generator=RANDOM, dtype=torch.float64)).exp()
    weights = objectives.adagan_weights(ratios, beta)

    def excess(level: float) -> float:
        return float((level - (1 - beta) * ratios).clamp(min=0).sum() / (len(ratios) * beta)) - 1

    level = brentq(excess, 0, float(ratios.max()) + len(ratios))
    torch.testing.assert_close(weights, (level - (1 - beta) * ratios).clamp(min=0) / (len(ratios) * beta))
    assert float(weights.sum()) == pytest.approx(1)
    used = weights > 0  # the condition by which the paper's search over sorted items stops
    assert (1 - beta) * float(ratios[used].max()) <= level + 1e-9
    assert used.all() or level <= (1 - beta) * float(ratios[~used].min()) + 1e-9


def test_weights_bring_the_mixture_nearest_to_the_data() -> None:
    # Of all w, the closed form minimises the Jensen-Shannon divergence of (1 - beta) mixture + beta w from the data.
    beta, ratios = 0.4, torch.tensor([0.05, 0.3, 0.8, 1.1, 2.75], dtype=torch.float64)
    data, mixture = torch.full((5,), 0.2, dtype=torch.float64), 0.2 * ratios

    def divergence(weights: object) -> float:
        new = (1 - beta) * mixture + beta * torch.as_tensor(weights)
        middle = (new + data) / 2
        return float((new * (new / middle).log() + data * (data / middle).log()).sum())

    found = minimize(
        divergence,
        data.numpy(),
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        tol=1e-12,
    )
    torch.testing.assert_close(objectives.adagan_weights(ratios, beta), torch.from_numpy(found.x), rtol=0, atol=1e-4)


def test_weights_are_equal_where_nothing_is_to_be_boosted() -> None:
    for ratios, beta in ((torch.full((7,), 0.6), 0.3), (torch.rand(7, generator=RANDOM), 1.0)):
        torch.testing.assert_close(objectives.adagan_weights(ratios, beta), torch.full((7,), 1 / 7))


def test_weights_follow_their_items() -> None:
    ratios, order = torch.rand(30, generator=RANDOM), torch.randperm(30, generator=RANDOM)
    expected = objectives.adagan_weights(ratios, 0.2)[order]
    torch.testing.assert_close(objectives.adagan_weights(ratios[order], 0.2), expected)


def test_ratio_is_that_of_the_best_classifier_and_stays_finite() -> None:
    data, mixture = Normal(0.0, 1.0), Normal(0.5, 1.5)
    items = torch.linspace(-3, 3, 31, dtype=torch.float64)
    logits = data.log_prob(items) - mixture.log_prob(items)
    expected = (mixture.log_prob(items) - data.log_prob(items)).exp()
    torch.testing.assert_close(objectives.density_ratio(logits), expected)
    assert torch.isfinite(objectives.density_ratio(torch.tensor([-1e4, 1e4]))).all()
