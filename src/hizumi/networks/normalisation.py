"""Batch, instance and spectral normalisation."""

from typing import Any, Literal

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import register_parametrization

Normalisation = Literal["batch", "instance"]


def norm(kind: Normalisation, channels: int) -> nn.Module:
    """Batch norm with a learned scale and shift, or instance norm without."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels)


def normalise_spectrally(network: nn.Module) -> None:
    """Parametrise every layer's weights by spectral normalisation, in place (Miyato et al. 2018)."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            _let_be_pickled(spectral_norm(module))


def _let_be_pickled(layer: nn.Module) -> None:
    # The class that torch makes for each parametrised layer refuses; a plain layer can be parametrised again.
    def reduced(self: nn.Module, _: Any) -> tuple[Any, ...]:
        return _normalised_again, (type(self).__bases__[0], vars(self))

    type(layer).__reduce_ex__ = reduced  # type: ignore[assignment, method-assign]  # a class of this layer alone


def _normalised_again(plain: type[nn.Module], state: dict[str, Any]) -> nn.Module:
    layer = plain.__new__(plain)
    weight = state["_modules"]["parametrizations"].weight
    vars(layer).update(state, _modules={}, _parameters={**state["_parameters"], "weight": weight.original})
    register_parametrization(layer, "weight", weight[0], unsafe=True)  # unchecked: a check would turn its vectors
    _let_be_pickled(layer)
    return layer
