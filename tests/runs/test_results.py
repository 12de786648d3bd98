import numpy as np

from hizumi.calibration import Calibration, Verdict
from hizumi.evaluation import evaluate
from hizumi.runs.nouns import noun_of
from hizumi.runs.results import comparison_rows, fit_result, inspection_result, verdict_rows

OPTIONS = {
    "detector": {"name": "pca", "arguments": {}},
    "data": "parts",
    "training_images": 8,
    "calibration_images": 19,
    "fit_seconds": 0.5,
}
CALIBRATION = Calibration.fit(np.arange(19.0), false_alarm_rate=0.1)
VERDICTS = [Verdict("a.png", True, 20.0, 0.05, 17.0, {}), Verdict("b.png", False, 1.0, 0.9, 17.0, {})]


def test_a_fit_without_anything_to_say() -> None:
    result = fit_result(OPTIONS, CALIBRATION, [], [], [("c.png", "is damaged")])
    assert (result["detector"], result["threshold"]) == ("pca", CALIBRATION.threshold.value)
    assert result["pixel_threshold"] is None
    assert result["failures"] == [{"name": "c.png", "reason": "is damaged"}]
    assert result["options"] == OPTIONS


def test_an_inspection_counts_what_is_anomalous() -> None:
    result = inspection_result(OPTIONS, CALIBRATION, VERDICTS, [])
    assert (result["inspected"], result["anomalous"]) == (2, 1)
    assert [verdict["name"] for verdict in result["verdicts"]] == ["a.png", "b.png"]


def test_labels_that_nobody_knows_are_empty_cells() -> None:
    rows = verdict_rows(VERDICTS, ["crack", ""], [1, -1])
    assert [(row["kind"], row["label"], row["name"]) for row in rows] == [("crack", 1, "a.png"), ("", None, "b.png")]


def test_rows_of_a_comparison_are_flat_but_for_intervals() -> None:
    run = {"detector": "pca", "image_auroc": 0.9, "image_auroc_interval": [0.8, 1.0], "options": {}, "findings": []}
    assert comparison_rows([run]) == [{"detector": "pca", "image_auroc": 0.9, "image_auroc_interval": [0.8, 1.0]}]


def test_items_are_called_what_they_are() -> None:
    shapes = (
        {"shape": [5]},
        {"shape": [4, 8, 8], "motion": {"largest": 2.0}},
        {"shape": [1, 8, 8], "motion": None},
        {},
    )
    assert [noun_of(record) for record in shapes] == ["row", "frame", "image", "image"]
    assert "19 held-out good frames" in fit_result({**OPTIONS, **shapes[1]}, CALIBRATION, [], [], [])["promise"]


def test_a_threshold_that_follows_from_no_rate_is_given_without_one() -> None:
    by_hand = CALIBRATION.with_(threshold=3.0)
    for calibration, rate in ((CALIBRATION, 0.1), (by_hand, None), (by_hand.with_(false_alarm_rate=0.2), 0.2)):
        verdicts = [Verdict(each.name, each.score > 3, each.score, 0.5, 3.0, {}) for each in VERDICTS]
        evaluation = evaluate(verdicts, labels=[1, 0], kinds=["crack", "good"], masks=None, calibration=calibration)
        results = (
            fit_result(OPTIONS, calibration, [], [], []),
            inspection_result(OPTIONS, calibration, verdicts, []),
            evaluation.to_dict(),
        )
        assert [result["false_alarm_rate"] for result in results] == [rate] * 3
