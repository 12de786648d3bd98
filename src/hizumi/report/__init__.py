"""The report of an inspection as one HTML page, and its figures."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.report.content import ReportContent
    from hizumi.report.figures import (
        comparison_chart,
        embedding,
        roc_and_precision_recall,
        score_histogram,
        training_curves,
    )
    from hizumi.report.page import write_comparison, write_report
    from hizumi.report.panels import contact_sheet, inspection_panel, overview, save_map
    from hizumi.report.style import png, svg
    from hizumi.report.tables import summarise
    from hizumi.training.health import Finding

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

__all__ = [
    "Finding",
    "ReportContent",
    "comparison_chart",
    "contact_sheet",
    "embedding",
    "inspection_panel",
    "overview",
    "png",
    "roc_and_precision_recall",
    "save_map",
    "score_histogram",
    "summarise",
    "svg",
    "training_curves",
    "write_comparison",
    "write_report",
]
