"""ALOCC's losses, order of play, stop and score against hand-computed cases on tiny linear networks."""

import pytest
import torch
from torch import Tensor

from hizumi.detectors import ALOCC
from hizumi.detectors.alocc import ALOCCTraining
from hizumi.training import Budget, TrainingOptions

from .test_ganomaly import Scale
from .test_skip_ganomaly import LinearCritic, X

RATE = 1e-3


def linear_training(**arguments: object) -> ALOCCTraining:
    """R(x) = 0.6 x, and the logit is the sum of 2 x plus a half."""
    training = ALOCC(learning_rate=RATE, **arguments).model.prepare((1, 4, 4))
    training.refiner, training.critic = Scale(0.6), LinearCritic()
    for name, network in (("refiner", training.refiner), ("critic", training.critic)):
        training.optimise(name, network.parameters(), kind="sgd", learning_rate=RATE)
    return training


def refiner_loss(factor: Tensor, noisy: Tensor, shift: float, weight: float) -> tuple[Tensor, Tensor]:
    fooling = (1 + (-(2 * factor * noisy).flatten(1).sum(1) - shift).exp()).log().mean()
    return fooling, weight * (factor * noisy - X).square().sum((1, 2, 3)).mean()


def test_the_critic_moves_once_and_then_the_refiner_twice() -> None:
    training = linear_training(noise=0.3, refinement_weight=0.4)
    torch.manual_seed(5)
    losses = training.step(X)
    torch.manual_seed(5)
    noisy = X + 0.3 * torch.randn_like(X)

    shift = torch.tensor(0.5, requires_grad=True)
    real, fake = 2 * X.flatten(1).sum(1) + shift, 1.2 * noisy.flatten(1).sum(1) + shift
    critic = (1 + (-real).exp()).log().mean() + (1 + fake.exp()).log().mean()
    torch.testing.assert_close(losses["critic"], critic)
    critic.backward()
    moved = float(shift.detach() - RATE * shift.grad)
    torch.testing.assert_close(training.critic.shift.detach(), torch.tensor(moved))

    factor = torch.tensor(0.6, requires_grad=True)
    for _ in range(2):
        fooling, distance = refiner_loss(factor, noisy, moved, 0.4)
        (gradient,) = torch.autograd.grad(fooling + distance, factor)
        factor = (factor - RATE * gradient).detach().requires_grad_()
    torch.testing.assert_close(training.refiner.factor, factor)
    torch.testing.assert_close(losses["fooling"], fooling)
    torch.testing.assert_close(losses["refinement"], distance / 0.4 / 2)  # mean over two pixels


def test_training_stands_still_once_the_running_error_is_below_its_bound() -> None:
    # R(x) = 1.1 x: the error is 0.01. From 1 the mean runs down as 0.95^k, to 0.015 at k = 103.
    training = linear_training(noise=0.0, stop_error=0.015)
    with torch.no_grad():
        training.refiner.factor.fill_(1.1)
    training.optimise("refiner", training.refiner.parameters(), kind="sgd", learning_rate=0.0)
    items = torch.tensor([1.0, -1.0]).reshape(1, 1, 1, 2)
    steps = 0
    while "critic" in training.step(items):
        steps += 1
    assert 0.01 + 0.99 * 0.95**steps < 0.015 <= 0.01 + 0.99 * 0.95 ** (steps - 1)
    before = {name: value.clone() for name, value in training.state_dict().items()}
    assert training.step(10 * items).keys() == {"refinement"}
    assert all(torch.equal(value, before[name]) for name, value in training.state_dict().items())


def test_a_bound_above_any_error_leaves_the_first_weights() -> None:
    images = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    options = TrainingOptions(budget=Budget(steps=3), batch_size=4)
    detector = ALOCC(width=4, stop_error=2.0).fit(images, options)
    scores = detector.score(images).image
    torch.testing.assert_close(ALOCC(width=4, stop_error=2.0).fit(images[:4], options).score(images).image, scores)
    assert (ALOCC(width=4).fit(images, options).score(images).image - scores).abs().max() > 1e-4


def test_the_bound_is_a_share_of_the_variance_about_the_mean_image() -> None:
    generator = torch.Generator().manual_seed(0)
    part = torch.rand(1, 1, 16, 16, generator=generator) * 2 - 1
    unlike = torch.randn(12, 1, 16, 16, generator=generator)
    errors = []
    for spread in (0.01, 0.3):  # parts in a fixture, and objects of all kinds
        images = part + spread * unlike
        training = ALOCC(width=4, noise=0.0, learning_rate=1e-9).model
        training.fit(images, TrainingOptions(budget=Budget(steps=60), batch_size=12))
        about_mean = sum(float((one - images.mean(0)).square().mean()) for one in images) / len(images)
        assert float(training.images_variance) == pytest.approx(about_mean, rel=1e-5)
        with torch.no_grad():
            error = float((images - training.train().refiner(images)).square().mean())
        # From 1 the running mean goes to the error's share: the refiner, which learns nothing, is worse than the mean.
        share = error / about_mean
        assert float(training.refinement_error) == pytest.approx(share + (1 - share) * 0.95**60, rel=1e-3)
        errors.append(error)
    assert errors[0] == pytest.approx(errors[1], rel=0.5)  # in absolute terms the two sets are alike
    still = ALOCC(width=4).model.fit(part.expand(4, -1, -1, -1), TrainingOptions(budget=Budget(steps=2), batch_size=4))
    assert torch.isfinite(still.refinement_error)


def test_weights_from_before_the_variance_was_kept_are_read() -> None:
    training = ALOCC(width=4).model.prepare((1, 16, 16))
    earlier = {name: value for name, value in training.state_dict().items() if name != "images_variance"}
    loaded = ALOCC(width=4).model.prepare((1, 16, 16))
    assert not loaded.load_state_dict(earlier).missing_keys
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in training.state_dict().items())


@pytest.mark.parametrize("judged", ["refined", "original", "residual"])
def test_score_by_hand(judged: str) -> None:
    detector = ALOCC(width=4, judged=judged).prepare((1, 4, 4))
    detector.shape = (1, 1, 2)
    detector.model.refiner, detector.model.critic = Scale(0.6), LinearCritic()
    anomaly = detector.score(X)
    torch.testing.assert_close(anomaly.terms["refined"], -1.2 * X.flatten(1).sum(1) - 0.5)
    torch.testing.assert_close(anomaly.terms["original"], -2 * X.flatten(1).sum(1) - 0.5)
    torch.testing.assert_close(anomaly.terms["residual"], 0.4 * X.abs().flatten(1).mean(1))
    assert torch.equal(anomaly.image, anomaly.terms[judged])
    torch.testing.assert_close(anomaly.pixel, 0.4 * X.abs())
    torch.testing.assert_close(anomaly.reconstruction, 0.6 * X)
