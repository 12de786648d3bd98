"""What a network without weights of its own is given, pass by pass."""

import pytest
import torch

from hizumi.networks.wavelets import OrientedWavelets


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass of a network was given."""
    counts = []
    forward = OrientedWavelets.forward

    def watched(self: OrientedWavelets, batch: torch.Tensor) -> list[torch.Tensor]:
        counts.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(OrientedWavelets, "forward", watched)
    return counts
