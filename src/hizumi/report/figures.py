"""Figures of a report. Each function returns a matplotlib figure; `svg` and `png` turn it into bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from hizumi.calibration import Calibration
from hizumi.evaluation.pixels import part_of
from hizumi.report.content import ANOMALOUS, NORMAL, POINTS_IN_AN_EMBEDDING, UNKNOWN
from hizumi.report.style import DEFECT, GOOD, HELD_OUT, INK, MUTED, legend_above, new_figure, styled
from hizumi.report.tables import interval_of, record_in
from hizumi.runs.nouns import noun_of

WIDTH = 5.3  # inches: readable on a phone too
BINS = 36
POINTS_IN_A_CURVE = 400


@styled
def score_histogram(
    calibration: Calibration, scores: Real[np.ndarray, "n"], labels: Int[np.ndarray, "n"] | None = None
) -> Figure:
    """Scores of each group as a share of the group, with the threshold; a wide range is drawn on a logarithmic axis."""
    labels = np.full(len(scores), UNKNOWN) if labels is None else labels
    held_out = _finite(calibration.scores)
    groups = [
        (f"{name} ({len(values)})", values, colour)
        for name, label, colour in (("good", NORMAL, GOOD), ("anomalous", ANOMALOUS, DEFECT), ("scored", UNKNOWN, GOOD))
        if len(values := _finite(scores[labels == label]))
    ]
    threshold = calibration.threshold.value
    everything = np.concatenate([held_out, *(values for _, values, _ in groups), _finite(np.array([threshold]))])

    figure = new_figure(WIDTH, 3.0)
    axes = figure.subplots()
    edges = _score_axis(axes, everything, float(np.median(held_out)))
    held_out_label = f"held out ({len(held_out)})"
    axes.hist(held_out, edges.tolist(), weights=_shares(held_out), color=HELD_OUT, alpha=0.35, label=held_out_label)
    for label, values, colour in groups:
        axes.hist(values, edges.tolist(), weights=_shares(values), color=colour, alpha=0.4, label=label)
        axes.hist(values, edges.tolist(), weights=_shares(values), color=colour, histtype="step", linewidth=1.2)
    if np.isfinite(threshold):
        _mark_threshold(axes, threshold, edges)
    axes.set(xlabel="score (higher is more anomalous)", ylabel="share of the group", xlim=(edges[0], edges[-1]))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    legend_above(axes)
    return figure


@styled
def roc_and_precision_recall(
    scores: Real[np.ndarray, "n"], labels: Int[np.ndarray, "n"], alarmed: Bool[np.ndarray, "n"]
) -> Figure:
    """Both curves, each with a mark at the detector's threshold; needs good and anomalous inputs."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    found = float(alarmed[labels == ANOMALOUS].mean())
    false_alarms = float(alarmed[labels == NORMAL].mean())
    known = labels != UNKNOWN
    false_positive_rate, true_positive_rate, _ = roc_curve(labels[known], scores[known], drop_intermediate=True)
    precision, recall, _ = precision_recall_curve(labels[known], scores[known], drop_intermediate=True)

    figure = new_figure(WIDTH, 3.0)
    roc, precision_recall = figure.subplots(1, 2)
    roc.plot([0, 1], [0, 1], color=HELD_OUT, linewidth=1, linestyle=(0, (2, 3)))
    roc.plot(false_positive_rate, true_positive_rate, color=GOOD, linewidth=2)
    mark: Any = {"color": DEFECT, "markeredgecolor": "white", "markersize": 9, "clip_on": False, "zorder": 5}
    roc.plot(false_alarms, found, "o", **mark)
    roc.set(title="ROC", xlabel="good, but flagged", ylabel="anomalous found")
    precision_recall.plot(recall, precision, color=GOOD, linewidth=2, drawstyle="steps-post")
    if alarmed[known].any():
        right = float((labels[known][alarmed[known]] == ANOMALOUS).mean())
        precision_recall.plot(found, right, "o", **mark)
    precision_recall.set(
        title="Precision and recall", xlabel="anomalous found (recall)", ylabel="alarms that are right"
    )
    for axes in (roc, precision_recall):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), box_aspect=1)
        axes.xaxis.set_major_formatter(FuncFormatter(_percent))
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    return figure


@styled
def training_curves(journal: Sequence[Mapping[str, Any]], noun: str = "image") -> Figure | None:
    """One small plot for each loss of each phase, and for the validation loss; None when nothing was trained."""
    curves = _curves(journal)
    if not curves:
        return None
    columns = min(2, len(curves))
    rows = -(-len(curves) // columns)
    figure = new_figure(WIDTH, 0.3 + 1.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (title, (images_seen, losses)) in zip(grid.flat, curves.items(), strict=False):
        smooth_images, smooth = _thinned(images_seen, losses, POINTS_IN_A_CURVE // 8)
        if len(losses) > len(smooth):
            axes.plot(*_thinned(images_seen, losses, POINTS_IN_A_CURVE), color=GOOD, alpha=0.3, linewidth=0.8)
        axes.plot(smooth_images, smooth, color=GOOD, linewidth=1.7, marker="o" if len(smooth) == 1 else None)
        if smooth.min() > 0 and smooth.max() > 20 * smooth.min():
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(title.replace("$", r"\$"), fontsize=9)
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    for axes in grid.flat[len(curves) :]:
        axes.remove()
    figure.supxlabel(f"{noun}s seen", fontsize=9, color=MUTED)
    return figure


@styled
def embedding(
    features: Real[np.ndarray, "n k"], labels: Int[np.ndarray, "n"], alarmed: Bool[np.ndarray, "n"], seed: int = 0
) -> Figure | None:
    """t-SNE of one feature row for each input, at most 1000 of them (van der Maaten and Hinton 2008).

    None for fewer than five inputs with finite features, or features that are all equal.
    """
    generator = np.random.default_rng(seed)
    usable = np.flatnonzero(np.isfinite(features).all(axis=1))
    if len(usable) > POINTS_IN_AN_EMBEDDING:
        usable = np.sort(generator.choice(usable, POINTS_IN_AN_EMBEDDING, replace=False))
    if len(usable) < 5 or not np.ptp(features[usable], axis=0).any():
        return None
    places = _tsne(features[usable].astype(np.float64), seed)
    labels, alarmed = labels[usable], alarmed[usable]

    figure = new_figure(WIDTH, 3.8)
    axes = figure.subplots()
    groups = (
        ("good", labels == NORMAL, GOOD, "o", 16),
        ("anomalous, found", (labels == ANOMALOUS) & alarmed, DEFECT, "^", 24),
        ("anomalous, missed", (labels == ANOMALOUS) & ~alarmed, INK, "X", 34),
        ("not flagged", (labels == UNKNOWN) & ~alarmed, GOOD, "o", 16),
        ("flagged", (labels == UNKNOWN) & alarmed, DEFECT, "^", 24),
    )
    for name, chosen, colour, marker, size in groups:
        if chosen.any():
            x, y = places[chosen].T
            axes.scatter(
                x, y, s=size, color=colour, marker=marker, alpha=0.8, linewidths=0, label=f"{name} ({chosen.sum()})"
            )
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    legend_above(axes)
    return figure


@styled
def comparison_chart(rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Rankings of items, and of their pixels or steps: a line for each detector, a dot for each run.

    Several runs have a bar at their mean; a single one has the interval of its test set. A dotted line is at chance.
    """
    noun = noun_of(record_in(rows))
    rankings = (
        ("vus_pr", "VUS-PR, median", next((_vus_by_chance(row) for row in rows if _is_number(row.get("vus_pr"))), 0)),
        ("image_auroc", f"{noun.capitalize()} AUROC", 0.5),
        ("pixel_auroc", f"{part_of(noun).capitalize()} AUROC", 0.5),
    )
    measures = [each for each in rankings if any(_is_number(row.get(each[0])) for row in rows)]
    if not measures:
        return None
    detectors = list(dict.fromkeys(str(row["detector"]) for row in rows))
    figure = new_figure(WIDTH, 1.1 + 0.42 * len(detectors))
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)
    for axes, (key, title, chance) in zip(grid.flat, measures, strict=True):
        for line, detector in enumerate(detectors):
            runs = [row for row in rows if row["detector"] == detector]
            values = [run[key] for run in runs if _is_number(run.get(key))]
            if len(values) > 1:
                axes.plot([np.mean(values)] * 2, [line - 0.3, line + 0.3], color=INK, linewidth=2)
            if len(runs) == 1 and (interval := interval_of(runs[0], key)):
                axes.plot(interval, [line] * 2, color=INK, linewidth=1.5)
            axes.plot(values, [line] * len(values), "o", color=GOOD, alpha=0.75, markeredgewidth=0)
        axes.axvline(chance, color=HELD_OUT, linewidth=1, linestyle=(0, (2, 3)))
        axes.set(title=title, yticks=range(len(detectors)), yticklabels=detectors, ylim=(len(detectors) - 0.5, -0.5))
        axes.set_xlim(min(chance - 0.02, axes.get_xlim()[0]), 1.02)
    return figure


def _vus_by_chance(row: Mapping[str, Any]) -> float:
    return float(row["series"]["vus_pr"]["median_by_chance"])


def _score_axis(axes: Axes, values: Float[np.ndarray, "n"], typical: float) -> Float[np.ndarray, "edges"]:
    """Choose the scale of the axis by how far values lie from a typical good one; return the bin edges."""
    low, high = float(values.min()), float(values.max())
    spread = float(np.median(np.abs(values - typical)))
    if low > 0 and high > 6 * typical:
        axes.set_xscale("log")
        edges = np.geomspace(low / 1.05, high * 1.05, BINS + 1)
    elif spread > 0 and high - low > 60 * spread:  # wide, with negative scores: linear near the typical one, then log

        def flatten(scores: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
            return np.asarray(np.arcsinh((scores - typical) / spread))

        def unflatten(places: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
            return np.asarray(typical + spread * np.sinh(places))

        axes.set_xscale("function", functions=(flatten, unflatten))
        first, last = flatten(np.array([low, high]))
        edges = unflatten(np.linspace(float(first), float(last), BINS + 1))
    else:
        margin = 0.03 * (high - low) or 0.05 * max(abs(low), 1.0)
        return np.linspace(low - margin, high + margin, BINS + 1)
    ticks = sorted({float(f"{edge:.1g}") for edge in edges[:: BINS // 6]})
    axes.set_xticks([tick for tick in ticks if edges[0] <= tick <= edges[-1]])
    axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.xaxis.set_minor_locator(NullLocator())
    return edges


def _mark_threshold(axes: Axes, threshold: float, edges: Float[np.ndarray, "edges"]) -> None:
    axes.axvline(threshold, color=INK, linewidth=1.4)
    axes.axvspan(threshold, float(edges[-1]), color=DEFECT, alpha=0.06, linewidth=0)
    has_room_on_the_right = threshold < edges[len(edges) // 2]
    axes.annotate(
        f"threshold {threshold:.4g}",
        (threshold, 0.98),
        xycoords=("data", "axes fraction"),
        xytext=(5 if has_room_on_the_right else -5, 0),
        textcoords="offset points",
        horizontalalignment="left" if has_room_on_the_right else "right",
        verticalalignment="top",
        fontsize=9,
    )


def _shares(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    return np.full(len(values), 1 / max(len(values), 1))


def _finite(values: Real[np.ndarray, "n"]) -> Float[np.ndarray, "m"]:
    values = np.asarray(values, dtype=np.float64)
    return np.asarray(values[np.isfinite(values)])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _curves(
    journal: Sequence[Mapping[str, Any]],
) -> dict[str, tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]]:
    """Title -> (images seen, loss); the phase is named where there are several."""
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    phase, images_seen = "", 0.0
    for record in journal:
        phase = str(record.get("phase", phase))
        images_seen = float(record.get("images_seen", images_seen))
        losses = dict(record.get("losses", {}))
        if "validation" in record:
            losses["validation"] = record["validation"]
        for name, loss in losses.items():
            if _is_number(loss):
                points.setdefault((phase, name), []).append((images_seen, float(loss)))
    several = len({phase for phase, _ in points}) > 1
    return {
        f"{phase}: {name}" if several else name: (np.array(curve)[:, 0], np.array(curve)[:, 1])
        for (phase, name), curve in points.items()
    }


def _thinned(
    x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], count: int
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Means over at most `count` runs of neighbouring points."""
    parts = np.array_split(np.arange(len(x)), min(count, len(x)))
    return np.array([x[part].mean() for part in parts]), np.array([y[part].mean() for part in parts])


def _percent(share: float, _: Any) -> str:
    return f"{100 * share:g}%"


def _thousands(value: float, _: Any) -> str:
    return f"{value / 1e6:g}M" if abs(value) >= 1e6 else f"{value / 1e3:g}k" if abs(value) >= 1e3 else f"{value:g}"


def _tsne(features: Float[np.ndarray, "n k"], seed: int) -> Float[np.ndarray, "n 2"]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count, width = features.shape
    if width > 50:  # far faster, and distances between neighbours change little
        features = PCA(min(50, count), random_state=seed).fit_transform(features)
    placing = TSNE(perplexity=min(30.0, (count - 1) / 3), init="random" if width < 2 else "pca", random_state=seed)
    with threadpool_limits(1):  # each of a thousand short steps waits for all threads: 40 times as long on busy cores
        return np.asarray(placing.fit_transform(features).astype(np.float64))
