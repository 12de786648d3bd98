"""Number formats in which sums over many values keep their digits."""

import torch
from torch import Tensor


def at_least_single(values: Tensor) -> Tensor:
    """Values in bfloat16 as float32; float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def doubled(values: Tensor) -> Tensor:
    """Values as float64, on the CPU where their own device has no such numbers."""
    return (values if has_double_precision(values.device) else values.cpu()).double()


def has_double_precision(device: torch.device) -> bool:
    """Whether a device knows float64, which Apple's GPUs (mps) do not."""
    try:
        torch.zeros((), dtype=torch.float64, device=device)
    except TypeError:
        return False
    return True
