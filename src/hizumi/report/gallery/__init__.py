"""Figures of the history of generative models, each drawn from models trained for it."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.report.gallery.drawing import draw as draw
    from hizumi.report.gallery.names import FIGURES as FIGURES, refuse_unknown_figure as refuse_unknown_figure
    from hizumi.report.gallery.setting import Setting as Setting

__getattr__, __dir__ = _lazily(
    __name__,
    {"drawing": ["draw"], "names": ["FIGURES", "refuse_unknown_figure"], "setting": ["Setting"]},
)
__all__ = __dir__()
