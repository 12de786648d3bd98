"""ConAD's hypotheses, losses and score against torch.distributions and brute force."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from hizumi.detectors import ConAD
from hizumi.detectors.con_ad import ConADTraining
from hizumi.objectives import winner_takes_all

GENERATOR = torch.Generator().manual_seed(0)
LEAST_DEVIATION = 0.1


def test_winner_takes_all_by_hand() -> None:
    losses = torch.tensor([[3.0, 1.0, 8.0], [2.0, 5.0, 4.0]])
    torch.testing.assert_close(winner_takes_all(losses), torch.tensor([1.0, 2.0]))
    expected = torch.tensor([0.9 * 1 + 0.1 * (3 + 8) / 2, 0.9 * 2 + 0.1 * (5 + 4) / 2])
    torch.testing.assert_close(winner_takes_all(losses, 0.1), expected)
    torch.testing.assert_close(winner_takes_all(losses[:, :1], 0.1), losses[:, 0])


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_weight_of_each_hypothesis(share: float) -> None:
    losses = torch.rand(50, 4, generator=GENERATOR, requires_grad=True)
    winner_takes_all(losses, share).sum().backward()
    won = torch.zeros(50, 4).scatter_(1, losses.detach().argmin(1, keepdim=True), 1.0)
    torch.testing.assert_close(losses.grad, (1 - share) * won + share / 3 * (1 - won))


class Heads(nn.Module):
    """A decoder of vectors that ignores the code: one mean and one raw log-variance for each head and number."""

    def __init__(self, means: Tensor, log_variances: Tensor) -> None:
        super().__init__()
        self.means, self.log_variances = nn.Parameter(means.clone()), nn.Parameter(log_variances)

    def forward(self, codes: Tensor) -> Tensor:
        return torch.cat([self.means.flatten(), self.log_variances.flatten()]).expand(len(codes), -1)


MEANS = torch.tensor([[0.0, 0.0], [2.0, -1.0], [-3.0, 1.0]])
DEVIATIONS = torch.tensor([[1.0, 0.5], [0.3, 2.0], [1.0, 1.0]])
X = torch.tensor([[0.2, 0.1], [1.8, 0.0], [2.1, -1.0]])  # nearest to the heads 0, 1, 1


def raw(deviations: Tensor) -> Tensor:
    """What the decoder has to say for a standard deviation: the inverse of the soft bound."""
    least = 2 * math.log(LEAST_DEVIATION)
    return least + (2 * deviations.log() - least).expm1().log()


def linear_training(**arguments: object) -> ConADTraining:
    training = ConAD(hypotheses=3, latent=2, least_deviation=LEAST_DEVIATION, **arguments).model.prepare((2,))
    training.decoder = Heads(MEANS, raw(DEVIATIONS))
    training.optimise("autoencoder", training.decoder.parameters(), kind="sgd", learning_rate=1.0)
    return training


def test_no_gradient_reaches_a_hypothesis_that_did_not_win() -> None:
    training = linear_training(loser_share=0.0, adversarial_weight=0.0)
    training.step(X)
    moved = training.decoder.means.grad.abs().sum(1) + training.decoder.log_variances.grad.abs().sum(1)
    assert moved[0] > 0
    assert moved[1] > 0
    assert moved[2] == 0
    # The winner's mean descends the mean of (mean - x) / variance over the batch, of the items that it won.
    expected = torch.stack([MEANS[0] - X[0], 2 * MEANS[1] - X[1] - X[2]]) / DEVIATIONS[:2].square() / 3
    torch.testing.assert_close(training.decoder.means.grad[:2], expected)


@pytest.mark.parametrize("arguments", [{"loser_share": 0.2, "adversarial_weight": 0.0}, {"loser_share": 0.0}])
def test_a_share_or_the_discriminator_reaches_every_hypothesis(arguments: dict[str, float]) -> None:
    training = linear_training(**arguments)
    training.step(X)
    assert (training.decoder.means.grad.abs().sum(1) > 0).all()


def test_losses_against_distributions() -> None:
    training = linear_training(loser_share=0.0)
    with torch.no_grad():
        mean, log_variance = training.posterior(X)
    posterior, prior = Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(2), torch.ones(2))
    losses = training.step(X)
    torch.testing.assert_close(
        losses["divergence"], torch.distributions.kl_divergence(posterior, prior).sum(1).mean().detach()
    )
    densities = torch.stack([Normal(m, s).log_prob(X).sum(1) for m, s in zip(MEANS, DEVIATIONS, strict=True)], 1)
    torch.testing.assert_close(losses["nll"], -densities.amax(1).mean())


@pytest.mark.parametrize("best", ["image", "pixel"])
def test_score_is_the_best_hypothesis_found_by_brute_force(best: str) -> None:
    detector = ConAD(width=4, latent=3, hypotheses=4, best=best).prepare((2, 16, 20))
    torch.manual_seed(1)
    for parameter in detector.model.decoder.parameters():  # untrained heads hardly differ
        nn.init.normal_(parameter, std=0.3)
    images = torch.rand(20, 2, 16, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1
    anomaly = detector.score(images)
    with torch.no_grad():
        means, log_variances = detector.model.hypothesise(detector.model.posterior(images)[0])
    assert float((log_variances / 2).exp().min()) >= detector.model.least_deviation
    winners = set()
    for row, image in enumerate(images):
        nll = torch.stack(
            [-Normal(m, (v / 2).exp()).log_prob(image) for m, v in zip(means[row], log_variances[row], strict=True)]
        )
        winner = min(range(4), key=lambda head: float(nll[head].sum()))
        winners.add(winner)
        chosen = nll[winner] if best == "image" else nll.amin(0)
        torch.testing.assert_close(anomaly.image[row], chosen.sum(), rtol=1e-5, atol=1e-3)
        torch.testing.assert_close(anomaly.pixel[row], chosen.sum(0, keepdim=True), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(anomaly.terms["image nll"][row], nll[winner].sum(), rtol=1e-5, atol=1e-3)
        assert anomaly.terms["pixel nll"][row] <= anomaly.terms["image nll"][row]
        torch.testing.assert_close(anomaly.reconstruction[row], means[row, winner], rtol=1e-5, atol=1e-5)
    assert len(winners) > 1
