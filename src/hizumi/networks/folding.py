"""Networks for inference: batch norm folded into weights, layout in memory, convolutions in bfloat16."""

import copy
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

AnyModule = TypeVar("AnyModule", bound=nn.Module)

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
BETWEEN = (
    _BatchNorm,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Dropout,
    nn.Identity,
    nn.ZeroPad2d,
    nn.Sequential,
)


def folded(module: AnyModule, shared: Iterable[object] = ()) -> AnyModule:
    """A frozen copy whose outputs equal, up to rounding, those of the module in eval mode.

    Parametrised weights, such as spectrally normalised ones, are computed once; a batch norm right after a convolution
    is folded into its weights; weights are stored channels-last. Buffers, which eval mode does not change, and `shared`
    objects are not copied.
    """
    kept: list[object] = [*module.buffers(), *shared]
    module = copy.deepcopy(module, {id(each): each for each in kept}).eval().requires_grad_(False)
    for part in list(module.modules()):
        if is_parametrized(part):
            _fix_weights(part)
    for part in list(module.modules()):
        if isinstance(part, nn.Sequential):
            _fold_within(part)
    lay_out(module, channels_last_in_memory=True)
    return module.requires_grad_(False)


def lay_out(module: nn.Module, *, channels_last_in_memory: bool) -> None:
    """Store the weights of ordinary convolutions channels-last, which is faster on a CPU, or contiguously again.

    Outputs follow the layout of the weights. Masked and 1x1 convolutions are faster contiguous, and left alone.
    """
    memory_format = torch.channels_last if channels_last_in_memory else torch.contiguous_format
    for part in module.modules():
        if isinstance(part, CONVOLUTIONS) and part.kernel_size != (1, 1):
            part.to(memory_format=memory_format)  # type: ignore[call-overload]  # a keyword that its types lack


def in_bfloat16(module: AnyModule) -> AnyModule:
    """The module itself, its runs of convolutions now in bfloat16: half the bytes, and up to twice the arithmetic.

    Each run returns float32, since distances and sums over many values need the digits that bfloat16 lacks. Layers that
    were brought to double precision are left alone.
    """
    if _is_run(module):
        _run_in_bfloat16(module)
    else:
        for part in module.children():
            in_bfloat16(part)
    return module


def _fix_weights(part: nn.Module) -> None:
    # torch's own function would undo the original as well: a copy shares the class that was made for it.
    fixed = {name: getattr(part, name).detach().clone() for name in part.parametrizations}  # type: ignore[union-attr]  # a dictionary of modules
    del part.parametrizations
    part.__class__ = type(part).__bases__[0]
    for name, value in fixed.items():
        part.register_parameter(name, nn.Parameter(value))


def _fold_within(layers: nn.Sequential) -> None:
    for place in range(len(layers) - 1):
        convolution, norm = layers[place], layers[place + 1]
        if isinstance(convolution, CONVOLUTIONS) and isinstance(norm, nn.BatchNorm2d):
            layers[place] = fuse_conv_bn_eval(convolution, norm, transpose=isinstance(convolution, nn.ConvTranspose2d))
            layers[place + 1] = nn.Identity()


def _is_run(part: nn.Module) -> bool:
    parts = list(part.modules())
    convolutions = [one for one in parts if isinstance(one, CONVOLUTIONS)]
    return (
        bool(convolutions)
        and all(isinstance(one, (*CONVOLUTIONS, *BETWEEN)) for one in parts)
        and all(one.weight.dtype == torch.float32 for one in convolutions)
    )


def _run_in_bfloat16(run: nn.Module) -> None:
    for part in run.modules():
        if isinstance(part, CONVOLUTIONS):
            part.to(torch.bfloat16)
    run.register_forward_pre_hook(lambda _, arguments: (arguments[0].to(torch.bfloat16),))
    run.register_forward_hook(lambda _module, _arguments, maps: maps.float())
