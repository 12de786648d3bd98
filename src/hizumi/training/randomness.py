"""Random numbers of torch and NumPy, which all threads of a process share."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_TURN = threading.RLock()
_UNDRAWN = ContextVar("undrawn", default=False)


@contextmanager
def own_random_numbers() -> Iterator[None]:
    """Inside, they are drawn by this thread alone; afterwards they go on as if none had been drawn.

    So fits in several threads take turns: each could otherwise draw what another had seeded. Where nothing is drawn
    (see `undrawn`), nobody waits.
    """
    if _UNDRAWN.get():
        yield
        return
    with _TURN, torch.random.fork_rng():
        drawn = np.random.get_state()  # noqa: NPY002 - scikit-learn's support vector machines draw from these
        try:
            yield
        finally:
            np.random.set_state(drawn)  # noqa: NPY002


@contextmanager
def undrawn() -> Iterator[None]:
    """Inside, this thread makes networks without drawing their first weights, whose place what is loaded takes."""
    token = _UNDRAWN.set(True)
    try:
        with _Undrawn():
            yield
    finally:
        _UNDRAWN.reset(token)


class _Undrawn(TorchFunctionMode):
    """Inside, parameters keep the memory that they were given, and what all threads draw from in common gives zeros.

    Besides, to draw from a normal distribution on "meta" imports torch's compiler, which takes seconds.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__ or func in (Tensor.normal_, Tensor.uniform_):
            return args[0] if args else kwargs["tensor"]
        is_shared = func in (torch.rand, torch.randn) and kwargs.get("generator") is None
        return (torch.zeros if is_shared else func)(*args, **kwargs)
