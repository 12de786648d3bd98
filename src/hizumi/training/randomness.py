"""torch's random numbers, which all threads of a process share."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_TURN = threading.RLock()


@contextmanager
def own_random_numbers() -> Iterator[None]:
    """Inside, they are drawn by this thread's fit alone; afterwards they go on as if none had been drawn.

    So fits in several threads take turns: each could otherwise draw what another had seeded.
    """
    with _TURN, torch.random.fork_rng():
        yield
