"""A calibration as users meet it: fitted, asked, changed, stored, and refused."""

import json
import math

import numpy as np
import pytest

from hizumi.calibration import RULES, Calibration
from hizumi.calibration.costs import Costs
from hizumi.calibration.rules import LAWS
from hizumi.errors import BundleError, DataError, UsageError

FITTED_RULES = [rule for rule in RULES if rule not in ("given", "cost")]  # which need more than good scores
SWITCHED_TO = [rule for rule in FITTED_RULES if rule != "cross-conformal"]  # whose scores are others
LABELLED = (np.array([0.1, 0.2, 3.0, 4.0]), np.array([0, 0, 1, 1]))


@pytest.fixture
def scores():
    return np.random.default_rng(0).gamma(3.0, size=300)


def fit_everything(scores, rule="conformal"):
    return Calibration.fit(
        scores,
        rule=rule,
        pixel_maxima=scores * 2,
        pixel_median=0.25,
        degrees_of_freedom=4.0,
        labelled=LABELLED,
        folds=5 if rule == "cross-conformal" else None,
    )


@pytest.mark.parametrize("rule", FITTED_RULES)
def test_every_rule_decides_and_explains(scores, rule):
    calibration = fit_everything(scores, rule)
    flagged = calibration.is_anomalous(np.array([-100.0, 1e6]))
    assert flagged.tolist() == [False, True]
    assert flagged.dtype == bool
    assert math.isfinite(calibration.threshold.value)
    assert calibration.threshold.words.endswith(".")
    assert "\n" not in calibration.promise()


@pytest.mark.parametrize("rule", FITTED_RULES)
def test_round_trip_through_json_is_exact(scores, rule):
    calibration = fit_everything(scores.astype(np.float32), rule)
    fields, arrays = calibration.to_dict()
    restored = Calibration.from_dict(json.loads(json.dumps(fields)), {name: a.copy() for name, a in arrays.items()})
    assert all(array.dtype == np.float64 for array in arrays.values())
    assert restored.to_dict()[0] == fields
    assert (restored.scores == calibration.scores).all()
    assert (restored.pixel_maxima == calibration.pixel_maxima).all()
    assert restored.with_(false_alarm_rate=0.2).threshold == calibration.with_(false_alarm_rate=0.2).threshold


def test_ranks_stay_ranks_under_rules_that_go_by_no_rate(scores):
    by_ranks = Calibration.fit(scores, rule="cross-conformal", folds=5)
    best = by_ranks.with_(labelled=(np.array([3.0, 250.0, 260.0, 300.0]), np.array([0, 0, 1, 1])))
    assert (best.threshold.rule, best.threshold.value) == ("best-f1", 255.0)
    assert best.with_(false_alarm_rate=0.05).threshold == by_ranks.with_(false_alarm_rate=0.05).threshold


def test_round_trip_without_maps(scores):
    fields, arrays = Calibration.fit(scores).to_dict()
    assert list(arrays) == ["scores"]
    assert Calibration.from_dict(fields, arrays).pixel_threshold is None


@pytest.mark.parametrize("rule", SWITCHED_TO)
def test_changing_rate_and_rule_equals_fitting_again(scores, rule):
    changed = fit_everything(scores).with_(rule=rule, false_alarm_rate=0.05)
    fresh = Calibration.fit(
        scores,
        rule=rule,
        false_alarm_rate=0.05,
        pixel_maxima=scores * 2,
        pixel_median=0.25,
        degrees_of_freedom=4.0,
        labelled=LABELLED,
    )
    assert changed.to_dict()[0] == fresh.to_dict()[0]
    assert changed.rule == rule


def test_a_change_leaves_the_original_alone(scores):
    calibration = fit_everything(scores)
    before = calibration.to_dict()[0]
    assert calibration.with_(false_alarm_rate=0.3).threshold.value < calibration.threshold.value
    assert calibration.to_dict()[0] == before


def test_order_and_type_of_the_scores_do_not_matter(scores):
    shuffled = np.random.default_rng(1).permutation(scores)
    assert Calibration.fit(shuffled).to_dict()[0] == Calibration.fit(np.sort(scores)).to_dict()[0]
    single = scores.astype(np.float32)
    calibration = Calibration.fit(single, false_alarm_rate=0.05)
    assert calibration.is_anomalous(single).sum() == 300 - math.ceil(301 * 0.95)


def test_fit_keeps_its_own_copy(scores):
    ascending = np.sort(scores)
    calibration = Calibration.fit(ascending)
    ascending[:] = 0
    assert calibration.scores[-1] > 0


def test_pixel_threshold_keeps_the_share_of_good_images_that_show_a_region(scores):
    calibration = Calibration.fit(scores, false_alarm_rate=0.05, pixel_maxima=scores * 2, pixel_median=0.0)
    assert calibration.pixel_threshold.value == 2 * calibration.threshold.value
    assert np.mean(calibration.pixel_maxima > calibration.pixel_threshold.value) <= 0.05


@pytest.mark.parametrize("rule", ["chi-square", "best-f1"])
def test_rules_of_images_alone_leave_pixels_to_the_conformal_rule(scores, rule):
    calibration = fit_everything(scores, rule)
    assert calibration.threshold.rule == rule
    assert calibration.pixel_threshold.rule == "conformal"


def test_map_scale_has_the_pixel_threshold_in_its_middle(scores):
    calibration = fit_everything(scores)
    low, high = calibration.map_range
    assert low == 0.25
    assert (low + high) / 2 == pytest.approx(calibration.pixel_threshold.value)


def test_map_scale_of_constant_maps_is_not_empty():
    low, high = Calibration.fit(np.ones(30), pixel_maxima=np.full(30, 7.0), pixel_median=7.0).map_range
    assert low < np.float32(high)


def test_map_scale_needs_the_median(scores):
    assert Calibration.fit(scores, pixel_maxima=scores).map_range is None


def test_promise_of_40_images_is_one_in_41():
    promise = Calibration.fit(np.arange(40.0)).promise()
    assert "1/41" in promise
    assert "99 good images" in promise


def test_promise_of_other_rules_says_what_could_be_promised(scores):
    promise = Calibration.fit(scores[:40], rule="quantile").promise()
    assert "40 good images can promise 2.44% at the lowest; 1% takes 99" in promise


def test_constant_scores_are_said_in_words():
    calibration = Calibration.fit(np.full(50, 2.0))
    assert "does not tell images apart" in calibration.promise()
    assert calibration.is_anomalous(np.array([2.0, 2.1])).tolist() == [False, True]
    assert calibration.p_values(np.array([2.0])) == 1.0


def test_one_image_is_enough_to_say_how_little_it_promises():
    promise = Calibration.fit(np.array([1.0])).promise()
    assert "with 1 held-out good image no rule can promise less than 1/2 = 50%" in promise


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros(0), "at least one"),
        (np.full(4, np.nan), "4 of the 4 scores"),
        (np.array([1.0, np.nan, np.inf]), "2 of the 3 scores"),
    ],
)
def test_unusable_scores_are_refused(bad, words):
    with pytest.raises(DataError, match=words):
        Calibration.fit(bad)


def test_unusable_maps_are_refused():
    with pytest.raises(DataError, match="1 of the 2 map maxima"):
        Calibration.fit(np.ones(2), pixel_maxima=np.array([1.0, np.nan]))


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5, 1e-320, math.nan])
def test_impossible_rates_are_refused(scores, rate):
    with pytest.raises(UsageError, match="between 0 and 1"):
        Calibration.fit(scores, false_alarm_rate=rate)
    with pytest.raises(UsageError, match="between 0 and 1"):
        Calibration.fit(scores).with_(false_alarm_rate=rate)


def test_a_misspelt_rule_is_answered_with_the_nearest(scores):
    with pytest.raises(UsageError, match="did you mean 'conformal'"):
        Calibration.fit(scores, rule="conformel")
    with pytest.raises(UsageError, match="the rules are conformal, cross-conformal, quantile"):
        Calibration.fit(scores, rule="zzz")


@pytest.mark.parametrize("rule", ["chi-square", "best-f1"])
def test_rules_without_what_they_need_are_refused(scores, rule):
    with pytest.raises(UsageError, match="needs"):
        Calibration.fit(scores).with_(rule=rule)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_unusable_labelled_scores_are_refused(scores, broken):
    with pytest.raises(DataError, match="NaN or infinite"):
        Calibration.fit(scores, labelled=(np.array([1.0, broken]), np.array([0, 1])))


def test_rates_far_below_one_in_n_still_give_finite_thresholds(scores):
    for rule in SWITCHED_TO:
        assert math.isfinite(fit_everything(scores).with_(rule=rule, false_alarm_rate=1e-20).threshold.value)


def test_nan_is_never_passed_as_good(scores):
    calibration = Calibration.fit(scores)
    for ask in (calibration.is_anomalous, calibration.p_values):
        with pytest.raises(DataError, match="number 1 is NaN"):
            ask(np.array([0.0, np.nan]))
        with pytest.raises(DataError, match="number 0 is minus infinity"):
            ask(np.array([-np.inf, 0.0]))
    assert calibration.is_anomalous(np.array([np.inf])).all()


@pytest.mark.parametrize(
    "missing", ["rule", "false_alarm_rate", "options", "threshold", "pixel_threshold", "map_range"]
)
def test_a_bundle_without_a_field_is_refused(scores, missing):
    fields, arrays = fit_everything(scores).to_dict()
    del fields[missing]
    with pytest.raises(BundleError, match=missing):
        Calibration.from_dict(fields, arrays)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rule", "magic"),
        ("false_alarm_rate", 2.0),
        ("options", []),
        ("threshold", {"value": "high"}),
        ("map_range", [1.0]),
    ],
)
def test_a_bundle_with_a_wrong_field_is_refused(scores, field, value):
    fields, arrays = fit_everything(scores).to_dict()
    with pytest.raises(BundleError, match="fit it again"):
        Calibration.from_dict(fields | {field: value}, arrays)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in LAWS])
@pytest.mark.parametrize("limit", ["threshold", "pixel_threshold"])
def test_a_threshold_that_its_scores_contradict_is_refused(scores, rule, limit):
    fitted = fit_everything(scores, rule if rule in FITTED_RULES else "conformal")
    if rule == "given":
        fitted = fitted.with_(threshold=scores.max() + 5)
    if rule == "cost":
        fitted = fitted.with_(defect_scores=scores + 4, costs=Costs(miss=100, alarm=1, defect_share=0.05))
    fields, arrays = fitted.to_dict()
    due = fields[limit]["value"]
    Calibration.from_dict(fields | {limit: fields[limit] | {"value": due * (1 + 1e-12)}}, arrays)
    with pytest.raises(BundleError, match=r"states a threshold of 1e\+09, and the rule .* sets .* by the scores in it"):
        Calibration.from_dict(fields | {limit: fields[limit] | {"value": 1e9}}, arrays)
    with pytest.raises(BundleError, match="states a threshold of"):
        Calibration.from_dict(fields | {limit: fields[limit] | {"value": due + 0.01}}, arrays)


@pytest.mark.parametrize("rule", LAWS)
def test_a_threshold_of_a_law_may_lie_anywhere(scores, rule):
    fields, arrays = fit_everything(scores, rule).to_dict()
    assert Calibration.from_dict(fields, arrays).threshold.value == fields["threshold"]["value"]
    elsewhere = fields["threshold"] | {"value": 2 * scores.max()}
    assert Calibration.from_dict(fields | {"threshold": elsewhere}, arrays).threshold.value == 2 * scores.max()


def test_a_bundle_without_scores_is_refused(scores):
    fields, _ = fit_everything(scores).to_dict()
    with pytest.raises(BundleError, match="scores"):
        Calibration.from_dict(fields, {})


def test_a_threshold_of_ones_own_is_kept_and_promises_nothing() -> None:
    scores = np.arange(100.0)
    given = Calibration.fit(scores, pixel_maxima=scores + 1, pixel_median=0.0).with_(threshold=89.5)
    assert given.threshold.value == 89.5
    assert given.threshold.promised_rate is None
    assert "10 of 100 held-out good images above it, 10%" in given.promise()
    assert given.pixel_threshold.rule == "conformal"
    assert given.is_anomalous(np.array([89.5, 89.6])).tolist() == [False, True]
    fields, arrays = given.to_dict()
    again = Calibration.from_dict(fields, arrays)
    assert again.with_(defect_scores=scores).threshold.value == 89.5
    assert again.with_(false_alarm_rate=0.5).threshold == Calibration.fit(scores, false_alarm_rate=0.5).threshold
    assert given.with_(rule="conformal").threshold.value == Calibration.fit(scores).threshold.value
    for wrong in (math.nan, math.inf):
        with pytest.raises(UsageError, match="in units of the score"):
            given.with_(threshold=wrong)
    with pytest.raises(UsageError, match="needs a threshold"):
        Calibration.fit(scores, rule="given")


def test_what_a_promise_takes_for_granted_is_said_where_a_rate_is_asked_of_images() -> None:
    scores = np.linspace(0, 1, 150)
    for rule, folds in (("conformal", None), ("quantile", None), ("conformal", 10)):
        calibration = Calibration.fit(scores, rule=rule, false_alarm_rate=0.01, folds=folds)
        assert "crops of one picture, are more alike than new ones will be" in calibration.promise()
        assert "crops" not in calibration.promise("row") + calibration.promise("block")
    assert "crops" not in calibration.with_(threshold=0.5).promise()


def test_labelled_scores_leave_the_rest_of_a_calibration_as_it_is() -> None:
    defects = np.array([70.0, 80.0])
    of_folds = Calibration.fit(np.arange(60.0), rule="cross-conformal", folds=6, false_alarm_rate=0.1)
    joined = Calibration.fit(np.arange(60.0), groups=20, chosen=2).with_(defect_scores=defects, defect_groups=1)
    for calibration in (of_folds, joined):
        labelled = (np.array([5.0, 30.0, 58.0, 59.0]), np.array([0, 0, 1, 1]))
        by_labels = calibration.with_(labelled=labelled, false_alarm_rate=0.2)
        assert (by_labels.threshold.value, by_labels.rule, by_labels.false_alarm_rate) == (44.0, "best-f1", 0.2)
        assert by_labels.options.items() > calibration.options.items()
        again = by_labels.with_(false_alarm_rate=calibration.false_alarm_rate)
        assert (again.threshold, again.promise()) == (calibration.threshold, calibration.promise())
        read = Calibration.from_dict(*by_labels.to_dict())
        assert (read.threshold, read.options) == (by_labels.threshold, by_labels.options)
