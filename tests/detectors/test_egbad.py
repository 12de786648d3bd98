"""EGBAD's score against hand-computed cases on tiny linear networks."""

import pytest
import torch
from torch import Tensor, nn

from hizumi.detectors import EGBAD
from hizumi.models import BiGAN

from .test_ganomaly import Scale


class LinearPairCritic(nn.Module):
    """Features (2 x, z), logit their mean minus 1."""

    def features(self, items: Tensor, codes: Tensor) -> Tensor:
        return torch.cat([2 * items, codes], dim=1)

    def judge(self, features: Tensor) -> Tensor:
        return features.mean(1) - 1


X = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
# z = 0.5 x, x' = 1.2 z = 0.6 x: x - x' = 0.4 x, f(x, z) - f(x', z) = (0.8 x, 0), f(x, z) = (2 x, 0.5 x).
RESIDUAL = torch.tensor([1.2, 1.4])
LOGITS = torch.tensor([-2.5 / 4 - 1, 8.75 / 4 - 1])
REBUILT_LOGITS = torch.tensor([-1.7 / 4 - 1, 5.95 / 4 - 1])  # f(x', z) = (1.2 x, 0.5 x)
TERMS = {
    "sigmoid": (1 + (-LOGITS).exp()).log(),
    "features": torch.tensor([2.4, 2.8]),
    "reconstruction": (1 + (-REBUILT_LOGITS).exp()).log(),
}


@pytest.mark.parametrize("discrimination", TERMS)
def test_score_by_hand(discrimination: str) -> None:
    detector = EGBAD(BiGAN(latent=2, average_decay=None), weight=0.3, discrimination=discrimination).prepare((2,))
    detector.model.inverse, detector.model.generator = Scale(0.5), Scale(1.2)
    detector.model.critic = LinearPairCritic()
    anomaly = detector.score(X)
    torch.testing.assert_close(anomaly.image, 0.7 * RESIDUAL + 0.3 * TERMS[discrimination])
    torch.testing.assert_close(anomaly.terms, {"residual": RESIDUAL, **TERMS})
    torch.testing.assert_close(anomaly.reconstruction, 0.6 * X)
    torch.testing.assert_close(detector.embed(X), torch.cat([2 * X, 0.5 * X], 1))


def test_map_is_the_residual_and_averaged_networks_score() -> None:
    detector = EGBAD(BiGAN(latent=3, width=4)).prepare((2, 8, 8))
    nn.init.zeros_(detector.model.inverse.head.weight)  # what is being trained does not score
    images = torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    anomaly = detector.score(images)
    average = detector.model.average, detector.model.inverse_average
    assert average[0] is not None
    assert average[1] is not None
    with torch.no_grad():
        rebuilt = average[0].network(average[1].network(images))
    torch.testing.assert_close(anomaly.reconstruction, rebuilt)
    torch.testing.assert_close(anomaly.pixel, (images - rebuilt).abs().mean(1, keepdim=True))
    torch.testing.assert_close(anomaly.terms["residual"], (images - rebuilt).abs().sum((1, 2, 3)))
