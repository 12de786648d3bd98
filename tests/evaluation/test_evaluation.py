"""From verdicts and labels to the numbers of the report."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from hizumi.calibration import Calibration, Verdict
from hizumi.errors import DataError, UsageError
from hizumi.evaluation import aupro, evaluate, pixel_auroc

KINDS = ["good"] * 20 + ["scratch"] * 6 + ["stain"] * 4
LABELS = [0] * 20 + [1] * 10


def verdicts_for(scores, calibration, maps=None):
    return [
        Verdict(
            name=f"{index:02d}.png",
            anomalous=bool(score > calibration.threshold.value),
            score=float(score),
            p_value=float(calibration.p_values(np.array([float(score)]))[0]),
            threshold=calibration.threshold.value,
            terms={},
            map=None if maps is None else maps[index],
        )
        for index, score in enumerate(scores)
    ]


@pytest.fixture
def calibration():
    return Calibration.fit(np.random.default_rng(0).normal(size=99), false_alarm_rate=0.05)


@pytest.fixture
def scores():
    generator = np.random.default_rng(1)
    return np.concatenate([generator.normal(size=20), generator.normal(3, 1, 6), generator.normal(1, 1, 4)])


@pytest.fixture
def maps_and_masks():
    generator = np.random.default_rng(2)
    masks = [np.zeros((8, 10), dtype=bool) for _ in LABELS]
    for mask, label in zip(masks, LABELS, strict=True):
        mask[2:4, 3:6] = label == 1
    return [(generator.normal(size=(8, 10)) + mask).astype(np.float32) for mask in masks], masks


def test_numbers_are_those_of_independent_routes(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks
    result = evaluate(
        verdicts_for(scores, calibration, maps), labels=LABELS, kinds=KINDS, masks=masks, calibration=calibration
    )
    flagged = scores > calibration.threshold.value
    truth = np.array(LABELS)
    assert result.image_auroc.value == pytest.approx(roc_auc_score(truth, scores))
    assert result.average_precision.value == pytest.approx(average_precision_score(truth, scores))
    assert result.f1 == pytest.approx(f1_score(truth, flagged))
    assert (result.normal_count, result.anomalous_count) == (20, 10)
    assert result.false_alarms == flagged[:20].sum()
    assert result.missed_defects == 10 - flagged[20:].sum()
    assert result.realised_false_alarm_rate.value == pytest.approx(flagged[:20].mean())
    assert result.best_f1 >= result.f1
    assert result.pixel_auroc.value == pixel_auroc(maps, masks)
    assert result.aupro.value == aupro(maps, masks)
    assert result.false_alarm_rate == 0.05
    assert result.promised_rate == pytest.approx(0.05)
    assert result.defective_share == pytest.approx(np.mean(masks))
    assert (result.image_note, result.pixel_note) == ("", "")


def test_photographs_of_one_part_count_as_one_in_every_interval(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks
    times = 4
    groups = [f"part {index // times}" for index in range(times * len(LABELS))]

    def of_all(values):
        return [value for value in values for _ in range(times)]

    once = evaluate(
        verdicts_for(scores, calibration, maps), labels=LABELS, kinds=KINDS, masks=masks, calibration=calibration
    )
    found = evaluate(
        verdicts_for(np.repeat(scores, times), calibration, of_all(maps)),
        labels=of_all(LABELS),
        kinds=of_all(KINDS),
        masks=of_all(masks),
        groups=groups,
        calibration=calibration,
    )
    assert (found.groups, found.normal_groups, once.groups, once.normal_groups) == (30, 20, None, None)
    assert found.image_note == (
        "The 120 images are of 30 groups, such as one part or copies of one image, which are alike: intervals go by "
        "groups."
    )
    for name in ("image_auroc", "average_precision", "pixel_auroc", "aupro", "realised_false_alarm_rate"):
        one, all_of_it = getattr(once, name), getattr(found, name)
        assert all_of_it.value == pytest.approx(one.value)
        assert (all_of_it.low, all_of_it.high) == pytest.approx((one.low, one.high), abs=0.02)


def test_each_kind_is_counted_against_all_good_images(calibration, scores):
    result = evaluate(
        verdicts_for(scores, calibration), labels=LABELS, kinds=KINDS, masks=None, calibration=calibration
    )
    assert [row.kind for row in result.kinds_table] == ["scratch", "stain"]
    scratch, stain = result.kinds_table
    assert (scratch.count, stain.count) == (6, 4)
    assert scratch.found + stain.found == 10 - result.missed_defects
    assert all(row.found + row.missed == row.count for row in result.kinds_table)
    assert stain.image_auroc == pytest.approx(roc_auc_score([0] * 20 + [1] * 4, scores[[*range(20), *range(26, 30)]]))


def test_the_calibration_given_decides(calibration, scores):
    verdicts = verdicts_for(scores, calibration)
    loose = calibration.with_(false_alarm_rate=0.5)
    result = evaluate(verdicts, labels=LABELS, kinds=KINDS, masks=None, calibration=loose)
    assert result.threshold == loose.threshold.value
    assert result.false_alarms == (scores[:20] > loose.threshold.value).sum()


def test_json_has_stable_keys_and_intervals(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks
    verdicts = verdicts_for(scores, calibration, maps)
    result = evaluate(verdicts, labels=LABELS, kinds=KINDS, masks=masks, calibration=calibration)
    fields = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    estimates = {
        "image_auroc",
        "average_precision",
        "pixel_auroc",
        "pixel_average_precision",
        "aupro",
        "realised_false_alarm_rate",
    }
    of_pixels = {"pixel_auroc", "pixel_average_precision", "aupro"}
    keys = estimates | {f"{key}_interval" for key in estimates} | {f"{key}_error" for key in of_pixels}
    assert set(fields) == keys | {
        "f1",
        "precision",
        "recall",
        "oracle_best_f1",
        "threshold",
        "false_alarm_rate",
        "promised_rate",
        "normal_count",
        "anomalous_count",
        "false_alarms",
        "missed_defects",
        "groups",
        "kinds",
        "image_note",
        "pixel_note",
    }
    for key in estimates:
        low, high = fields[f"{key}_interval"]
        assert low <= fields[key] <= high
    assert fields["kinds"][0].keys() == {"kind", "count", "found", "missed", "image_auroc"}


@pytest.mark.parametrize(("keep", "missing"), [(slice(0, 20), "anomalous"), (slice(20, 30), "good")])
def test_one_class_alone_is_said_in_words(calibration, scores, keep, missing):
    result = evaluate(
        verdicts_for(scores[keep], calibration),
        labels=LABELS[keep],
        kinds=KINDS[keep],
        masks=None,
        calibration=calibration,
    )
    assert f"no {missing} images" in result.image_note
    assert math.isnan(result.image_auroc.value)
    fields = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert fields["image_auroc"] is None
    assert fields["image_auroc_interval"] is None
    assert (fields["realised_false_alarm_rate"] is None) == (missing == "good")


def test_unknown_labels_count_nowhere_and_keep_their_place(calibration, scores):
    labels = [None, *LABELS[1:-1], -1]
    result = evaluate(
        verdicts_for(scores, calibration), labels=labels, kinds=KINDS, masks=None, calibration=calibration
    )
    assert (result.normal_count, result.anomalous_count) == (19, 9)
    assert result.image_auroc.value == pytest.approx(roc_auc_score(LABELS[1:-1], scores[1:-1]))
    assert len(result.names) == len(result.scores) == 30
    assert result.labels[[0, -1]].tolist() == [-1, -1]
    assert "2 images without a label" in result.image_note


def test_no_label_at_all(calibration, scores):
    result = evaluate(
        verdicts_for(scores, calibration), labels=[None] * 30, kinds=KINDS, masks=None, calibration=calibration
    )
    assert "no labelled images" in result.image_note
    json.dumps(result.to_dict(), allow_nan=False)


def test_missing_pixel_metrics_have_their_reason(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks

    def note(some_maps, some_masks):
        result = evaluate(
            verdicts_for(scores, calibration, some_maps),
            labels=LABELS,
            kinds=KINDS,
            masks=some_masks,
            calibration=calibration,
        )
        assert result.pixel_auroc is result.aupro is result.pixel_average_precision is None
        return result.pixel_note

    assert "draws no maps" in note(None, masks)
    assert "has no masks" in note(maps, None)
    assert "has no masks" in note(maps, [None] * 30)
    assert "No mask marks a defect" in note(maps, [np.zeros((8, 10), dtype=bool)] * 30)


def test_anomalous_images_without_a_mask_are_left_out_and_counted(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks
    some = [None] * 20 + masks[20:28] + [None, np.zeros((8, 10), dtype=bool)]
    verdicts = verdicts_for(scores, calibration, maps)
    result = evaluate(verdicts, labels=LABELS, kinds=KINDS, masks=some, calibration=calibration)
    assert result.aupro.value == aupro(maps[:28], masks[:28])
    assert "2 anomalous images without a marked defect" in result.pixel_note


def test_good_images_count_as_good_whatever_their_mask(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks
    verdicts = verdicts_for(scores, calibration, maps)
    full = [np.ones((8, 10), dtype=bool)] * 20 + masks[20:]
    result = evaluate(verdicts, labels=LABELS, kinds=KINDS, masks=full, calibration=calibration)
    assert result.pixel_auroc.value == pixel_auroc(maps, masks)


def test_masks_of_another_type_of_number_are_read_as_true_and_false(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks
    verdicts = verdicts_for(scores, calibration, maps)
    as_bytes = [mask.astype(np.uint8) * 255 for mask in masks]
    result = evaluate(verdicts, labels=LABELS, kinds=KINDS, masks=as_bytes, calibration=calibration)
    assert result.pixel_auroc.value == pixel_auroc(maps, masks)


def test_a_mask_of_another_size_is_refused_by_name(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks
    masks[25] = np.ones((4, 5), dtype=bool)
    with pytest.raises(DataError, match=r"mask of 25\.png is 5 x 4 but the image is 10 x 8"):
        evaluate(
            verdicts_for(scores, calibration, maps), labels=LABELS, kinds=KINDS, masks=masks, calibration=calibration
        )


def test_unfit_arguments_are_refused(calibration, scores):
    verdicts = verdicts_for(scores, calibration)
    with pytest.raises(UsageError, match="29 labels were given for 30 verdicts"):
        evaluate(verdicts, labels=LABELS[:29], kinds=KINDS, masks=None, calibration=calibration)
    with pytest.raises(UsageError, match="1 masks"):
        evaluate(verdicts, labels=LABELS, kinds=KINDS, masks=[None], calibration=calibration)
    with pytest.raises(UsageError, match="1 groups were given for 30 verdicts"):
        evaluate(verdicts, labels=LABELS, kinds=KINDS, masks=None, groups=["a"], calibration=calibration)
    with pytest.raises(DataError, match=r"00\.png has label 2"):
        evaluate(verdicts, labels=[2, *LABELS[1:]], kinds=KINDS, masks=None, calibration=calibration)
    with pytest.raises(DataError, match="nothing to evaluate"):
        evaluate([], labels=[], kinds=[], masks=None, calibration=calibration)


def test_nan_is_refused_by_name(calibration, scores, maps_and_masks):
    maps, masks = maps_and_masks
    broken_maps = [anomaly_map.copy() for anomaly_map in maps]
    verdicts = verdicts_for(scores, calibration, broken_maps)
    broken_maps[3][0, 0] = np.nan
    with pytest.raises(DataError, match=r"map of 03\.png holds NaN"):
        evaluate(verdicts, labels=LABELS, kinds=KINDS, masks=masks, calibration=calibration)


def test_infinite_scores_are_alarms(calibration, scores):
    loud = np.where(np.array(LABELS) == 1, np.inf, scores)
    result = evaluate(verdicts_for(loud, calibration), labels=LABELS, kinds=KINDS, masks=None, calibration=calibration)
    assert (result.missed_defects, result.image_auroc.value, result.best_f1) == (0, 1.0, 1.0)
