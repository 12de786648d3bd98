"""How weights lie in memory."""

from torch import channels_last, contiguous_format, nn


def lay_out(module: nn.Module, *, channels_last_in_memory: bool) -> None:
    """Put weights of ordinary convolutions into memory with their channels last, as a CPU likes them, or back.

    What passes through them then lies so, too. Kernels of 1x1, and masked convolutions, are faster as they are.
    """
    memory_format = channels_last if channels_last_in_memory else contiguous_format
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d) and part.kernel_size != (1, 1):
            part.to(memory_format=memory_format)  # type: ignore[call-overload]  # a keyword that its types lack
