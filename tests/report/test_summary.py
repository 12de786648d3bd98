import statistics
from typing import Any

import numpy as np
import pytest

from hizumi.calibration import Calibration, Verdict
from hizumi.evaluation import evaluate
from hizumi.report import summarise
from hizumi.report.tables import not_told_apart, ranked_by, wasted_rankings
from hizumi.runs.results import verdict_rows


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


def compared(scores: dict[str, np.ndarray], seed: int = 0) -> tuple[list[Any], list[Any]]:
    calibration = Calibration.fit(np.linspace(0, 1, 40))
    rows, of_all = [], []
    for name, each in scores.items():
        verdicts = [Verdict(f"{place}.png", False, float(score), 0.5, 0.5, {}) for place, score in enumerate(each)]
        labels = [int(place >= len(each) // 2) for place in range(len(each))]
        kinds = ["crack" if label else "good" for label in labels]
        evaluation = evaluate(verdicts, labels=labels, kinds=kinds, masks=None, calibration=calibration)
        run = {"detector": name, "seed": seed}
        rows.append(run | evaluation.to_dict())
        of_all += [run | row for row in verdict_rows(verdicts, kinds, labels, [("odd.png", "cannot be read")])]
    return rows, of_all


def test_detectors_that_the_images_do_not_tell_apart_are_named() -> None:
    generator = np.random.default_rng(0)
    hard, labels = generator.normal(size=120), np.repeat([0, 1], 60)
    scores = {"best": 2 * labels + hard, "alike": 1.9 * labels + hard, "worse": 0.9 * labels + hard}
    scores["alike"] = scores["alike"] + 0.4 * generator.normal(size=120)
    (sentence,) = not_told_apart(*compared(scores), {})
    assert sentence.startswith("These images do not tell whether best is better than alike: their AUROC differs by 0.0")
    parts = {f"{place}.png": place // 60 for place in range(120)}
    few = not_told_apart(*compared(scores), parts)
    assert len(few) == 2, "photographs of one good and one bad part tell nobody apart"


def test_several_runs_tell_apart_what_one_does_not_and_the_reverse() -> None:
    generator = np.random.default_rng(1)
    hard, labels = generator.normal(size=120), np.repeat([0, 1], 60)

    def sentences(distances: list[tuple[float, float]]) -> list[str]:
        rows, verdicts = [], []
        for seed, (one, other) in enumerate(distances):
            noise = 0.6 * generator.normal(size=(2, 120))
            scores = {"one": one * labels + hard + noise[0], "other": other * labels + hard + noise[1]}
            rows += compared(scores, seed)[0]
            verdicts += compared(scores, seed)[1]
        return not_told_apart(rows, verdicts, {})

    assert sentences([(2.0, 1.2)]) == sentences([(2.0, 1.2)] * 3) == []
    assert len(sentences([(2.0, 1.2), (1.2, 1.5), (2.4, 1.6)])) == 1, "other seeds might have the other one first"


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
