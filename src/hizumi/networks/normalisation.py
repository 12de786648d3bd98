"""Batch, instance and spectral normalisation."""

from typing import Literal

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

Normalisation = Literal["batch", "instance"]


def norm(kind: Normalisation, channels: int) -> nn.Module:
    """Batch norm with a learned scale and shift, or instance norm without."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels)


def normalise_spectrally(network: nn.Module) -> None:
    """Parametrise every layer's weights by spectral normalisation, in place (Miyato et al. 2018)."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            spectral_norm(module)
