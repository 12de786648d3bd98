"""Who sets the threshold: a share held out, or all by folds."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from hizumi import Inspector, load, save
from hizumi.calibration import Costs
from hizumi.data import open_source
from hizumi.errors import DataError, UsageError
from hizumi.inspection.holding_out import deal_at_most, folds_for
from hizumi.inspection.unseen import held_out
from hizumi.report.words import few_held_out
from hizumi.runs.nouns import folds_offered
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
    many = open_source(rows(800))
    in_groups = replace(many, records=tuple(replace(r, group=str(i % 80)) for i, r in enumerate(many.records)))
    assert folds_for(in_groups, 0.01) == 10
    half_bad = replace(
        manifest, records=tuple(replace(r, label=index % 2) for index, r in enumerate(manifest.records[:16]))
    )
    assert folds_for(half_bad, 0.01) == 8
    marked = replace(
        manifest,
        records=tuple(replace(r, split="calibration" if i < 9 else "train") for i, r in enumerate(manifest.records)),
    )
    assert folds_for(marked, 0.01) is None


def test_folds_and_a_share_are_not_both_asked_for() -> None:
    with pytest.raises(UsageError, match="leave --calibration-share out, or --folds"):
        Inspector("pca", folds=5, calibration_share=0.3).check()


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


@pytest.mark.parametrize(("groups", "offered"), [(4, 4), (9, 5), (60, 5)])
def test_folds_are_offered_as_far_as_there_are_groups_to_deal(groups: int, offered: int) -> None:
    manifest = open_source(rows(60))
    records = tuple(replace(record, group=str(index % groups)) for index, record in enumerate(manifest.records))
    in_groups = replace(manifest, records=records)
    inspector = Inspector("mahalanobis", calibration_share=0.3).fit(in_groups)
    assert inspector.options_["folds_offered"] == offered
    said = few_held_out(inspector.calibration_, "row", folds=folds_offered(inspector.options_))
    assert f"fit with --folds {offered}, " in said
    assert Inspector("mahalanobis", folds=offered).fit(in_groups).options_["folds"] == offered
    marked = tuple(replace(each, split=("train", "calibration")[i % groups % 2]) for i, each in enumerate(records))
    as_marked = Inspector("mahalanobis").fit(replace(manifest, records=marked))
    assert "--folds" not in few_held_out(as_marked.calibration_, "row", folds=folds_offered(as_marked.options_))


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
        by_folds.calibration_.with_(false_alarm_rate=0.001), "row", folds=5
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


@pytest.mark.parametrize("options", [{}, {"folds": 4}])
def test_what_was_learned_from_is_not_evaluated_on_among_other_images(options: dict, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (60, 16, 16), dtype=np.uint8)
    for folder in ("fit", "all/good", "all/bad"):
        (tmp_path / folder).mkdir(parents=True)
    for number, pixels in enumerate(pictures):
        picture = Image.fromarray(pixels)
        if number < 40:
            picture.save(tmp_path / "fit" / f"{number}.png")
        picture.save(tmp_path / "all" / ("good" if number < 50 else "bad") / f"again {number}.png")
    bundle = save(Inspector("nearest_neighbour", image_size=16, **options).fit(tmp_path / "fit"), tmp_path / "a.hizumi")
    found = held_out(load(bundle), open_source(tmp_path / "all"))
    assert {record.name.rpartition(" ")[2] for record in found.records} == {f"{number}.png" for number in range(40, 60)}
    assert "left out as images of its fit, which it has learned from or which set its threshold: 40 images; " in next(
        note for note in found.notes if "left out" in note
    )
    with pytest.raises(DataError, match="holds only images of its fit"):
        held_out(load(bundle), open_source([str(tmp_path / "fit" / "3.png")]))
    # What a marked test holds was not learned from, wherever it lies.
    marked = open_source(pictures)
    marked = replace(
        marked, records=tuple(replace(r, split="test" if i % 3 == 0 else "train") for i, r in enumerate(marked.records))
    )
    inspector = Inspector("nearest_neighbour", image_size=16).fit(marked)
    assert len(held_out(inspector, marked)) == len(held_out(inspector, open_source(pictures[::3]))) == 20
    assert len(held_out(inspector, open_source(pictures[::2]))) == 10
    inspector.seen_ = replace(inspector.seen_, learned=np.empty(0, dtype=np.uint64))  # as of an earlier bundle
    assert len(held_out(inspector, open_source(pictures[::2]))) == 30


def test_good_images_kept_beside_marked_defects_are_judged() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (46, 16, 16), dtype=np.uint8)
    marked = open_source(pictures)
    marked = replace(
        marked,
        records=tuple(
            replace(r, split="test" if i >= 40 else "train", label=int(i >= 40)) for i, r in enumerate(marked.records)
        ),
    )
    inspector = Inspector("nearest_neighbour", image_size=16).fit(marked)  # which scores what it has learned 0
    found = held_out(inspector, marked)
    good = [record for record in found.records if record.label == 0]
    assert (len(found), len(good)) == (14, 8), "a fifth of 40, as the fit has said"
    assert not set(inspector.calibration_.scores) & {verdict.score for verdict in inspector.inspect(found).verdicts}
    assert 0.0 not in {verdict.score for verdict in inspector.inspect(found).verdicts}
    others = open_source(np.random.default_rng(1).integers(0, 256, (46, 16, 16), dtype=np.uint8))
    others = replace(
        others,
        records=tuple(
            replace(mine, row=theirs.row) for mine, theirs in zip(marked.records, others.records, strict=True)
        ),
    )
    assert len(held_out(inspector, others)) == 6, "of other data, what they mark as test"


def test_a_threshold_by_labelled_images_is_set_by_new_ones() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (70, 16, 16), dtype=np.uint8)
    pictures[60:, :, 4:12] = 255
    inspector = Inspector("nearest_neighbour", image_size=16).fit(pictures[:40])  # which scores what it has learned 0
    labels = [int(number >= 60) for number in range(70)]
    labelled = open_source(pictures)
    labelled = replace(
        labelled, records=tuple(replace(r, label=label) for r, label in zip(labelled.records, labels, strict=True))
    )
    new = labelled.only(range(40, 70))
    expected = deepcopy(inspector).calibrate(labelled=new).calibration_
    assert inspector.calibrate(labelled=labelled).calibration_.threshold == expected.threshold
    assert [note.partition("; ")[0] for note in inspector.notes_ if note.startswith("labelled data")] == [
        "labelled data: left out as images of its fit, which it has learned from or which set its threshold: 40 images"
    ]
    with pytest.raises(DataError, match="all 40 good images in it are of the fit; give others, too"):
        inspector.calibrate(labelled=labelled.only([*range(40), *range(60, 70)]))


def test_rows_that_equal_some_of_the_fit_are_named() -> None:
    inspector = Inspector("mahalanobis").fit(rows(40))
    found = held_out(inspector, open_source(np.concatenate([rows(40)[:30], rows(10, seed=1)])))
    assert len(found) == 40
    assert "equal to a row of its fit: 30 rows; " in found.notes[-1]
    assert held_out(inspector, open_source(rows(10, seed=1))).notes == open_source(rows(10, seed=1)).notes


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


@pytest.mark.parametrize(
    ("options", "groups"),
    [({}, 16), ({"rule": "cross-conformal"}, 16), ({"calibration_share": 0.25, "folds": None}, 4)],
)
def test_several_inputs_of_one_group_promise_nothing(options: dict, groups: int, tmp_path: Path) -> None:
    manifest = open_source(rows(80))
    in_groups = replace(
        manifest, records=tuple(replace(r, group=f"part {i % 16}") for i, r in enumerate(manifest.records))
    )
    inspector = load(save(Inspector("mahalanobis", **{"folds": 4} | options).fit(in_groups), tmp_path / "a.hizumi"))
    calibration = inspector.calibration_
    assert (calibration.units, calibration.threshold.promised_rate) == (groups, None)
    held_out = len(calibration.scores)
    promise = calibration.promise("row")
    assert f"asked of {held_out} good rows in {groups} groups" in promise
    assert f"up to about {100 / (groups + 1):.3g}% of them may be flagged" in promise
    if "rule" not in options:
        of_costs = calibration.with_(costs=Costs(10, 1, 0.1), defect_scores=np.array([50.0])).promise("row")
        assert f"chosen on good rows of {groups} groups, which are alike, and promises no rate" in of_costs
        more = np.append(calibration.scores, [1.0, 2.0])
        assert calibration.joined(more, None, chosen=0).units == groups + 2


@pytest.mark.parametrize("suffixes", [("png", "png"), ("png", "bmp"), ("bmp", "tif")])
def test_copies_of_an_image_promise_no_more_than_one(suffixes: tuple[str, str], tmp_path: Path) -> None:
    generator, known = np.random.default_rng(0), tmp_path / "bad"
    known.mkdir()
    for number in range(60):
        picture = Image.fromarray(generator.integers(0, 256, (32, 32), dtype=np.uint8))
        for copy, suffix in enumerate(suffixes):
            picture.save(tmp_path / f"{number}_{copy}.{suffix}")
            if number < 3:
                ImageOps.invert(picture).save(known / f"{number}_{copy}.{suffix}")
    good = open_source([str(path) for path in sorted(tmp_path.glob("*_*"))])
    inspector = Inspector("pca", image_size=32, false_alarm_rate=0.1)
    calibration = inspector.fit(good, known_defects=known).calibration_
    assert (len(calibration.scores), len(calibration.defect_scores)) == (24, 6)
    assert (calibration.units, calibration.defect_units) == (12, 3)
    # The threshold is the second of 24 scores, where it was to promise 2 in 25: of 12 images at most the second.
    assert calibration.threshold.promised_rate is None
    assert "up to about 11.5% of them may be flagged" in calibration.promise()
    assert 1 / 13 < 0.115 < 2 / 13


def test_groups_of_one_input_each_change_nothing() -> None:
    manifest = open_source(rows(80))
    alone = replace(manifest, records=tuple(replace(r, group=str(i)) for i, r in enumerate(manifest.records)))
    calibration = Inspector("mahalanobis").fit(alone).calibration_
    assert calibration.promise("row") == Inspector("mahalanobis").fit(manifest).calibration_.promise("row")
    assert calibration.threshold.promised_rate is not None
