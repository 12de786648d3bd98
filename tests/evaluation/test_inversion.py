"""The game's optimum is not complained about, and a shifted encoder is, with critics that know the densities."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hizumi.detectors.alad import ALADTraining
from hizumi.evaluation.inversion import check_inversion
from hizumi.models import VEEGAN, BiGAN


class Affine(nn.Module):
    def __init__(self, factor: float, shift: float = 0.0) -> None:
        super().__init__()
        self.factor, self.shift = factor, shift

    def forward(self, values: Tensor) -> Tensor:
        return self.factor * values + self.shift


class BestCritic(nn.Module):
    """Minus how far a pair is from x = 2 z: all that tells pairs of different kinds apart; or the opposite."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        self.sign = sign

    def forward(self, items: Tensor, codes: Tensor) -> Tensor:
        return self.sign * (items - 2 * codes).square().sum(1)


@pytest.mark.parametrize(
    ("model", "encoder", "critic", "sign"),
    [
        (BiGAN(latent=2), "inverse", "critic", 1.0),
        (BiGAN(latent=2, encoder="stochastic"), "inverse", "critic", 1.0),
        (ALADTraining(latent=2), "encoder", "joint_critic", 1.0),
        (VEEGAN(latent=2, code_noise=0.0), "reconstructor", "discriminator", -1.0),  # positive for the model's pairs
    ],
    ids=["BiGAN", "ALI", "ALAD", "VEEGAN"],
)
def test_an_inverse_is_passed_and_an_encoder_beside_it_named(
    model: Any, encoder: str, critic: str, sign: float
) -> None:
    model.prepare((2,))
    model.generator = Affine(2.0)
    setattr(model, critic, BestCritic(sign))
    items = 2 * torch.randn(100, 2, generator=torch.Generator().manual_seed(1))

    class Encoder(Affine):
        def forward(self, values: Tensor) -> Tensor:
            codes = super().forward(values)
            stochastic = getattr(model, "encoder", "") == "stochastic"
            return torch.cat([codes, torch.full_like(codes, -40.0)], 1) if stochastic else codes

    setattr(model, encoder, Encoder(0.5))
    state = torch.random.get_rng_state()
    assert check_inversion(model, items) == []
    setattr(model, encoder, Encoder(0.5, shift=1.0))
    found = check_inversion(model, items)
    assert [finding.name for finding in found] == ["encoder does not match the generator"]
    assert found == check_inversion(model, items)
    assert torch.equal(torch.random.get_rng_state(), state)
