"""The benchmark of speed: every case runs, its plain code is right, and the page is what the results give."""

import pytest
import torch

from benchmarks.speed.page import PAGE, speed_page
from benchmarks.speed.pixels import masked
from benchmarks.speed.plain import PlainRecurrence, ganomaly_step
from hizumi.detectors import GANomaly
from hizumi.networks import MaskedNetwork
from hizumi.networks.recurrent import LEFT_AND_ABOVE, THREE_ABOVE, Recurrence, Taps


def test_the_page_in_the_repository_is_what_the_results_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == speed_page(), "run make bench"


def test_a_step_with_shared_passes_has_the_gradients_of_the_released_code() -> None:
    torch.manual_seed(0)
    plain = GANomaly(width=8, latent=6).networks.prepare((3, 16, 16)).train()
    shared = GANomaly(width=8, latent=6).networks.prepare((3, 16, 16)).train()
    shared.load_state_dict(plain.state_dict())
    batch = torch.rand(8, 3, 16, 16) * 2 - 1
    ganomaly_step(plain, batch)
    shared.to(memory_format=torch.channels_last).step(batch.to(memory_format=torch.channels_last))
    # The discriminator's own step comes last in both, so that its gradients, too, are those of one loss alone.
    for (name, own), theirs in zip(shared.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(
            own.grad, theirs.grad, rtol=1e-4, atol=1e-7, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize(("taps", "directions"), [(THREE_ABOVE, 1), (LEFT_AND_ABOVE, 2)])
def test_plain_recurrences_give_what_ours_give(taps: Taps, directions: int) -> None:
    torch.manual_seed(0)
    recurrence = Recurrence(3, taps, directions)
    gates = torch.randn(12 * directions, 4, 5, 2)
    torch.testing.assert_close(PlainRecurrence(recurrence)(gates), recurrence(gates))


def test_full_kernels_give_what_cropped_ones_give() -> None:
    torch.manual_seed(0)
    network, images = MaskedNetwork((1, 6, 7), levels=2, width=4, blocks=1), torch.randn(2, 1, 6, 7)
    torch.testing.assert_close(masked(network)(images), network(images))
