"""A second device on this processor: what mixes devices fails on it as it does on a GPU.

Tensors of `DEVICE` hold those of the CPU, and every operation is done there by the CPU's own kernel, so that numbers,
random ones included, are those of the CPU. An operation between tensors of both is refused wherever CUDA refuses it,
as are a CPU's generator and a conversion to numpy, and, without double precision, float64 numbers, as by Apple's GPUs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import Accelerator
from lightning_fabric.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "elsewhere"
WITHOUT_DOUBLE = ContextVar("without_double", default=False)
BETWEEN_DEVICES = {  # what copies from one to another, or takes places in a tensor from the CPU
    torch.ops.aten.copy_,
    torch.ops.aten._to_copy,
    torch.ops.aten.index,
    torch.ops.aten.index_put,
    torch.ops.aten.index_put_,
    torch.ops.aten._index_put_impl_,
    torch.ops.aten._unsafe_index,
}


class _Backend(backend_registration._DummyBackendModule):  # type: ignore[misc]
    """What torch asks of a device by name."""

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        """The CPU's numbers are drawn, and its state is brought back by itself."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


class _Elsewhere(Tensor):
    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "_Elsewhere":
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=DEVICE,
        )
        made.held = held
        return made  # type: ignore[no-any-return]

    def __repr__(self, **_: Any) -> str:
        return f"{NAME}: {self.held!r}"

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"can't convert a tensor {NAME} to numpy; copy it to the CPU first")

    def __array__(self, *_: Any) -> Any:
        return self.numpy()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _done(function, args, kwargs or {})


class _Watching(TorchDispatchMode):
    """Besides, makes what is asked for on the device, which no tensor among the arguments says."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _done(function, args, kwargs or {})


def _done(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = tree_leaves((args, kwargs))
    there = [leaf for leaf in leaves if isinstance(leaf, _Elsewhere)]
    asked = kwargs.get("device")
    stays = bool(there) if asked is None else torch.device(asked).type == NAME
    if there and function.overloadpacket not in BETWEEN_DEVICES:
        here = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, _Elsewhere) and leaf.dim()]
        if here:
            raise RuntimeError(f"{function}: expected all tensors on the same device, found {NAME} and cpu")
    if stays and any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise RuntimeError(f"{function}: expected a generator {NAME}, found one of the CPU")
    result = function(*tree_map(_held, args), **tree_map(_held, kwargs))
    if not stays:
        return result
    if WITHOUT_DOUBLE.get() and any(
        isinstance(leaf, Tensor) and leaf.dtype == torch.float64 for leaf in tree_leaves(result)
    ):
        raise TypeError(f"{function}: cannot make a float64 tensor {NAME}")
    known = {id(tensor.held): tensor for tensor in there}  # what is done in place gives the same tensor back
    return tree_map(lambda made: known.get(id(made), _Elsewhere(made)) if isinstance(made, Tensor) else made, result)


def _held(value: Any) -> Any:
    if isinstance(value, _Elsewhere):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == NAME else value


def _empty_strided(size: Any, stride: Any, dtype: Any = None, **_: Any) -> Tensor:
    return _Elsewhere(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    _held(target).copy_(_held(source))
    return target


class _Accelerator(Accelerator):
    """What Fabric asks of it."""

    def setup_device(self, device: torch.device) -> None: ...

    def teardown(self) -> None: ...

    @staticmethod
    def parse_devices(devices: Any) -> Any:
        return devices

    @staticmethod
    def get_parallel_devices(devices: Any) -> list[torch.device]:
        return [DEVICE]

    @staticmethod
    def auto_device_count() -> int:
        return 1

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def name() -> str:
        return NAME


def make_fabric() -> Fabric:
    """A launched Fabric that computes there."""
    fabric = Fabric(strategy=SingleDeviceStrategy(device=DEVICE, accelerator=_Accelerator()))
    fabric.launch()
    return fabric


@contextmanager
def elsewhere(double: bool = True) -> Iterator[None]:
    """Inside, tensors and modules can be made on the device, which may have no double precision, and moved to it."""
    without = WITHOUT_DOUBLE.set(not double)
    before = torch.__future__.get_swap_module_params_on_conversion()
    # Else a parameter that is moved would be another one, and its optimiser would keep the old one; not so on a GPU.
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with _Watching():
            yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
        WITHOUT_DOUBLE.reset(without)


backend_registration._setup_privateuseone_for_python_backend(NAME, _Backend())
DEVICE = torch.device(NAME, 0)
LIBRARY = torch.library.Library("aten", "IMPL")  # what torch.tensor(..., device=...) does unseen by any mode
LIBRARY.impl("empty_strided", _empty_strided, "PrivateUse1")
LIBRARY.impl("_copy_from", _copy_from, "PrivateUse1")
