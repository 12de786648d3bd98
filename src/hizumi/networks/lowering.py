"""Convolutions in bfloat16: half the bytes, and twice the arithmetic where the machine has it."""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

AnyModule = TypeVar("AnyModule", bound=nn.Module)

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
BETWEEN = (_BatchNorm, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.Dropout, nn.Identity, nn.Sequential)


def in_bfloat16(module: AnyModule) -> AnyModule:
    """The module, with each run of its convolutions in bfloat16; float32 comes out of every run, and all else stays.

    What detectors make of the maps, distances and sums over many numbers, needs the digits that bfloat16 lacks; and
    where a network was brought to double precision, that has its reason.
    """
    if _is_run(module):
        _lower(module)
    else:
        for part in module.children():
            in_bfloat16(part)
    return module


def _is_run(part: nn.Module) -> bool:
    parts = list(part.modules())
    convolutions = [one for one in parts if isinstance(one, CONVOLUTIONS)]
    return (
        bool(convolutions)
        and all(isinstance(one, (*CONVOLUTIONS, *BETWEEN)) for one in parts)
        and all(one.weight.dtype == torch.float32 for one in convolutions)
    )


def _lower(run: nn.Module) -> None:
    for part in run.modules():
        if isinstance(part, CONVOLUTIONS):
            part.to(torch.bfloat16)
    run.register_forward_pre_hook(lambda _, arguments: (arguments[0].to(torch.bfloat16),))
    run.register_forward_hook(_to_float32)


def _to_float32(module: nn.Module, arguments: Any, maps: Tensor) -> Tensor:
    return maps.float()
