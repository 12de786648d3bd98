"""Number formats in which sums over many values keep their digits."""

import torch
from torch import Tensor


def at_least_single(values: Tensor) -> Tensor:
    """Values in bfloat16 as float32; float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
