"""What a caller has set for torch as a whole, such as a notebook or a framework around, and what holds in here."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from types import TracebackType

import torch

DEVICES = ("cpu", "cuda", "mps")


class _SinglePrecision:
    """Numbers are of single precision unless said otherwise, for as long as any thread is inside.

    torch has one default for all threads: the first to come sets it, the last to go sets it back.
    """

    def __init__(self) -> None:
        self._turn = Lock()
        self._inside = 0
        self._before = torch.float32

    def __enter__(self) -> None:
        with self._turn:
            if self._inside == 0:
                self._before = torch.get_default_dtype()
                if self._before != torch.float32:
                    torch.set_default_dtype(torch.float32)
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._turn:
            self._inside -= 1
            if self._inside == 0 and self._before != torch.float32:
                torch.set_default_dtype(self._before)


_SINGLE_PRECISION = _SinglePrecision()


@contextmanager
def usual_torch(gradients: bool | None = None) -> Iterator[None]:
    """Inside, torch computes as it comes: in single precision, made on the CPU, without autocast and inference mode.

    `gradients` says whether they are recorded; None: where the caller has them recorded.
    """
    gradients = torch.is_grad_enabled() if gradients is None else gradients
    with ExitStack() as settings:
        if torch.is_inference_mode_enabled():  # whose tensors can never be trained, nor be seen to change
            settings.enter_context(torch.inference_mode(False))
        for device in DEVICES:
            if torch.is_autocast_enabled(device):
                settings.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            settings.enter_context(torch.device("cpu"))
        settings.enter_context(_SINGLE_PRECISION)
        settings.enter_context(torch.set_grad_enabled(gradients))
        yield
