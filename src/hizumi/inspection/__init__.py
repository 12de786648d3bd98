"""Inspection: the whole line as one estimator, and the file it is kept in."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.inspection.bundle import load as load, save as save
    from hizumi.inspection.inspector import Inspector as Inspector
    from hizumi.inspection.loaded import restore as restore
    from hizumi.inspection.unseen import held_out as held_out
    from hizumi.inspection.verdicts import Inspection as Inspection, InspectorBase as InspectorBase

__getattr__, __dir__ = _lazily(
    __name__,
    {
        "bundle": ["load", "save"],
        "inspector": ["Inspector"],
        "loaded": ["restore"],
        "unseen": ["held_out"],
        "verdicts": ["Inspection", "InspectorBase"],
    },
)
__all__ = __dir__()
