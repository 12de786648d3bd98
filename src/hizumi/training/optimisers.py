"""A model's optimisers, by name."""

from collections.abc import Callable, Iterator, Mapping

from torch.optim import Optimizer


class Optimisers(Mapping[str, Optimizer]):
    """Optimisers by name, each created at first use.

    A model that only scores needs none, and creating the first imports torch's compiler, which would take a third of
    the time of `hizumi inspect`.
    """

    def __init__(self) -> None:
        self._makers: dict[str, Callable[[], Optimizer]] = {}
        self._made: dict[str, Optimizer] = {}

    def register(self, name: str, make: Callable[[], Optimizer]) -> None:
        """Register a constructor under a name; an optimiser of that name is replaced."""
        self._makers[name] = make
        self._made.pop(name, None)

    def __getitem__(self, name: str) -> Optimizer:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)
