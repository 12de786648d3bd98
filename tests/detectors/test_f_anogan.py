"""f-AnoGAN's losses and score against hand-computed cases on tiny linear networks."""

import pytest
import torch
from torch import Tensor, nn

from hizumi.arguments import check_argument
from hizumi.detectors import FAnoGAN
from hizumi.detectors.f_anogan import FAnoGANEncoding
from hizumi.errors import UsageError
from hizumi.models import WGANGP, AdaGAN, Autoencoder, BiGAN, ProgressiveGAN


class Scale(nn.Module):
    """Multiplies by one trainable number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, items: Tensor) -> Tensor:
        return self.factor * items


class LinearCritic(nn.Module):
    """Features 2 x, score their sum."""

    def features(self, items: Tensor) -> Tensor:
        return 2 * items

    def forward(self, items: Tensor) -> Tensor:
        return self.features(items).sum(1)


def linear(**arguments: object) -> FAnoGAN:
    """E(x) = 0.5 x, or its tanh, G(z) = 1.2 z, f(x) = 2 x."""
    gan = WGANGP(latent=2, average_decay=None)
    detector = FAnoGAN(gan=gan, **arguments)
    detector.prepare((2,))
    gan.generator, gan.critic = Scale(1.2), LinearCritic()
    gan.requires_grad_(False)
    encoding = detector.model
    encoding.encoder = Scale(0.5)
    encoding.optimise("encoder", encoding.encoder.parameters(), kind="rmsprop", learning_rate=1e-3)
    return detector


X = torch.tensor([[1.0, -2.0], [0.5, 3.0]])


@pytest.mark.parametrize(("loss", "weight"), [("izi_f", 1.0), ("izi_f", 0.25), ("izi", 1.0)])
def test_image_losses_by_hand(loss: str, weight: float) -> None:
    encoding = linear(loss=loss, feature_weight=weight, bounded_codes=False).model
    losses = encoding.step(X)
    # G(E(x)) = 0.6 x: residuals are 0.4 x, and the features' twice that.
    torch.testing.assert_close(losses["residual"], (0.4 * X).square().mean())
    torch.testing.assert_close(losses["feature"], (0.8 * X).square().mean())


def test_code_loss_by_hand() -> None:
    encoding = linear(loss="ziz", bounded_codes=False).model
    torch.manual_seed(3)
    losses = encoding.step(X)
    torch.manual_seed(3)
    codes = torch.randn(2, 2)
    # E(G(z)) = 0.6 z; the items are not looked at.
    torch.testing.assert_close(losses["code"], (0.4 * codes).square().mean())


@pytest.mark.parametrize("loss", ["izi_f", "izi", "ziz"])
def test_only_the_encoder_moves_and_it_descends_its_loss(loss: str) -> None:
    detector = linear(loss=loss, feature_weight=3.0, bounded_codes=False)
    before = {name: value.clone() for name, value in detector.gan.state_dict().items()}
    detector.model.step(X)
    # The best factor is 1 / 1.2. RMSprop's first step has ten times the length of its rate, its mean being a tenth old.
    torch.testing.assert_close(detector.model.encoder.factor.detach(), torch.tensor(0.51), atol=1e-5, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in detector.gan.state_dict().items())


@pytest.mark.parametrize("bounded", [False, True])
def test_score_by_hand(bounded: bool) -> None:
    anomaly = linear(bounded_codes=bounded, feature_weight=0.25).score(X)

    def encoded(items: Tensor) -> Tensor:
        return (0.5 * items).tanh() if bounded else 0.5 * items

    rebuilt = 1.2 * encoded(X)
    residual, feature = (X - rebuilt).square().mean(1), (2 * X - 2 * rebuilt).square().mean(1)
    torch.testing.assert_close(anomaly.reconstruction, rebuilt)
    torch.testing.assert_close(anomaly.terms["residual"], residual)
    torch.testing.assert_close(anomaly.terms["feature"], feature)
    torch.testing.assert_close(anomaly.terms["latent"], (encoded(X) - encoded(rebuilt)).square().mean(1))
    torch.testing.assert_close(anomaly.image, residual + 0.25 * feature)


def test_the_encoder_trains_against_the_generator_as_it_scores() -> None:
    detector = FAnoGAN(gan=WGANGP(width=4, latent=3, residual=True), width=4).prepare((1, 16, 16))
    detector.model.train()  # as the training loop does with the second phase
    statistics = {name: value.clone() for name, value in detector.gan.state_dict().items()}
    detector.model.step(torch.randn(4, 1, 16, 16))
    assert all(torch.equal(value, statistics[name]) for name, value in detector.gan.state_dict().items())
    assert not any(name.startswith("gan") for name, _ in detector.model.named_parameters())


def test_models_that_do_not_suit_are_refused() -> None:
    for unsuited in (Autoencoder(), AdaGAN(), ProgressiveGAN()):
        with pytest.raises(UsageError, match=f"gan is {type(unsuited).__name__}; it must be a GAN with one discrim"):
            check_argument(FAnoGANEncoding, "gan", unsuited)
    with pytest.raises(UsageError, match="FAnoGAN trains its own encoder"):
        FAnoGAN(gan=BiGAN()).fit(torch.zeros(8, 1, 16, 16))
