"""A module's parameters and buffers as the bytes of a safetensors file."""

from collections.abc import Mapping

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from hizumi.errors import BundleError, RunError


def packed(module: nn.Module) -> bytes:
    """The module's state; raises RunError where it holds NaN or infinity, by which nothing can be judged."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    for name, tensor in state.items():
        if not _is_finite(tensor):
            raise RunError(f"the fit has left NaN or infinity in {name!r}; fit it again, with other settings or data")
    return safetensors.torch.save(state)


def unpacked(content: bytes) -> dict[str, Tensor]:
    """The tensors by name; raises BundleError where they are damaged."""
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise BundleError(f"its weights are damaged ({error}); use an unchanged copy of the bundle") from error


LATER = frozenset({"updates", "images_variance"})
"""Names of buffers that earlier versions did not write, and that modules fill in themselves."""


def refuse_unfit(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Raise BundleError where a state's names, shapes, types or values cannot be those of a built module.

    The module may lie on the meta device. Buffers that a fit fills have any shape, and any where they were None;
    those of PyTorch's own layers, such as running means, have the shape that they were built with.
    """
    filled = {
        f"{owner}.{name}" if owner else name
        for owner, part in module.named_modules()
        for name in part._buffers
        if not type(part).__module__.startswith("torch.")
    }
    known = module.state_dict()
    for name, tensor in state.items():
        owner, _, last = name.rpartition(".")
        try:
            fitted = last in module.get_submodule(owner)._buffers
        except AttributeError:
            fitted = False
        if name not in known and not fitted:
            raise BundleError(f"its weights hold {name!r}, which its parts do not have; use an unchanged copy")
        if name in known and name not in filled and tensor.shape != known[name].shape:
            shapes = " and not ".join("x".join(map(str, each.shape)) or "1 number" for each in (tensor, known[name]))
            raise BundleError(f"its weights {name!r} are {shapes}; use an unchanged copy of the bundle")
        if name in known and tensor.dtype != known[name].dtype:
            raise BundleError(f"its weights {name!r} are of type {tensor.dtype} and not {known[name].dtype}")
        if not _is_finite(tensor):
            raise BundleError(f"its weights {name!r} hold NaN or infinity; fit it again")
    if missing := [name for name in known if name not in state and name.rpartition(".")[2] not in LATER]:
        raise BundleError(
            f"its weights lack {missing[0]!r}; use an unchanged copy of the bundle, or fit it again where an earlier "
            "version wrote it"
        )


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
