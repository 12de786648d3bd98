"""A module's parameters and buffers as the bytes of a safetensors file."""

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from hizumi.errors import BundleError


def packed(module: nn.Module) -> bytes:
    """The module's state."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    return safetensors.torch.save(state)


def unpacked(content: bytes) -> dict[str, Tensor]:
    """The tensors by name; raises BundleError where they are damaged."""
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise BundleError(f"its weights are damaged ({error}); use an unchanged copy of the bundle") from error
