import pytest
import torch
from torch import nn

from hizumi.models import DCGAN
from hizumi.networks import Critic, Generator, ResidualGenerator, folded, in_bfloat16, normalise_spectrally
from hizumi.training import Budget, TrainingOptions


def _worn(network: nn.Module) -> nn.Module:
    """With statistics and scales unlike those of a new batch norm."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.weight.data, module.bias.data):
                values.copy_(torch.randn(values.shape, generator=generator))
            module.running_var.copy_(0.1 + torch.rand(module.running_var.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize("kind", [Generator, ResidualGenerator])
def test_a_folded_generator_makes_the_same_images(kind: type[nn.Module]) -> None:
    network, codes = _worn(kind((2, 16, 20), 5, 4)).double(), torch.randn(3, 5, dtype=torch.float64)
    assert torch.allclose(folded(network)(codes), network(codes), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_folded_critic_gives_the_same_logits_and_gradients(normalised: bool) -> None:
    network = Critic((1, 32, 32), 4).double()
    if normalised:
        normalise_spectrally(network)
    _worn(network)
    images = torch.randn(3, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    ready = folded(network)
    (there,), (here,) = (torch.autograd.grad(each(images).sum(), images) for each in (network, ready))
    assert torch.allclose(ready(images), network(images), rtol=1e-10, atol=1e-12)
    assert torch.allclose(here, there, rtol=1e-9, atol=1e-12)


def test_nothing_is_left_to_normalise_and_the_original_stays_as_it_was() -> None:
    network = Critic((1, 32, 32), 4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    ready = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    assert not any(parameter.requires_grad for parameter in ready.parameters())
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_whole_model_that_was_just_trained_is_folded() -> None:
    model = DCGAN(latent=4, width=4)
    model.fit(torch.rand(16, 1, 16, 16) * 2 - 1, TrainingOptions(budget=Budget(steps=2), batch_size=8))
    codes = torch.randn(3, 4)
    assert torch.allclose(folded(model).decode(codes), model.decode(codes), atol=1e-5)


def test_bfloat16_keeps_two_digits_and_ends_in_float32() -> None:
    network, codes = _worn(Generator((2, 16, 20), 5, 4)), torch.randn(7, 5)
    ready = in_bfloat16(folded(network))
    with torch.no_grad():
        made = ready(codes)
        assert made.dtype == torch.float32
        error = (made - network(codes)).abs().max()
    assert 1e-5 < error < 0.05  # of images in [-1, 1]
    assert {part.weight.dtype for part in ready.modules() if isinstance(part, nn.ConvTranspose2d)} == {torch.bfloat16}
