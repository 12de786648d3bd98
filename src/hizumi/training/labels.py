"""Labels of items, in the forms in which callers have them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hizumi.errors import UsageError


def checked_labels(labels: Any, called: str) -> Tensor:
    """Whole numbers (n,), in an array, a list or a tensor, as a tensor of integers.

    Raises UsageError, which begins with what the receiver is `called`.
    """
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else _array(labels)
    if array.ndim != 1 or array.dtype.kind not in "iub":
        kind = "text" if array.dtype.kind in "US" else array.dtype.name
        raise UsageError(f"{called}: labels are {kind} of shape {array.shape}; give integers (n,), from 0 on")
    return torch.from_numpy(array.astype(np.int64))


def _array(labels: Any) -> np.ndarray:
    try:
        return np.asarray(labels)
    except ValueError:  # lists of several lengths
        return np.array(labels, dtype=object)
