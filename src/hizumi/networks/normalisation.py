"""What a layer's maps, or its weights, are normalised by."""

from typing import Literal

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

Normalisation = Literal["batch", "instance"]


def norm(kind: Normalisation, channels: int) -> nn.Module:
    """Batch norm with a learned scale and shift, or instance norm without: each map of each image by itself."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels)


def normalise_spectrally(network: nn.Module) -> None:
    """Divide every layer's weights by their largest singular value, from now on (Miyato et al. 2018)."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            spectral_norm(module)
