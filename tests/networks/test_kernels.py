"""Close to the limit of the address space convolutions are computed without oneDNN, to the same numbers."""

import resource
from collections.abc import Iterator

import pytest
import torch

from hizumi.detectors import Reconstruction
from hizumi.memory import free_addresses
from hizumi.models import Autoencoder
from hizumi.networks import kernels
from hizumi.networks.kernels import kernels_that_fail_well, single_precision_on
from hizumi.training import Budget, TrainingOptions


@pytest.fixture
def limit() -> Iterator[int]:
    """A limit of the address space far above what is mapped."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**45, before[1]))
    yield 2**45
    resource.setrlimit(resource.RLIMIT_AS, before)


def test_without_a_limit_nothing_changes() -> None:
    assert free_addresses() == float("inf")
    with kernels_that_fail_well():
        assert torch.backends.mkldnn.enabled


def test_what_is_free_below_a_limit(limit: int) -> None:
    assert 2**44 < free_addresses() < limit
    with kernels_that_fail_well():
        assert torch.backends.mkldnn.enabled


def test_close_to_the_limit_scores_are_the_same_without_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(32, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    scores = []
    for free in (float("inf"), 2.0**29):
        monkeypatch.setattr(kernels, "free_addresses", lambda free=free: free)
        options = TrainingOptions(budget=Budget(steps=3), batch_size=8)
        scores.append(Reconstruction(Autoencoder(width=8)).fit(images, options).score(images).image)
        with kernels_that_fail_well():
            assert torch.backends.mkldnn.enabled == (free > 2**30)
        assert torch.backends.mkldnn.enabled
    torch.testing.assert_close(*scores, rtol=1e-4, atol=0)


@pytest.mark.parametrize("chosen", ["tf32", "ieee"])
def test_scores_of_a_gpu_are_in_whole_single_precision_and_the_choice_comes_back(chosen: str) -> None:
    places = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = chosen
        with single_precision_on(torch.device("cuda", 0)):
            assert [place.fp32_precision for place in places] == ["ieee", "ieee"]
        assert [place.fp32_precision for place in places] == [chosen, chosen]
        with single_precision_on(torch.device("cpu")):
            assert [place.fp32_precision for place in places] == [chosen, chosen]
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision
