"""The report of an inspection as one HTML page, and its figures."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.report.content import ReportContent as ReportContent
    from hizumi.report.figures import (
        comparison_chart as comparison_chart,
        embedding as embedding,
        roc_and_precision_recall as roc_and_precision_recall,
        score_histogram as score_histogram,
        training_curves as training_curves,
    )
    from hizumi.report.page import write_comparison as write_comparison, write_report as write_report
    from hizumi.report.panels import (
        contact_sheet as contact_sheet,
        inspection_panel as inspection_panel,
        overview as overview,
        save_map as save_map,
    )
    from hizumi.report.style import png as png, svg as svg
    from hizumi.report.tables import summarise as summarise
    from hizumi.training.health import Finding as Finding

__getattr__, __dir__ = _lazily(
    __name__,
    {
        "content": ["Finding", "ReportContent"],
        "figures": [
            "comparison_chart",
            "embedding",
            "roc_and_precision_recall",
            "score_histogram",
            "training_curves",
        ],
        "page": ["write_comparison", "write_report"],
        "panels": ["contact_sheet", "inspection_panel", "overview", "save_map"],
        "style": ["png", "svg"],
        "tables": ["summarise"],
    },
)
__all__ = __dir__()
