"""Convolutions on a CPU whose weights are brought into the library's own layout once, not in every pass.

For one image that is half of the time, for 64 a tenth. Torch's public functions do it for whole networks of few kinds
of layers only; these operators are what its compiler uses.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)

_mkldnn = torch.ops.mkldnn
AVAILABLE = torch.backends.mkldnn.is_available() and all(  # type: ignore[no-untyped-call]  # torch has no types here
    hasattr(_mkldnn, name)
    for name in (
        "_reorder_convolution_weight",
        "_convolution_pointwise",
        "_reorder_convolution_transpose_weight",
        "_convolution_transpose_pointwise",
    )
)


class PackedConv2d(nn.Conv2d):
    """A convolution whose weight changes no more; where gradients are asked for it is an ordinary one."""

    packed: Tensor | None = None

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (n, k, p, q) from maps (n, c, h, w)."""
        if torch.is_grad_enabled():
            return super().forward(maps)
        if self.packed is None:
            self.packed = _mkldnn._reorder_convolution_weight(self.weight, *self._how(), maps.shape)
        return _mkldnn._convolution_pointwise(maps, self.packed, self.bias, *self._how(), "none", [], "")

    def _how(self) -> tuple[object, ...]:
        return self.padding, self.stride, self.dilation, self.groups


class PackedConvTranspose2d(nn.ConvTranspose2d):
    """The same of a transposed convolution."""

    packed: Tensor | None = None

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Maps (n, k, p, q) from maps (n, c, h, w)."""
        if torch.is_grad_enabled() or output_size is not None:
            return super().forward(maps, output_size)
        if self.packed is None:
            self.packed = _mkldnn._reorder_convolution_transpose_weight(self.weight, *self._how(), maps.shape)
        return _mkldnn._convolution_transpose_pointwise(maps, self.packed, self.bias, *self._how(), "none", [], "")

    def _how(self) -> tuple[object, ...]:
        return self.padding, self.output_padding, self.stride, self.dilation, self.groups


def packed(module: AnyModule) -> AnyModule:
    """The module, which nobody trains any more, with its plain convolutions packed where they are on a CPU."""
    for part in module.modules() if AVAILABLE else ():
        if _can_be_packed(part):
            part.__class__ = PackedConv2d if isinstance(part, nn.Conv2d) else PackedConvTranspose2d
    return module


def _can_be_packed(part: nn.Module) -> bool:
    if (type(part) is not nn.Conv2d and type(part) is not nn.ConvTranspose2d) or part.padding_mode != "zeros":
        return False
    return (
        part.weight.is_cpu and part.weight.dtype in (torch.float32, torch.bfloat16) and isinstance(part.padding, tuple)
    )
