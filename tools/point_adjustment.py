"""The page on point adjustment: what random scores get under it, computed each time that the page is made."""

import inspect

import numpy as np

from hizumi.evaluation import average_precision, best_f1, volumes_under_surfaces
from hizumi.evaluation.events import runs

STEPS, BUFFER = 20_000, 64
EVENTS = (300, 500, 100, 400, 200, 600, 300, 400)  # steps: long, as in the sets that adjusted figures are published on
SHIFTS = (0.5, 0.05, 0.8, 0.6, 0.05, 0.7, 0.1, 0.5)  # of their mean, in standard deviations: some hardly to be found

PAGE = """# Why F1 after point adjustment is not offered

Much of what is published on anomalies in time series is F1 after *point adjustment*: where one step of a labelled event
is flagged, all its steps are counted as found, before precision and recall are taken of the steps. The best threshold
is then chosen on the test labels.

```python
{adjust}```

With that, a step of an event of m steps need only be flagged once. Scores that are random numbers, flagging a share q
of all steps, find it with a probability of 1 - (1 - q)^m, and are then credited with all of its m steps, while their
false alarms stay a share q of the others. Here are {events} events of {shortest} to {longest} steps in {steps:,}, in
which the mean of noise shifts by {least} to {most} standard deviations, and four kinds of scores:

| Scores | Best F1, adjusted | Best F1 | Average precision | VUS-PR |
|---|---|---|---|---|
{rows}

Adjusted, random numbers win over the means of 64 steps, {random:.2f} to {useful:.2f}, although these find most events
from end to end; and single steps, which are little better than random, win over both. By every other measure the means
are far ahead, and the random numbers where those are that flag every step.

What `hizumi evaluate` gives instead: VUS-PR and average precision of steps, without a threshold; events found and
missed, false alarms and delays at the calibrated threshold, chosen without labels; and beside each of them what chance
gets. Kim, Choi, Choi, Lee and Yoon, "Towards a rigorous evaluation of time-series anomaly detection" (AAAI 2022), show
the same on the published sets.

<!-- Made by tools/point_adjustment.py. -->
"""


def adjusted(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scores that flag all steps of an event where they flag one."""
    scores = scores.copy()
    for start, stop in runs(labels):
        scores[start:stop] = scores[start:stop].max()
    return scores


def page() -> str:
    """The text of `docs/point-adjustment.md`."""
    labels, kinds = _labels(), _scores(_labels())
    figures = {name: _figures(scores, labels) for name, scores in kinds.items()}
    rows = [" | ".join([f"| {name}", *(f"{figure:.2f}" for figure in row)]) + " |" for name, row in figures.items()]
    random, useful = figures["random numbers"], figures["distance of the mean of 64 steps"]
    assert random[0] > useful[0] > useful[1] > random[1], "random scores no longer win: the page would not be true"
    return PAGE.format(
        adjust=inspect.getsource(adjusted),
        events=len(EVENTS),
        shortest=min(EVENTS),
        longest=max(EVENTS),
        least=min(SHIFTS),
        most=max(SHIFTS),
        steps=STEPS,
        rows="\n".join(rows),
        random=random[0],
        useful=useful[0],
    )


def _labels() -> np.ndarray:
    labels = np.zeros(STEPS, dtype=bool)
    for start, steps in zip(np.linspace(1000, STEPS - 1500, len(EVENTS)).astype(int), EVENTS, strict=True):
        labels[start : start + steps] = True
    return labels


def _scores(labels: np.ndarray) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    values = generator.normal(size=STEPS)
    for (start, stop), shift in zip(runs(labels), SHIFTS, strict=True):
        values[start:stop] += shift
    return {
        "random numbers": generator.random(STEPS),
        "distance from the mean": np.abs(values),
        "distance of the mean of 64 steps": np.abs(np.convolve(values, np.ones(64) / 64, "same")),
        "equal: all steps flagged": np.zeros(STEPS),
    }


def _figures(scores: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    steps = labels.astype(np.int64)
    return (
        best_f1(adjusted(scores, labels), steps),
        best_f1(scores, steps),
        average_precision(scores, steps),
        float(volumes_under_surfaces(scores, labels, BUFFER).precision_recall),
    )
