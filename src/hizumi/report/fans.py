"""Many series over one another, channel by channel: those that a model makes, and real ones beside them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hizumi.report.style import DEFECT, GOOD, INK, MUTED, new_figure, styled

LINES = 24  # drawn one by one; more would cover one another
CHANNELS = 8  # drawn at most, evenly chosen
STANDING_OUT = 2  # lines drawn darker, to be followed by eye
BAND = (0.05, 0.95)  # quantiles of all series at each step
STEPS = 600  # drawn at most: more swings than a plot has room for would be a bar
WIDTH, HEIGHT = 3.3, 1.25  # inches of one plot


@styled
def fan(
    made: Float[np.ndarray, "n t c"],
    real: Float[np.ndarray, "m t c"] | None,
    columns: Sequence[str],
    step_seconds: float | None,
) -> Figure:
    """A row of plots for each channel, real series on the left where there are any, with the same axes.

    Each shows some of them, two darker, over the band that 90% of all lie in; of long ones, the beginning.
    """
    steps = made.shape[1]
    made, real = made[:, :STEPS], None if real is None else real[:, :STEPS]
    shown = np.unique(np.linspace(0, len(columns) - 1, min(CHANNELS, len(columns))).round().astype(int))
    sets = [("made", made, DEFECT)] if real is None else [("real", real, GOOD), ("made", made, DEFECT)]
    figure = new_figure(WIDTH * max(len(sets), 1.6), 0.5 + HEIGHT * len(shown))
    grid = figure.subplots(len(shown), len(sets), sharex=True, sharey="row", squeeze=False)
    scale, unit = (1.0, "step") if step_seconds is None else _time_axis(made.shape[1] * step_seconds, step_seconds)
    for row, channel in zip(grid, shown.tolist(), strict=True):
        for axes, (_, series, colour) in zip(row, sets, strict=True):
            _draw(axes, series[:, :, channel], scale, colour)
        row[0].set_ylabel(_short(columns[channel]), fontsize=9)
    for axes, (name, series, _) in zip(grid[0], sets, strict=True):
        axes.set_title(f"{name} ({len(series)})")
    left_out = len(columns) - len(shown)
    more = f"; {left_out} more channels are not shown" if left_out else ""
    cut = f"; the first {STEPS} of {steps:,} steps" if steps > STEPS else ""
    figure.supxlabel(f"{unit}{cut}{more}", fontsize=9, color=MUTED)
    return figure


def _draw(axes: Axes, series: Float[np.ndarray, "n t"], scale: float, colour: str) -> None:
    time = np.arange(series.shape[1]) * scale
    if len(series) > 2:
        low, high = np.quantile(series, BAND, axis=0)
        axes.fill_between(time, low, high, color=colour, alpha=0.15, linewidth=0)
    for number, line in enumerate(series[:LINES]):
        stands_out = number < STANDING_OUT
        axes.plot(
            time,
            line,
            color=INK if stands_out else colour,
            alpha=0.9 if stands_out else 0.3,
            linewidth=1.0 if stands_out else 0.6,
            zorder=3 if stands_out else 2,
        )
    axes.margins(x=0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(labelsize=8)


def _time_axis(seconds: float, step_seconds: float) -> tuple[float, str]:
    """Length of a step in a unit of which the whole is more than two, and its name."""
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds > 2 * length:
            return step_seconds / length, unit
    return step_seconds, "seconds"


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"
