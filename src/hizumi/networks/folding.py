"""Networks made ready to be asked and trained no more: the same function in fewer and faster passes."""

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def folded(module: AnyModule) -> AnyModule:
    """A frozen copy that gives, but for rounding, what the module gives in eval mode.

    Each batch norm right after a convolution becomes part of its weights, unless these are normalised themselves, and
    weights lie in memory with their channels last, as convolutions on a CPU like them.
    """
    module = copy.deepcopy(module).eval().requires_grad_(False)
    for part in list(module.modules()):
        if isinstance(part, nn.Sequential):
            _fold_within(part)
    return module.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a keyword that its types lack


def _fold_within(layers: nn.Sequential) -> None:
    for place in range(len(layers) - 1):
        convolution, norm = layers[place], layers[place + 1]
        if not isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d) or is_parametrized(convolution):
            continue
        if isinstance(norm, nn.BatchNorm2d):
            layers[place] = fuse_conv_bn_eval(convolution, norm, transpose=isinstance(convolution, nn.ConvTranspose2d))
            layers[place + 1] = nn.Identity()
