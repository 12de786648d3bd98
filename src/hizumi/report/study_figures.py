"""Figures of a search for settings."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hizumi.report.figures import WIDTH
from hizumi.report.style import DEFECT, GOOD, HELD_OUT, INK, legend_above, new_figure, styled
from hizumi.runs.study import Study, Trial

COLUMNS = 3
MARKS = {"complete": (GOOD, "o"), "ended early": (HELD_OUT, "x")}


@styled
def history(study: Study) -> Figure:
    """The value of each trial in their order, and the best so far."""
    figure = new_figure(WIDTH, 3.0)
    axes = figure.subplots()
    for state, (colour, mark) in MARKS.items():
        some = _valued(study, state)
        if some:
            axes.plot([each.number for each, _ in some], [v for _, v in some], mark, color=colour, label=state)
    complete = _valued(study, "complete")
    best = np.maximum.accumulate([value for _, value in complete])
    axes.step([each.number for each, _ in complete], best, where="post", color=INK, linewidth=1.2, label="best so far")
    if study.begun.value is not None:
        axes.axhline(study.begun.value, color=DEFECT, linewidth=1, linestyle=(0, (2, 3)), label="at first")
    axes.set(xlabel="trial", ylabel="objective")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(axes, columns=4)
    return figure


@styled
def importances(study: Study) -> Figure | None:
    """How much of what the values vary by follows from each setting; None where that is not known."""
    if not study.importances:
        return None
    names = sorted(study.importances, key=lambda name: study.importances[name])
    figure = new_figure(WIDTH, 0.8 + 0.32 * len(names))
    axes = figure.subplots()
    axes.barh(names, [study.importances[name] for name in names], color=GOOD, height=0.6)
    axes.set(xlabel="share", xlim=(0, 1))
    return figure


@styled
def slices(study: Study) -> Figure:
    """The value of each trial against each setting."""
    names = list(study.begun.settings)
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(2 * WIDTH * columns / COLUMNS, 2.4 * rows)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        _slice(axes, study, name)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("objective")
    return figure


def _slice(axes: Axes, study: Study, name: str) -> None:
    values = [trial.settings[name] for trial in study.trials]
    in_words = any(isinstance(value, str | bool) for value in values)
    places = {value: place for place, value in enumerate(sorted(set(values), key=str))}

    def at(value: Any) -> float:
        return places[value] if in_words else float(value)

    for state, (colour, mark) in MARKS.items():
        some = _valued(study, state)
        axes.plot([at(each.settings[name]) for each, _ in some], [value for _, value in some], mark, color=colour)
    if (best := study.best) is not None and best.value is not None:
        axes.plot([at(best.settings[name])], [best.value], "o", color=DEFECT, markersize=9, fillstyle="none")
    if in_words:
        axes.set_xticks(list(places.values()), [str(value) for value in places])
        axes.set_xlim(-0.5, len(places) - 0.5)
    elif name in study.logarithmic:
        axes.set_xscale("log")
    axes.set_xlabel(name)


def _valued(study: Study, state: str) -> list[tuple[Trial, float]]:
    """Trials in this state that have a value, with it."""
    return [(trial, trial.value) for trial in study.trials if trial.state == state and trial.value is not None]
