"""Skip-GANomaly's losses and score against hand-computed cases on tiny linear networks."""

import pytest
import torch
from torch import Tensor, nn

from hizumi.detectors import SkipGANomaly
from hizumi.detectors.skip_ganomaly import SkipGANomalyTraining
from hizumi.networks import CodeCritic, UNet

from .test_ganomaly import Scale

X = torch.tensor([[1.0, -2.0], [0.5, 3.0]]).reshape(2, 1, 1, 2)
# G(x) = 0.6 x and f(x) = 2 x: x - G(x) = 0.4 x and f(x) - f(G(x)) = 0.8 x. The logit is the sum of f, plus a shift.


class LinearCritic(nn.Module):
    """Features 2 x, logit their sum plus a trainable shift."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.5))

    def features(self, images: Tensor) -> Tensor:
        return 2 * images.flatten(1)

    def judge(self, features: Tensor) -> Tensor:
        return features.sum(1) + self.shift

    def forward(self, images: Tensor) -> Tensor:
        return self.judge(self.features(images))


def linear_training(**arguments: object) -> SkipGANomalyTraining:
    training = SkipGANomaly(width=4, **arguments).model.prepare((1, 4, 4))
    training.generator, training.discriminator = Scale(0.6), LinearCritic()
    training.optimise("generator", training.generator.parameters(), learning_rate=1e-3)
    training.optimise("discriminator", training.discriminator.parameters(), learning_rate=1e-3)
    return training


def test_losses_by_hand() -> None:
    losses = linear_training().step(X)
    real, fake = 2 * X.flatten(1).sum(1) + 0.5, 1.2 * X.flatten(1).sum(1) + 0.5
    torch.testing.assert_close(losses["adversarial"], (1 + (-fake).exp()).log().mean())
    torch.testing.assert_close(losses["contextual"], (0.4 * X).abs().mean())
    torch.testing.assert_close(losses["latent"], (0.8 * X).square().mean())
    expected = (1 + (-real).exp()).log().mean() + (1 + fake.exp()).log().mean()
    torch.testing.assert_close(losses["discriminator"], expected)


@pytest.mark.parametrize("weights", [(1.0, 50.0, 1.0), (9.0, 0.1, 0.0), (0.0, 0.0, 1.0)])
def test_weighted_sum_is_what_the_generator_descends(weights: tuple[float, float, float]) -> None:
    training = linear_training(weights=weights)
    factor = torch.tensor(0.6, requires_grad=True)
    fake = 2 * factor * X.flatten(1).sum(1) + 0.5
    parts = ((1 + (-fake).exp()).log().mean(), (X - factor * X).abs().mean(), (2 * X - 2 * factor * X).square().mean())
    (gradient,) = torch.autograd.grad(sum(w * part for w, part in zip(weights, parts, strict=True)), factor)
    training.step(X)
    assert training.generator.factor.grad is not None
    torch.testing.assert_close(training.generator.factor.grad, gradient)


def fitted(**arguments: object) -> SkipGANomaly:
    detector = SkipGANomaly(width=4, **arguments).prepare((1, 4, 4))
    detector.shape = (1, 1, 2)
    detector.model.generator, detector.model.discriminator = Scale(0.6), LinearCritic()
    return detector.eval()


def test_score_by_hand() -> None:
    anomaly = fitted(residual_share=0.7).score(X)
    residual, latent = (0.4 * X).square().flatten(1).mean(1), (0.8 * X).square().flatten(1).mean(1)
    torch.testing.assert_close(anomaly.terms["residual"], residual)
    torch.testing.assert_close(anomaly.terms["latent"], latent)
    torch.testing.assert_close(anomaly.image, 0.7 * residual + 0.3 * latent)
    torch.testing.assert_close(anomaly.pixel, (0.4 * X).abs())
    torch.testing.assert_close(anomaly.reconstruction, 0.6 * X)
    absolute = fitted(difference="l1").score(X)
    torch.testing.assert_close(absolute.image, (0.9 * 0.4 + 0.1 * 0.8) * X.abs().flatten(1).mean(1))


def test_score_is_linear_in_its_share() -> None:
    at = {share: fitted(residual_share=share).score(X) for share in (0.0, 0.25, 1.0)}
    torch.testing.assert_close(at[0.0].image, at[0.0].terms["latent"])
    torch.testing.assert_close(at[1.0].image, at[1.0].terms["residual"])
    torch.testing.assert_close(at[0.25].image, 0.75 * at[0.0].image + 0.25 * at[1.0].image)


def test_noise_is_what_the_generator_sees_and_not_what_it_is_to_make() -> None:
    training = linear_training(noise=0.5)
    torch.manual_seed(3)
    losses = training.step(X)
    torch.manual_seed(3)
    rebuilt = 0.6 * (X + 0.5 * torch.randn_like(X))
    torch.testing.assert_close(losses["contextual"], (rebuilt - X).abs().mean())


@pytest.mark.parametrize("closed", [0, 1, 2, 9])
def test_closed_skips_pass_nothing_across(closed: int) -> None:
    network = UNet((1, 32, 32), 1, width=4, closed_skips=closed).eval()
    seen: dict[int, Tensor] = {}
    for level, part in enumerate(network.up):
        part.register_forward_pre_hook(lambda _, arguments, level=level: seen.update({level: arguments[0]}))
    network(torch.rand(2, 1, 32, 32))
    down = [4, 8, 16, 32, 32]  # channels on the way down; what rises to a level has as many
    for level in range(4):
        assert seen[level].shape[1] == down[level] * (1 if level < closed else 2)


def test_the_logit_is_linear_in_the_features() -> None:
    critic = CodeCritic((3, 16, 20), outputs=7, width=4).eval()
    images = torch.rand(5, 3, 16, 20)
    features = critic.features(images)
    assert features.shape == (5, 7)
    torch.testing.assert_close(critic(images), features @ critic.head.weight[0])
