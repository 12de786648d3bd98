"""A module made ready to be asked: folded once, and anew when anything in it is no longer what it was."""

import operator
from typing import Any, Generic, NamedTuple, Self, TypeVar

from torch import nn

from hizumi.networks import folded, in_bfloat16
from hizumi.training import Trainable
from hizumi.training.options import Precision

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class _State(NamedTuple):
    """What a module's answers depend on."""

    things: list[Any]  # its parts' attributes, and its tensors: kept, so that nothing else can take their place
    versions: list[tuple[int, int]]  # of the tensors: where they lie, and how often they were written to

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        things = [value for part in module.modules() for value in vars(part).values()]
        tensors = [*module.parameters(), *module.buffers()]
        return cls(things + tensors, [(tensor.data_ptr(), tensor._version) for tensor in tensors])

    def is_still(self, other: "_State") -> bool:
        same_things = len(self.things) == len(other.things) and all(map(operator.is_, self.things, other.things))
        return same_things and self.versions == other.versions


class Ready(Generic[AnyModule]):
    """Folded copies of one module, made when they are first asked for; copies of this object begin without.

    A copy serves for as long as the module has the same parts, with the same attributes and tensors, and no tensor
    has been written to: after a fit, a load or a change of a setting it is made anew.
    """

    def __init__(self) -> None:
        self._copies: dict[Precision, tuple[_State, AnyModule]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)()

    def copy_of(self, module: AnyModule, precision: Precision) -> AnyModule:
        """The module's copy, with convolutions in this precision."""
        state = _State.of(module)
        if precision not in self._copies or not self._copies[precision][0].is_still(state):
            optimisers = [part.optimisers for part in module.modules() if isinstance(part, Trainable)]
            ready = folded(module, shared=optimisers)
            self._copies[precision] = state, in_bfloat16(ready) if precision == "bf16-mixed" else ready
        return self._copies[precision][1]
