"""Preprocessing: how records reach what was fitted and come back, chosen on training data and stored with the fit."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.preprocessing.batching import in_batches as in_batches
    from hizumi.preprocessing.choosing import DataOptions as DataOptions, prepare as prepare
    from hizumi.preprocessing.preprocessing import Preprocessing as Preprocessing
    from hizumi.preprocessing.reading import Reader as Reader

__getattr__, __dir__ = _lazily(
    __name__,
    {
        "batching": ["in_batches"],
        "choosing": ["DataOptions", "prepare"],
        "preprocessing": ["Preprocessing"],
        "reading": ["Reader"],
    },
)
__all__ = __dir__()
