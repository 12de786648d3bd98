"""A recording followed while it is written: rows of text in, scores of steps out."""

from collections.abc import Sequence

import numpy as np

from benchmarks.speed.measuring import Figure, Report, Run, Setting, in_turn
from hizumi.data.series.growing import GrowingRows, Rows
from hizumi.data.series.options import SeriesOptions
from hizumi.detectors import Detector, Mahalanobis, Reconstruction
from hizumi.inspection import Inspector
from hizumi.inspection.following import Follower
from hizumi.models import Autoencoder
from hizumi.training import Budget, TrainingOptions

CHANNELS = 8
LINES_AT_ONCE = 100


def follow(setting: Setting) -> Report:
    """Rows of 8 numbers and a time stamp, a hundred at a time: parsed, cut into windows of 64 steps, and scored."""
    learned, count = setting.pick((5000, 10_000), (600, 300))
    values = np.random.default_rng(0).normal(size=(learned + count, CHANNELS))
    text = _lines(values[learned:])
    detectors: dict[str, tuple[Detector, float]] = {
        "Mahalanobis": (Mahalanobis(), 5000),
        "convolutional autoencoder": (Reconstruction(Autoencoder(width=setting.pick(16, 4))), 1000),
    }
    ways = {name: _following(detector, values[:learned], text, setting) for name, (detector, _) in detectors.items()}
    report = Report(seconds=in_turn(ways, setting))
    for name, (_, asked) in detectors.items():
        rate = count / report.seconds[name].cpu
        report.figures.append(Figure(f"{name}, rows a second of CPU", rate, "", at_least=asked))
    return report


def _lines(values: np.ndarray) -> Sequence[str]:
    times = np.datetime64("2026-01-31T09:00:00") + np.arange(len(values)).astype("timedelta64[s]")
    rows = zip(times, values, strict=True)
    lines = [f"{time},{','.join(f'{number:.5f}' for number in row)}\n" for time, row in rows]
    return ["".join(lines[first : first + LINES_AT_ONCE]) for first in range(0, len(lines), LINES_AT_ONCE)]


def _following(detector: Detector, values: np.ndarray, text: Sequence[str], setting: Setting) -> Run:
    options = SeriesOptions(length=64)
    training = TrainingOptions(budget=Budget(steps=setting.pick(200, 2)))
    inspector = Inspector(detector, series=options, training=training).fit(values)
    form = inspector.preprocessing_.series
    assert form is not None, "a series has a form"

    def run() -> None:
        follower = Follower.of(inspector)
        rows = GrowingRows(form.columns, "rows", step_seconds=1.0)
        for piece in (f"time,{','.join(form.columns)}\n", *text):
            for item in rows.feed(piece):
                assert isinstance(item, Rows), item
                follower.feed(item.values)
        follower.finish()

    return run
