"""Figures of recordings: channels, what was expected of them, contributions, and the score with its threshold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from hizumi.data.series.form import Steps
from hizumi.report.envelopes import envelope, highest_in_bins
from hizumi.report.style import DEFECT, GOOD, HEAT, HELD_OUT, INK, MUTED, new_figure, png, styled
from hizumi.report.traces import Trace, with_usual
from hizumi.storage.files import printable, write_atomically

WIDTH = 10.5  # inches: all of a page
BINS = 700  # of a long recording, each drawn by its lowest and its highest value
CHANNELS_IN_LINES = 6
CHANNELS_IN_A_MAP = 24
CHANNELS_IN_A_WINDOW = 4
LEAST_SCALE = 1.0  # standard deviations at the bright end of a map of contributions, so that noise stays dark
LEAST_MULTIPLE = 4.0  # of what is usual, likewise
BRIGHT_SHARE = 0.999  # of the contributions, which lie below that end
STEPS_IN_DASHES = 300  # beyond, dashes and what swings could not be told apart
DASHES = (0, (3, 1.5))
WIDE = 20.0  # times the threshold: scores beyond are drawn on a logarithmic axis
NARROWEST = 0.002  # of the width: shorter stretches are marked as wide, to be seen
SECOND = 10**9  # in nanoseconds
YEAR = 366 * 86400 * SECOND  # clocks that show no later time count from zero, and have no date
LABELLED, ALARM = "labelled anomalous", "alarm: score over the threshold"


@styled
def recording_figure(trace: Trace, brightest: float | None = None) -> Figure:
    """A recording from top to bottom: its channels, what each contributes, and the score with the threshold.

    Labelled events are shaded and alarms marked. Of many channels, those are drawn that lie farthest from what is
    expected, as the figure says. `brightest` ends the scale of contributions, where several figures are to share one.
    """
    order = trace.by_distance
    lines, mapped = order[:CHANNELS_IN_LINES], order[:CHANNELS_IN_A_MAP]
    has_map = trace.contributions is not None and len(order) > 1
    heights = [0.78] * len(lines) + [0.4 + 0.17 * len(mapped)] * has_map + [1.5]
    figure = new_figure(WIDTH, sum(heights) + 0.75)
    grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, channel in zip(grid, lines, strict=False):
        _draw_channel(axes, trace, channel)
    if has_map:
        _draw_contributions(grid[len(lines)], trace, mapped, brightest or brightest_of([trace]))
    _draw_score(grid[-1], trace)
    for axes in grid:
        if not axes.images:
            _shade(axes, trace)
    _time_axis(grid[-1], trace)
    _remark(figure, _of_many(trace, len(lines), has_map * len(mapped)))
    _legend(figure, trace)
    return figure


def save_recording(trace: Trace, path: Path) -> Path:
    """Write the figure of a recording as PNG."""
    (drawn,) = with_usual([trace])
    write_atomically(path, png(recording_figure(drawn)))
    return path


@styled
def windows_figure(typical: Trace, worst: Trace) -> Figure:
    """A window of a typical normal stretch beside the worst one, channel by channel, each with what was expected."""
    shown = worst.by_distance[:CHANNELS_IN_A_WINDOW]
    figure = new_figure(WIDTH, 1.05 * len(shown) + 1.2)
    grid = figure.subplots(len(shown), 2, sharex="col", sharey="row", squeeze=False)
    for column, (trace, title) in enumerate(((typical, "typical"), (worst, "worst"))):
        for axes, channel in zip(grid[:, column], shown, strict=True):
            _draw_channel(axes, trace, channel, is_named=column == 0)
            _shade(axes, trace)
        heading = f"{title}: {trace.name}, score up to {np.nanmax(trace.scores):.4g}"
        grid[0, column].set_title(printable(heading), parse_math=False)
        _time_axis(grid[-1, column], trace)
    _remark(figure, _of_many(worst, len(shown)))
    _legend(figure, worst, typical)
    return figure


def _draw_channel(axes: Axes, trace: Trace, channel: int, *, is_named: bool = True) -> None:
    values, places = trace.values[:, channel], _places(trace)
    kept = envelope(values, BINS)
    axes.plot(places[kept], values[kept], color=GOOD, linewidth=1.0, zorder=3)
    if trace.expected is not None:
        expected = trace.expected[:, channel]
        kept = envelope(expected, BINS)
        if len(trace) > STEPS_IN_DASHES:
            axes.plot(places[kept], expected[kept], color=INK, linewidth=0.8, alpha=0.4, zorder=2)
        else:
            axes.plot(places[kept], expected[kept], color=INK, linewidth=1.0, linestyle=DASHES, zorder=4)
    elif not trace.scaler.constant[channel]:
        middle, reach = trace.scaler.mean[channel], 2 * trace.scaler.scale[channel]
        axes.axhspan(middle - reach, middle + reach, color=GOOD, alpha=0.09, linewidth=0, zorder=1)
    if is_named:
        axes.set_ylabel(
            _short(trace.columns[channel]),
            rotation=0,
            horizontalalignment="right",
            verticalalignment="center",
            fontsize=9,
            parse_math=False,
        )
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(labelsize=8)
    axes.margins(x=0, y=0.08)


def brightest_of(traces: Sequence[Trace]) -> float:
    """Where a scale of contributions ends that these recordings share, in the unit of these."""
    found = [each for trace in traces if (each := trace.contributions) is not None]
    least = LEAST_MULTIPLE
    if any(trace.usual is None for trace in traces):
        least = LEAST_SCALE if traces[0].shares is None else np.finfo(float).tiny  # a score has a scale of its own
    return max([least, *(float(np.nanquantile(each, BRIGHT_SHARE)) for each in found)])


def _draw_contributions(axes: Axes, trace: Trace, channels: Sequence[int], brightest: float) -> None:
    found = trace.contributions
    assert found is not None, "drawn only where there are any"
    binned = highest_in_bins(found[:, channels], BINS)
    places = _places(trace)
    colours = mpl.colormaps[HEAT].with_extremes(bad="white")
    image = axes.imshow(
        binned.T,
        aspect="auto",
        interpolation="nearest",
        extent=(places[0], places[-1], len(channels) - 0.5, -0.5),
        cmap=colours,
        vmin=0.0,
        vmax=brightest,
    )
    axes.set_yticks(range(len(channels)), [_short(trace.columns[channel]) for channel in channels], fontsize=7.5)
    axes.grid(visible=False)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, aspect=12, extend="max")
    bar.ax.tick_params(labelsize=7.5)
    plain = "off by (sd)" if trace.shares is None else "share of score"
    bar.set_label(plain if trace.usual is None else "off, × usual", fontsize=8, color=MUTED)


def _draw_score(axes: Axes, trace: Trace) -> None:
    places, scores = _places(trace), trace.scores
    kept = envelope(scores, BINS)
    x, y = places[kept], scores[kept]
    low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
    if low > 0 and trace.threshold > 0 and high > WIDE * trace.threshold:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.plot(x, y, color=GOOD, linewidth=1.1, zorder=3)
    axes.plot(x, np.where(y > trace.threshold, y, np.nan), color=DEFECT, linewidth=1.3, zorder=4)
    axes.fill_between(x, trace.threshold, y, where=y > trace.threshold, color=DEFECT, alpha=0.25, linewidth=0)
    if np.isfinite(trace.threshold):
        axes.axhline(trace.threshold, color=INK, linewidth=1.2, linestyle=(0, (6, 2)), zorder=5)
    axes.set_ylabel("score", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.margins(x=0)


def _shade(axes: Axes, trace: Trace) -> None:
    """Labelled events as a ground, alarms as a bar over the top."""
    for left, right in _spans(trace, trace.events):
        axes.axvspan(left, right, color=HELD_OUT, alpha=0.28, linewidth=0, zorder=0)
    for left, right in _spans(trace, trace.alarms):
        axes.axvspan(left, right, ymin=1.0, ymax=1.06, color=DEFECT, linewidth=0, zorder=6, clip_on=False)


def _spans(trace: Trace, runs: Sequence[Steps]) -> list[tuple[float, float]]:
    """Where runs begin and end on the axis, those too short to be seen widened, and those that touch then as one."""
    places = _places(trace)
    least = NARROWEST * (places[-1] - places[0])
    found: list[tuple[float, float]] = []
    for run in runs:
        left, right = float(places[run.start]), float(places[run.stop - 1])
        missing = max(0.0, least - (right - left)) / 2
        left, right = left - missing, right + missing
        if found and left <= found[-1][1]:
            found[-1] = (found[-1][0], max(right, found[-1][1]))
        else:
            found.append((left, right))
    return found


def _places(trace: Trace) -> Float[np.ndarray, "t"]:
    """Each step's place on the axis: its date, the seconds of a clock that knows none, or its number."""
    if trace.times is None:
        return np.arange(trace.start, trace.start + len(trace), dtype=np.float64)
    if _has_date(trace):
        days = trace.times.astype(np.float64) / (86400 * SECOND)
        return np.asarray(days)  # since 1970, as matplotlib counts them
    return np.asarray(trace.times.astype(np.float64) / SECOND)


def _has_date(trace: Trace) -> bool:
    return trace.times is not None and abs(int(trace.times[-1])) > YEAR


def _time_axis(axes: Axes, trace: Trace) -> None:
    axes.tick_params(axis="x", labelsize=8)
    if _has_date(trace):
        locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]  # matplotlib has no types here
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]  # matplotlib has no types here
        return
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set_xlabel("step" if trace.times is None else "time (s)", fontsize=9)


def _of_many(trace: Trace, shown: int, mapped: int = 0) -> str:
    """How many of a recording's channels are drawn, and which; "" where all are."""
    total = len(trace.columns)
    if shown == total:
        return ""
    from_what = "their mean in the training data" if trace.expected is None else "what is expected"
    which = f"lie farthest from {from_what}" if trace.shares is None else "add most to the score"
    usually = "" if trace.usual is None else ", as a multiple of what is usual"
    sentence = f"{shown} of {total} channels are drawn, those that {which}{usually}"
    return sentence if mapped in (0, total) else f"{sentence}; the map has {mapped}"


def _remark(figure: Figure, words: str) -> None:
    if words:
        figure.supxlabel(words, fontsize=8.5, color=MUTED)


def _legend(figure: Figure, *traces: Trace) -> None:
    handles: list[Line2D | Patch] = [Line2D([], [], color=GOOD, linewidth=1.4, label="measured")]
    if any(trace.expected is not None for trace in traces):
        dashed = all(len(trace) <= STEPS_IN_DASHES for trace in traces)
        style: dict[str, Any] = {"linestyle": DASHES} if dashed else {"alpha": 0.5}
        handles.append(Line2D([], [], color=INK, linewidth=1, label="expected", **style))
    else:
        handles.append(Patch(color=GOOD, alpha=0.12, label="mean ± 2 sd of the training data"))
    if any(trace.events for trace in traces):
        handles.append(Patch(color=HELD_OUT, alpha=0.35, label=LABELLED))
    if any(trace.alarms for trace in traces):
        handles.append(Patch(color=DEFECT, label=ALARM))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.6, handlelength=1.6)


def _short(name: str, most: int = 18) -> str:
    shown = printable(name)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
