"""Arrays in the safetensors format, without torch."""

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from hizumi.errors import BundleError


def unpacked_arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays by name; raises BundleError where they are damaged."""
    try:
        return safetensors.numpy.load(content)
    except SafetensorError as error:
        raise BundleError(f"its scores are damaged ({error}); use an unchanged copy of the bundle") from error
