"""Networks made ready to be asked and trained no more: the same function in fewer and faster passes."""

import copy
from collections.abc import Iterable
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

from hizumi.networks.layout import lay_out

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def folded(module: AnyModule, shared: Iterable[object] = ()) -> AnyModule:
    """A frozen copy that gives, but for rounding, what the module gives in eval mode.

    Weights that are computed from others, as by spectral normalisation, are computed once; each batch norm right after
    a convolution becomes part of its weights; and those lie in memory with their channels last. Buffers, to which
    nothing writes in eval mode, and `shared` objects are not copied.
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
        if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
            layers[place] = fuse_conv_bn_eval(convolution, norm, transpose=isinstance(convolution, nn.ConvTranspose2d))
            layers[place + 1] = nn.Identity()
