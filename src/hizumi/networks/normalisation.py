"""Which statistics a convolutional layer's maps are normalised by."""

from typing import Literal

from torch import nn

Normalisation = Literal["batch", "instance"]


def norm(kind: Normalisation, channels: int) -> nn.Module:
    """Batch norm with a learned scale and shift, or instance norm without: each map of each image by itself."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels)
