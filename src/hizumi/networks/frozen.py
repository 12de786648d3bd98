"""Networks that nothing trains here: images to the maps of some of their levels."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.parts import in_parts

CHUNK = 16  # images at a time: early maps are large, and leave the processor's cache where there are more


class FrozenNetwork(nn.Module, ABC):
    """Images (n, c, h, w) in [-1, 1] to a list of maps, lowest level first; nothing above the highest is computed.

    Args:
        levels: Which levels to return.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels

    def frozen(self, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        """Keep the weights as they are; called when all are there."""
        self.requires_grad_(False).eval()
        self.to(memory_format=memory_format)  # type: ignore[call-overload]  # missing in torch's stubs

    def train(self, mode: bool = True) -> "FrozenNetwork":
        """Stay in evaluation mode: the batch-norm statistics are those of the weights."""
        super().train(False)
        return self

    def forward(self, images: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n k p q"]]:
        few = [self.maps(chunk) for chunk in in_parts(images, CHUNK)]
        return [torch.cat(level) for level in zip(*few, strict=True)]

    @abstractmethod
    def maps(self, images: Tensor) -> list[Tensor]:
        """Maps of a few images."""
