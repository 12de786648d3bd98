"""Inspection: the whole line as one estimator, and the file it is kept in."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.inspection.bundle import load, save
    from hizumi.inspection.inspector import Inspector
    from hizumi.inspection.restored import restore
    from hizumi.inspection.scoring import Failure
    from hizumi.inspection.verdicts import Inspection, Judge

__getattr__, __dir__ = _lazily(
    __name__,
    {
        "bundle": ["load", "save"],
        "inspector": ["Inspector"],
        "restored": ["restore"],
        "scoring": ["Failure"],
        "verdicts": ["Inspection", "Judge"],
    },
)

__all__ = [
    "Failure",
    "Inspection",
    "Inspector",
    "Judge",
    "load",
    "restore",
    "save",
]
