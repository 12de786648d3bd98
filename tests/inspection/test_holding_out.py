"""Who sets the threshold: a share held out, or all by folds."""

from dataclasses import replace

import numpy as np
import pytest

from hizumi import Inspector
from hizumi.data import open_source
from hizumi.errors import DataError
from hizumi.inspection.holding_out import deal_at_most, folds_for
from hizumi.inspection.unseen import held_out
from hizumi.report.words import few_held_out
from hizumi.training import TrainingOptions


def rows(count: int, seed: int = 0, columns: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, columns))


@pytest.mark.parametrize(
    ("count", "rate", "folds"),
    [(494, 0.01, 10), (495, 0.01, None), (94, 0.05, 10), (95, 0.05, None), (7, 0.05, 7), (2, 0.05, 2), (1, 0.05, None)],
)
def test_folds_where_a_fifth_cannot_promise_the_rate(count: int, rate: float, folds: int | None) -> None:
    assert folds_for(open_source(rows(count)), rate) == folds


def test_what_counts_are_different_normal_images_without_a_marked_split() -> None:
    manifest = open_source(rows(60))
    in_groups = replace(
        manifest, records=tuple(replace(r, group=str(index % 4)) for index, r in enumerate(manifest.records))
    )
    assert folds_for(in_groups, 0.01) == 4
    half_bad = replace(
        manifest, records=tuple(replace(r, label=index % 2) for index, r in enumerate(manifest.records[:16]))
    )
    assert folds_for(half_bad, 0.01) == 8
    marked = replace(
        manifest,
        records=tuple(replace(r, split="calibration" if i < 9 else "train") for i, r in enumerate(manifest.records)),
    )
    assert folds_for(marked, 0.01) is None


def test_only_the_standard_detector_asks_for_folds_by_itself() -> None:
    X = rows(60)
    found = {
        "standard": Inspector().fit(X),
        "named": Inspector("mahalanobis").fit(X),
        "share": Inspector(calibration_share=0.3).fit(X),
        "folds": Inspector(folds=3).fit(X),
    }
    assert {name: i.options_["folds"] for name, i in found.items()} == {
        "standard": 10,
        "named": None,
        "share": None,
        "folds": 3,
    }
    assert {name: len(i.calibration_.scores) for name, i in found.items()} == {
        "standard": 60,
        "named": 12,
        "share": 18,
        "folds": 60,
    }
    assert found["standard"].calibration_.threshold.promised_rate is None
    assert "9 of 10 folds" in found["standard"].calibration_.promise()


def test_what_cannot_be_read_leaves_fewer_folds() -> None:
    assert sorted(map(sorted, deal_at_most(open_source(rows(9)), 10, seed=0))) == [[index] for index in range(9)]
    assert len(deal_at_most(open_source(rows(40)), 10, seed=0)) == 10


def test_folds_are_the_cure_of_what_an_untrained_detector_knows_by_heart() -> None:
    X = rows(100, columns=60)  # of so few rows, the components leave nothing over
    by_share = Inspector("pca", calibration_share=0.3).fit(X)
    assert [finding.name for finding in by_share.findings_] == ["held-out scores unlike training scores"]
    by_folds = Inspector("pca", folds=5).fit(X)
    assert by_folds.findings_ == []
    assert "With 100 good rows, each scored by a fit that had not seen it, " in few_held_out(
        by_folds.calibration_.with_(false_alarm_rate=0.001), "row", takes_folds=True
    )


def test_a_memory_is_not_blamed_for_remembering() -> None:
    inspector = Inspector("nearest_neighbour", calibration_share=0.3).fit(rows(100, columns=60))
    training = inspector.split_as_fitted(rows(100, columns=60)).select(split="train")
    assert (inspector.score_samples(training) == 0).all()
    assert inspector.findings_ == []


def test_what_was_fitted_by_folds_is_not_evaluated_on() -> None:
    manifest = open_source(rows(40))
    with pytest.raises(DataError, match="all of it was used in the fit"):
        held_out(Inspector().fit(manifest), manifest)


@pytest.mark.slow
def test_false_alarms_by_folds_are_about_those_asked_for() -> None:
    # Of a fifth of 60 rows the largest of 12 would decide, at 1 / 13 on average whatever was asked.
    shares = []
    for seed in range(6):
        inspector = Inspector(false_alarm_rate=0.05, training=TrainingOptions(seed=seed)).fit(rows(60, seed))
        shares.append(float((inspector.predict(rows(500, seed + 1000)) == -1).mean()))
    assert 0.02 < np.mean(shares) < 0.08, shares


def test_good_ones_that_score_far_above_the_others_are_named() -> None:
    data = np.random.default_rng(0).uniform(size=(100, 5))
    assert Inspector("mahalanobis", folds=5).fit(data).findings_ == []
    data[[7, 70]] += 5
    inspector = Inspector("mahalanobis", folds=5).fit(data)
    (found,) = [finding.message for finding in inspector.findings_ if finding.name == "good ones unlike the others"]
    assert found.startswith("2 of 100 good rows score far above the others")
    assert {name.split()[-1] for name in found.split(", ")} == {"7", "70"}
