"""The benchmark of speed: every case runs, its plain code is right, and the page is what the results give."""

import torch

from benchmarks.speed.page import PAGE, speed_page
from benchmarks.speed.plain import ganomaly_step
from hizumi.detectors import GANomaly


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
