"""ALAD's losses and score against formulas written out for tiny networks."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hizumi.detectors import ALAD
from hizumi.detectors.alad import ALADTraining
from hizumi.models import BiGAN

from .test_ganomaly import Scale

X = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
NAMES = {"joint critic": "joint_critic", "item critic": "item_critic", "code critic": "code_critic"}


class Affine(nn.Module):
    """Of a pair (a, b): features u a - v b, logit their mean plus a shift."""

    def __init__(self, u: float, v: float, shift: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([u, v, shift]))

    def features(self, first: Tensor, second: Tensor) -> Tensor:
        return self.weights[0] * first - self.weights[1] * second

    def judge(self, features: Tensor) -> Tensor:
        return features.mean(1) + self.weights[2]

    def forward(self, items: Tensor, codes: Tensor) -> Tensor:
        return self.judge(self.features(items, codes))


def linear_training(learning_rate: float = 0.0) -> ALADTraining:
    training = ALAD(latent=2, learning_rate=learning_rate).model.prepare((2,))
    training.encoder, training.generator = Scale(0.5), Scale(1.2)
    training.joint_critic, training.item_critic = Affine(0.7, 0.4, 0.2), Affine(1.1, 0.9, -0.3)
    training.code_critic = Affine(-0.6, 0.8, 0.1)
    for name, attribute in NAMES.items():
        training.optimise(name, getattr(training, attribute).parameters(), learning_rate=learning_rate)
    parts = [training.encoder.factor, training.generator.factor]
    training.optimise("encoder and generator", parts, learning_rate=learning_rate)
    training.average, training.encoder_average.network = None, Scale(0.5)
    training.item_critic_average.network = Affine(1.1, 0.9, -0.3)
    return training


def log_sigmoid(logits: Tensor) -> Tensor:
    return logits.sigmoid().log()


def logits_by_hand(e: Tensor, g: Tensor, codes: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """What each critic says of its data pairs and of its model pairs."""

    def affine(u: float, v: float, shift: float, first: Tensor, second: Tensor) -> Tensor:
        return (u * first - v * second).mean(1) + shift

    return {
        "joint critic": (affine(0.7, 0.4, 0.2, X, e * X), affine(0.7, 0.4, 0.2, g * codes, codes)),
        "item critic": (affine(1.1, 0.9, -0.3, X, X), affine(1.1, 0.9, -0.3, X, g * e * X)),
        "code critic": (affine(-0.6, 0.8, 0.1, codes, codes), affine(-0.6, 0.8, 0.1, codes, e * g * codes)),
    }


def losses_by_hand(e: Tensor, g: Tensor, codes: Tensor) -> dict[str, Tensor]:
    logits = logits_by_hand(e, g, codes)
    critics = {name: -log_sigmoid(a).mean() - log_sigmoid(-b).mean() for name, (a, b) in logits.items()}
    data_pairs, model_pairs = logits["joint critic"]
    return critics | {
        "joint": -log_sigmoid(-data_pairs).mean() - log_sigmoid(model_pairs).mean(),
        "item cycle": -log_sigmoid(logits["item critic"][1]).mean(),
        "code cycle": -log_sigmoid(logits["code critic"][1]).mean(),
    }


def test_losses_by_hand() -> None:
    training = linear_training()
    torch.manual_seed(4)
    losses = training.step(X)
    torch.manual_seed(4)
    codes = torch.randn(2, 2)
    torch.testing.assert_close(losses, losses_by_hand(torch.tensor(0.5), torch.tensor(1.2), codes))


def test_cycle_weight_adds_the_squared_distance_of_an_item_and_what_comes_back_of_it() -> None:
    training = linear_training()
    training.cycle_weight = 0.25
    # x - G(E(x)) = 0.4 x, of squared norms 0.16 * 5 and 0.16 * 9.25.
    torch.testing.assert_close(training.step(X)["item distance"], torch.tensor(0.25 * 0.16 * (5 + 9.25) / 2))
    gradients: list[Tensor] = []
    optimiser = training.optimisers["encoder and generator"]
    for weight in (0.0, 0.25):
        training.cycle_weight = weight
        torch.manual_seed(4)
        training.step(X)
        gradients.append(torch.stack([one.grad.clone() for one in optimiser.param_groups[0]["params"]]))
    # Of 0.25 (1 - g e)² 14.25 / 2 with e = 0.5, g = 1.2: -0.25 * 14.25 * 0.4 times g, and times e.
    torch.testing.assert_close(gradients[1] - gradients[0], -0.25 * 14.25 * 0.4 * torch.tensor([1.2, 0.5]))


def test_encoder_and_generator_descend_the_sum_and_critics_their_own() -> None:
    training = linear_training()
    gradients: dict[str, list[Tensor]] = {}
    for name, optimiser in training.optimisers.items():
        parameters = optimiser.param_groups[0]["params"]
        optimiser.register_step_pre_hook(
            lambda *_, n=name, p=parameters: gradients.update({n: [one.grad.clone() for one in p]})
        )
    torch.manual_seed(4)
    training.step(X)
    torch.manual_seed(4)
    codes = torch.randn(2, 2)
    e, g = torch.tensor(0.5, requires_grad=True), torch.tensor(1.2, requires_grad=True)
    losses = losses_by_hand(e, g, codes)
    expected = torch.autograd.grad(losses["joint"] + losses["item cycle"] + losses["code cycle"], (e, g))
    torch.testing.assert_close(gradients["encoder and generator"], list(expected))
    # The shift of each critic moves by the mean of σ(-data) against that of σ(model).
    with torch.no_grad():
        for name, (data, model) in logits_by_hand(e, g, codes).items():
            torch.testing.assert_close(gradients[name][0][2], model.sigmoid().mean() - (-data).sigmoid().mean())


def test_score_by_hand() -> None:
    detector = ALAD(latent=2).prepare((2,))
    linear = linear_training()
    detector.model.encoder_average.network = linear.encoder_average.network
    detector.model.average, detector.model.generator = None, linear.generator
    detector.model.item_critic_average.network = linear.item_critic
    anomaly = detector.score(X)
    # x' = 0.6 x: f(x, x) - f(x, x') = -0.36 x, and the logit of (x, x') is the mean of 0.56 x, less 0.3.
    torch.testing.assert_close(anomaly.image, torch.tensor([0.36 * 3, 0.36 * 3.5]))
    terms = anomaly.terms
    torch.testing.assert_close(terms["features"], anomaly.image)
    torch.testing.assert_close(terms["discrimination"], -log_sigmoid(0.56 * X.mean(1) - 0.3))
    torch.testing.assert_close(terms["residual"], torch.tensor([1.2, 1.4]))
    torch.testing.assert_close(terms["residual norm"], 0.4 * torch.tensor([5.0, 9.25]).sqrt())
    torch.testing.assert_close(anomaly.reconstruction, 0.6 * X)
    torch.testing.assert_close(linear.validation_loss(X), anomaly.image.mean())


@pytest.mark.parametrize("shape", [(6,), (1, 12, 12)])
def test_encoder_and_critics_have_spectral_norm_one_and_the_generator_has_not(shape: tuple[int, ...]) -> None:
    training = ALAD(width=4, latent=3, learning_rate=1e-6).model.prepare(shape).train()
    batch = torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))
    for _ in range(25):  # the power iteration takes a while to find the largest value
        training.step(batch)
    training.eval()
    for name, module in training.named_modules():
        if name.startswith(("encoder.", "joint", "item_critic.", "code")) and isinstance(module, nn.Linear | nn.Conv2d):
            largest = torch.linalg.matrix_norm(module.weight.flatten(1), 2)
            assert float(largest.detach()) == pytest.approx(1, abs=0.1), name
    assert all("parametrizations" not in name for name, _ in training.generator.named_parameters())


def test_running_statistics_of_the_encoder_are_those_of_data() -> None:
    training = ALAD(width=4, latent=3, spectral_norm=False, code_norm=True).model.prepare((1, 12, 12)).train()
    batch = 0.5 + 0.1 * torch.randn(64, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    before = copy.deepcopy(training.encoder)
    for each in before.modules():
        if isinstance(each, nn.BatchNorm2d | nn.BatchNorm1d):
            each.momentum = 1.0  # the last batch alone
    training.encoder = copy.deepcopy(before)
    training.step(batch)
    before(batch)  # once, as the weights were: what G made has left no trace
    expected, found = dict(before.named_buffers()), dict(training.encoder.named_buffers())
    assert any(name.endswith("running_mean") for name in found)
    torch.testing.assert_close(found, expected)


def test_normalised_codes_have_the_moments_of_the_priors() -> None:
    training = ALAD(width=4, latent=3, code_norm=True).model.prepare((2,)).train()
    codes = training.encoder(7 + 0.3 * torch.randn(256, 2, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(codes.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    spread = codes.var(0, correction=0)
    assert ((spread > 0.9) & (spread < 1.001)).all()  # below 1 by batch norm's ε alone
    assert not list(training.encoder[1].parameters())


@pytest.mark.parametrize("make", [ALADTraining, BiGAN], ids=["ALAD", "BiGAN"])
def test_the_rate_falls_from_the_start_of_its_decay_and_never_at_1(make: Any) -> None:
    batch = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    for start, shares in ((0.5, {0.0: 1.0, 0.5: 1.0, 0.75: 0.5, 1.0: 0.0}), (1.0, {0.0: 1.0, 0.75: 1.0, 1.0: 1.0})):
        training = make(latent=2, learning_rate=1e-3, decay_start=start).prepare((2,)).train()
        for progress, share in shares.items():
            training.clock.progress = progress
            training.step(batch)
            for optimiser in training.optimisers.values():
                assert optimiser.param_groups[0]["lr"] == pytest.approx(1e-3 * share, abs=1e-12)
