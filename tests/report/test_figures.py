import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from sklearn.metrics import precision_score, recall_score

from hizumi.calibration import Calibration
from hizumi.report import (
    comparison_chart,
    embedding,
    png,
    roc_and_precision_recall,
    score_histogram,
    svg,
    training_curves,
)

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.6, 0.7, 0.8])


def test_histogram_shows_shares_of_each_group_and_the_threshold() -> None:
    calibration = Calibration.fit(np.linspace(0.1, 0.5, 40), false_alarm_rate=0.1)
    (axes,) = score_histogram(calibration, SCORES, LABELS).axes
    for container in axes.containers[:2]:  # held out, then good: filled bars
        assert sum(bar.get_height() for bar in container) == pytest.approx(1)
    good = axes.containers[1]
    over = sum(bar.get_height() for bar in good if bar.get_x() > calibration.threshold.value)
    assert over == pytest.approx(1 / 4)
    assert axes.lines[0].get_xdata()[0] == calibration.threshold.value
    assert [text.get_text() for text in axes.get_legend().texts] == ["held out (40)", "good (4)", "anomalous (4)"]


@pytest.mark.parametrize(
    ("held_out", "scores", "scale"),
    [
        ([0.1, 0.2, 0.3], [0.2, 0.4], "linear"),
        ([10.0, 11.0, 12.0], [11.0, 5e6], "log"),
        ([-300.0, -310.0, -290.0, -305.0], [-301.0, -299.0, -303.0, 90000.0], "function"),
        ([0.3, 0.3], [0.3, 0.3], "linear"),
        ([0.0, 0.0], [0.0, 0.0], "linear"),
        ([1.0, 2.0], [np.inf, np.nan], "linear"),
    ],
)
def test_histogram_axis_suits_the_spread(held_out: list[float], scores: list[float], scale: str) -> None:
    figure = score_histogram(Calibration.fit(np.array(held_out), false_alarm_rate=0.3), np.array(scores))
    assert figure.axes[0].get_xscale() == scale
    assert len(png(figure, dots_per_inch=40)) > 1000


def test_operating_point_is_recall_and_precision_at_the_threshold() -> None:
    alarmed = SCORES > 0.5
    roc, precision_recall = roc_and_precision_recall(SCORES, LABELS, alarmed).axes
    recall = recall_score(LABELS, alarmed)
    assert (roc.lines[-1].get_xdata()[0], roc.lines[-1].get_ydata()[0]) == (0.25, recall)
    assert precision_recall.lines[-1].get_xdata()[0] == recall
    assert precision_recall.lines[-1].get_ydata()[0] == precision_score(LABELS, alarmed)


def test_curves_leave_unknown_labels_out() -> None:
    extended = np.append(LABELS, -1), np.append(SCORES, 99.0)
    for known, extra in zip(
        roc_and_precision_recall(SCORES, LABELS, SCORES > 0.5).axes,
        roc_and_precision_recall(extended[1], extended[0], extended[1] > 0.5).axes,
        strict=True,
    ):
        for first, second in zip(known.lines, extra.lines, strict=True):
            np.testing.assert_array_equal(first.get_xydata(), second.get_xydata())


def test_training_curves_one_for_each_loss_of_each_phase() -> None:
    journal = [
        {"phase": phase, "step": i, "images_seen": 4 * i, "losses": {"loss $a": 1.0 + i, "broken": float("nan")}}
        for phase in ("first", "second")
        for i in range(1, 101)
    ]
    journal[99]["validation"] = 0.5
    figure = training_curves(journal)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        r"first: loss \$a",
        "first: validation",
        r"second: loss \$a",
    ]
    strong = figure.axes[0].lines[-1]
    np.testing.assert_allclose(strong.get_xdata()[0], np.mean([4, 8]))
    np.testing.assert_allclose(strong.get_ydata()[-1], np.mean([100, 101]))
    assert len(svg(figure)) > 1000


def test_nothing_trained_draws_nothing() -> None:
    assert training_curves([]) is None
    assert training_curves([{"phase": "a", "step": 1, "images_seen": 1, "losses": {}}]) is None


def test_embedding_separates_what_is_separate_and_repeats() -> None:
    generator = np.random.default_rng(0)
    features = np.concatenate([generator.normal(0, 1, (20, 60)), generator.normal(8, 1, (20, 60))])
    labels = np.repeat([0, 1], 20)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what must stay
    first, second = (embedding(features, labels, labels == 1, seed=3).axes[0].collections for _ in range(2))
    good, found = (np.asarray(marks.get_offsets()) for marks in first)
    assert np.linalg.norm(good.mean(0) - found.mean(0)) > 2 * max(good.std(0).max(), found.std(0).max())
    np.testing.assert_array_equal(good, second[0].get_offsets())
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002 - the global state is what must stay


@pytest.mark.parametrize(
    "features", [np.zeros((20, 3)), np.full((20, 3), np.nan), np.eye(4), np.empty((0, 2))], ids=str
)
def test_embedding_of_nothing_to_see(features: np.ndarray) -> None:
    labels = np.zeros(len(features), dtype=int)
    assert embedding(features, labels, labels == 1) is None


def test_embedding_of_few_rows_and_one_column() -> None:
    labels = np.array([0, 0, 0, -1, 1])
    assert embedding(np.arange(5.0)[:, None], labels, labels == 1) is not None


def test_comparison_has_a_mean_for_each_detector() -> None:
    rows = [
        {"detector": "a", "image_auroc": 0.6, "pixel_auroc": None},
        {"detector": "a", "image_auroc": 0.8, "pixel_auroc": None},
        {"detector": "b", "image_auroc": 0.5, "pixel_auroc": float("nan")},
    ]
    (axes,) = comparison_chart(rows).axes
    assert axes.lines[0].get_xdata()[0] == pytest.approx(0.7)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert comparison_chart([{"detector": "a", "image_auroc": None}]) is None


def test_comparison_shows_the_interval_of_a_single_run() -> None:
    single = {"detector": "a", "image_auroc": 0.8, "image_auroc_interval": [0.7, 0.95]}
    (axes,) = comparison_chart([single, {"detector": "b", "image_auroc": 0.6, "image_auroc_interval": [0, 1]}]).axes
    interval, dot, only_dot, _ = axes.lines
    assert list(interval.get_xdata()) == [0.7, 0.95]
    assert len(set(interval.get_ydata())) == 1
    assert (list(dot.get_xdata()), list(only_dot.get_xdata())) == ([0.8], [0.6])


def test_figures_repeat_and_leave_matplotlib_alone() -> None:
    calibration = Calibration.fit(np.linspace(0.1, 0.5, 40), false_alarm_rate=0.1)
    settings = dict(mpl.rcParams)
    first, second = (svg(score_histogram(calibration, SCORES, LABELS)) for _ in range(2))
    assert first == second
    assert not re.search(rb"<(script|image|style [^>]*import)", first)
    assert dict(mpl.rcParams) == settings
    assert not Gcf.figs
