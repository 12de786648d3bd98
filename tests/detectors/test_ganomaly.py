"""GANomaly's losses and score against hand-computed cases on tiny linear networks."""

import torch
from torch import Tensor, nn

from hizumi import networks
from hizumi.detectors import GANomaly
from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.detectors.revival import revive


class Scale(nn.Module):
    """Multiplies by one trainable number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, items: Tensor) -> Tensor:
        return self.factor * items


class LinearCritic(nn.Module):
    """Features 2 x, logit their mean plus a trainable shift."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.5))

    def features(self, items: Tensor) -> Tensor:
        return 2 * items

    def judge(self, features: Tensor) -> Tensor:
        return features.mean(1) + self.shift

    def forward(self, items: Tensor) -> Tensor:
        return self.judge(self.features(items))


def linear_training(adversarial: str = "features") -> GANomalyTraining:
    training = GANomaly(adversarial=adversarial).model.prepare((2,))
    training.encoder, training.decoder, training.second_encoder = Scale(0.5), Scale(1.2), Scale(0.7)
    training.discriminator = LinearCritic()
    parts = (training.encoder, training.decoder, training.second_encoder)
    training.optimise("generator", [p for part in parts for p in part.parameters()], learning_rate=1e-3)
    training.optimise("discriminator", training.discriminator.parameters(), learning_rate=1e-3)
    return training


X = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
# z = 0.5 x, x' = 0.6 x, z' = 0.42 x: x - x' = 0.4 x and z - z' = 0.08 x.


def test_losses_by_hand() -> None:
    losses = linear_training().step(X)
    torch.testing.assert_close(losses["adversarial"], (0.8 * X).square().mean())
    torch.testing.assert_close(losses["contextual"], (0.4 * X).abs().mean())
    torch.testing.assert_close(losses["encoding"], (0.08 * X).square().mean())


def test_discriminator_sees_the_reconstruction_made_before_the_step() -> None:
    losses = linear_training().step(X)
    real, fake = 2 * X.mean(1) + 0.5, 2 * (0.6 * X).mean(1) + 0.5
    expected = ((1 + (-real).exp()).log().mean() + (1 + fake.exp()).log().mean()) / 2
    torch.testing.assert_close(losses["discriminator"], expected)


def test_first_release_fools_the_discriminator_instead() -> None:
    losses = linear_training("bce").step(X)
    fake = 2 * (0.6 * X).mean(1) + 0.5
    torch.testing.assert_close(losses["adversarial"], (1 + (-fake).exp()).log().mean())


def test_weighted_sum_is_what_the_generator_descends() -> None:
    training = linear_training()
    training.weights = (1.0, 50.0, 1.0)
    factors = torch.tensor([0.5, 1.2, 0.7], requires_grad=True)
    e, d, s = factors
    loss = (2 * e * d * X - 2 * X).square().mean() + 50 * (e * d * X - X).abs().mean()
    loss = loss + (s * e * d * X - e * X).square().mean()
    (gradient,) = torch.autograd.grad(loss, factors)
    before = torch.tensor([0.5, 1.2, 0.7])
    training.step(X)
    after = torch.stack([training.encoder.factor, training.decoder.factor, training.second_encoder.factor])
    # Adam's first step has the length of its rate, against the gradient.
    torch.testing.assert_close(after.detach(), before - 1e-3 * gradient.sign(), atol=1e-6, rtol=0)


def test_score_by_hand() -> None:
    detector = GANomaly().prepare((2,))
    detector.model.encoder, detector.model.decoder = Scale(0.5), Scale(1.2)
    detector.model.second_encoder = Scale(0.7)
    anomaly = detector.score(X)
    torch.testing.assert_close(anomaly.image, (0.08 * X).square().mean(1))
    torch.testing.assert_close(anomaly.terms["residual"], (0.4 * X).abs().mean(1))
    torch.testing.assert_close(anomaly.reconstruction, 0.6 * X)


def test_a_discriminator_that_is_always_right_starts_anew() -> None:
    training = GANomaly(width=8, latent=4).model.prepare((1, 16, 16)).train()
    before = {name: value.clone() for name, value in training.discriminator.state_dict().items()}

    def revived_at(loss: float) -> bool:
        revive(training, training.discriminator, torch.tensor(loss), lambda: networks.critic((1, 16, 16), 8))
        return any(not torch.equal(value, before[name]) for name, value in training.discriminator.state_dict().items())

    assert not revived_at(0.1)
    assert not revived_at(2e-5)
    assert revived_at(9e-6)
