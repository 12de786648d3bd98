import statistics
from typing import Any

import pytest

from hizumi.report import summarise
from hizumi.report.tables import ranked_by, wasted_rankings


def test_summary_is_mean_and_deviation_of_the_runs() -> None:
    values = [0.5, 0.75, 0.875]
    rows = [{"detector": "a", "seed": seed, "image_auroc": value} for seed, value in enumerate(values)]
    rows += [{"detector": "b", "image_auroc": 0.9, "image_auroc_interval": [0.8, 0.95], "pixel_auroc": None}]
    best, other = summarise(rows)
    assert best == {
        "detector": "b",
        "runs": 1,
        "image_auroc": {"mean": 0.9, "deviation": None, "interval": [0.8, 0.95]},
    }
    assert other["runs"] == 3
    assert other["image_auroc"]["mean"] == pytest.approx(statistics.mean(values))
    assert other["image_auroc"]["deviation"] == pytest.approx(statistics.stdev(values))


def test_a_threshold_that_wastes_a_good_ranking_is_said() -> None:
    line = {"detector": "pca", "image_auroc": {"mean": 0.989}, "recall": {"mean": 0.025}}
    others = [line | {"recall": {"mean": 0.8}}, line | {"image_auroc": {"mean": 0.7}}]
    (sentence,) = wasted_rankings([line, *others], {})
    assert sentence.startswith(
        "pca tells defects from good images (AUROC 0.989), but its threshold finds 2% of them: accept"
    )
    assert "fit with --folds 5, by" in sentence
    assert "leave --folds out" in wasted_rankings([line], {"folds": 5})[0]
    assert wasted_rankings([{"detector": "pca"}], {}) == []


@pytest.mark.parametrize(
    "record", [{"calibration_marked": True}, {"folds_offered": None}, {"series": {}, "shape": (1, 1, 8)}]
)
def test_folds_are_no_remedy_where_they_would_be_refused(record: dict[str, Any]) -> None:
    line = {"detector": "pca", "image_auroc": {"mean": 0.989}, "recall": {"mean": 0.025}}
    assert "--folds" not in wasted_rankings([line], record)[0]


def test_series_are_ranked_by_the_volume_of_their_steps_where_these_are_labelled() -> None:
    series = {"options": {"series": {}, "shape": [2, 1, 16]}}
    rows = [
        {"detector": "ranks steps", "vus_pr": 0.6, "vus_pr_interval": [0.5, 0.7], "image_auroc": 0.7, **series},
        {"detector": "ranks blocks", "vus_pr": 0.4, "image_auroc": 0.9, **series},
    ]
    assert ranked_by(rows) == "vus_pr"
    best, other = summarise(rows[::-1])
    assert (best["detector"], other["detector"]) == ("ranks steps", "ranks blocks")
    assert best["vus_pr"] == {"mean": 0.6, "deviation": None, "interval": [0.5, 0.7]}
    unlabelled = [row | {"vus_pr": None} for row in rows]
    assert ranked_by(unlabelled) == "image_auroc"
    assert summarise(unlabelled)[0]["detector"] == "ranks blocks"
