"""One self-contained HTML file, which works offline: styles, figures and pictures are embedded."""

import base64
import importlib.metadata
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from jaxtyping import Float, UInt8
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from hizumi.calibration import Verdict
from hizumi.report import figures, series_figures, words
from hizumi.report.cases import EXAMPLES_IN_A_GROUP, CaseGroup, case_groups
from hizumi.report.content import ANOMALOUS, NORMAL, ReportContent, Tile
from hizumi.report.panels import TILE_PIXELS, thumbnail, tiles_of
from hizumi.report.rates import at_rates
from hizumi.report.style import colours, png, svg
from hizumi.report.tables import RANKINGS, measures_of, ranked_by, record_in, summarise, wasted_rankings
from hizumi.report.trace_words import describe_trace, describe_windows
from hizumi.report.traces import Trace
from hizumi.runs.known_defects import FoundAmongKnown
from hizumi.runs.nouns import noun_of
from hizumi.runs.record import without_place
from hizumi.storage.files import printable, write_atomically
from hizumi.words import counted

EXAMPLES_IN_A_COMPARED_GROUP = 3
ROWS_IN_THE_TABLE = 500


@dataclass(frozen=True)
class Example:
    """One input with its verdict, its kind where known, and its pictures encoded for the page."""

    verdict: Verdict
    kind: str
    tiles: list[dict[str, Any]]


@dataclass(frozen=True)
class Group:
    """Examples under one title, and the number of inputs that they were taken from."""

    title: str
    remark: str
    examples: list[Example]
    total: int


def write_report(path: Path, content: ReportContent) -> Path:
    """Write the report of one detector as one self-contained HTML file."""
    page = environment().get_template("report.html.jinja")
    context = frame(content.title, content.subtitle) | {"report": _report(content)}
    write_atomically(path, page.render(context).encode())
    return path


def write_comparison(
    path: Path,
    contents: Sequence[ReportContent],
    rows: Sequence[Mapping[str, Any]],
    *,
    data: str = "",
    failed: Mapping[str, Exception] | None = None,
    not_told_apart: Sequence[str] = (),
) -> Path:
    """Write a table of detectors, mean and standard deviation over the runs in `rows`, then a section for each content.

    The best come first. A row is one run: "detector", "seed", and the keys of `Evaluation.to_dict()`; a content is that
    of one run of its detector. `data` is what they were compared on, `failed` says why detectors, or some of their
    runs, have none, and `not_told_apart` which of them may be as good as the best (`tables.not_told_apart`).
    """
    page = environment().get_template("comparison.html.jinja")
    summary, failed = summarise(rows), failed or {}
    order = [line["detector"] for line in summary]
    contents = sorted(contents, key=lambda content: order.index(content.detector))
    names = list(dict.fromkeys([*order, *failed]))
    chart = figures.comparison_chart(sorted(rows, key=lambda row: order.index(row["detector"])))
    title = f"Comparison of {counted(len(names), 'detector')}" + (f" on {data}" if data else "")
    measures = measures_of(noun_of(record_in(rows)))
    context = frame(title, ", ".join(names)) | {
        "failed": failed,
        "summary": summary,
        "ranking": RANKINGS[ranked_by(rows)],
        "wasted": wasted_rankings(summary, record_in(rows)),
        "not_told_apart": not_told_apart,
        "measures": {key: name for key, name in measures.items() if any(key in line for line in summary)},
        "runs": len(rows),
        "runs_of": {line["detector"]: line["runs"] for line in summary},
        "chart": shown(chart, "How each run of each detector ranks what is anomalous"),
        "reports": [_report(content, EXAMPLES_IN_A_COMPARED_GROUP) for content in contents],
    }
    write_atomically(path, page.render(context).encode())
    return path


def environment() -> jinja2.Environment:
    """The templates of this room, and what they can do."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("hizumi.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    named = (words.percent, words.number, words.interval, words.seconds)
    made.filters |= {each.__name__: each for each in named}
    return made


def frame(title: str, subtitle: str) -> dict[str, Any]:
    """What every page shows."""
    return {
        "title": title,
        "subtitle": subtitle,
        "version": importlib.metadata.version("hizumi"),
        "written": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "heat_colours": colours(),
    }


def _report(content: ReportContent, examples: int = EXAMPLES_IN_A_GROUP) -> dict[str, Any]:
    """Variables of the template's sections for one detector."""
    evaluation, calibration = content.evaluation, content.calibration
    groups = [_group(group, content) for group in case_groups(content, examples) if group.places]
    order = sorted(range(len(content.verdicts)), key=lambda i: -content.verdicts[i].score)
    return {
        "content": content,
        "headline": words.headline(content),
        "consequences": words.consequences(content),
        "rates": at_rates(content),
        "facts": [] if evaluation is None else words.facts(evaluation, content.noun, content.measures, content.causal),
        "calibration": calibration,
        "promise": calibration.promise(content.noun),
        "known_defects": known.words(content.noun) if (known := FoundAmongKnown.of(calibration)) else "",
        "figures": _figures(content),
        "groups": groups,
        "data": (list(content.data_notes), list(content.failures), list(content.unopened)),
        "recordings": _recordings(content.traces),
        "has_pictures": content.noun in ("image", "frame"),
        "has_steps": content.noun == "block",
        "has_normals": content.has_normals,
        "has_masks": content.has_masks,
        "has_regions": content.has_regions,
        "has_maps": content.has_maps,
        "listed": [(content.verdicts[i], content.kinds[i]) for i in order[:ROWS_IN_THE_TABLE]],
        "options": words.flat_options(without_place(content.options)),
    }


def _figures(content: ReportContent) -> dict[str, Markup | None]:
    scores = np.array([verdict.score for verdict in content.verdicts], dtype=np.float64)
    alarmed = np.array([verdict.anomalous for verdict in content.verdicts], dtype=bool)
    labels = content.labels
    drawn: dict[str, Markup | None] = {
        "scores": shown(figures.score_histogram(content.calibration, scores, labels), words.describe_scores(content)),
        "curves": None,
        "training": shown(
            figures.training_curves(content.journal, learned := "window" if content.noun == "block" else content.noun),
            f"Each loss over the {learned}s seen in training",
        ),
        "embedding": None,
        "windows": None,
    }
    if content.windows is not None:
        windows = series_figures.windows_figure(*content.windows)
        drawn["windows"] = shown(windows, describe_windows(*content.windows), "figure broad")
    if content.evaluation is not None and {NORMAL, ANOMALOUS} <= set(labels.tolist()):
        curves = figures.roc_and_precision_recall(scores, labels, alarmed)
        drawn["curves"] = shown(curves, words.describe_curves(content.evaluation))
    if content.features is not None:
        chosen = np.array(content.places_of_features, dtype=np.int64)
        places = figures.embedding(content.features, labels[chosen], alarmed[chosen])
        drawn["embedding"] = shown(places, "t-SNE of the detector's features, one mark for each input")
    return drawn


def _recordings(traces: Sequence[Trace]) -> list[dict[str, Any]]:
    brightest = series_figures.brightest_of(traces)
    drawn = []
    for trace in traces:
        words_of_it = describe_trace(trace)
        url = _data_url("image/png", png(series_figures.recording_figure(trace, brightest)))  # as SVG, far larger
        figure = _shown_figure(url, words_of_it, "figure broad")
        drawn.append({"name": trace.name, "words": words_of_it, "figure": figure})
    return drawn


def _group(group: CaseGroup, content: ReportContent) -> Group:
    examples = [
        Example(content.verdicts[i], content.kinds[i], [_shown(tile) for tile in tiles_of(content, i)])
        for i in group.places
    ]
    return Group(group.title, group.remark, examples, group.total)


def _shown(tile: Tile) -> dict[str, Any]:
    height, width = tile.size
    return {
        "caption": tile.caption,
        "url": _picture(tile.pixels),
        "width": width,
        "height": height,
        "boxes": tile.boxes,
        "truth": "" if tile.truth is None else "".join(map(_path, tile.truth)),
    }


def _picture(pixels: UInt8[np.ndarray, "h w 3"]) -> str:
    """A data URL of the picture, scaled down to the size at which the page shows it."""
    image, file = Image.fromarray(thumbnail(pixels)), io.BytesIO()
    if max(image.size) <= TILE_PIXELS // 2:
        image.save(file, "png", optimize=True)
        return _data_url("image/png", file.getvalue())
    image.save(file, "webp", quality=82)
    return _data_url("image/webp", file.getvalue())


def _path(line: Float[np.ndarray, "2 2"]) -> str:
    """A straight line in the words of an SVG path."""
    (x1, y1), (x2, y2) = line
    return f"M{x1:.5g} {y1:.5g}L{x2:.5g} {y2:.5g}"


def shown(figure: Figure | None, description: str, style: str = "figure") -> Markup | None:
    """A figure within a page, described for those who do not see it; None where there is none."""
    if figure is None:
        return None
    return _shown_figure(_data_url("image/svg+xml", svg(figure)), description, style)


def _shown_figure(url: str, description: str, style: str) -> Markup:
    return Markup('<img class="{}" src="{}" alt="{}">').format(style, url, printable(description))


def _data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
