import json
import re

import pytest

from hizumi.inspection import load
from tests.inspection.crafted import read, sealed
from tests.inspection.test_earlier import BUNDLES


def test_calibrate_changes_the_threshold_and_nothing_else(hizumi, bundle):
    before = load(bundle)
    outcome = hizumi("calibrate", bundle, "--false-alarm-rate", "0.3", "--rule", "quantile", "--json", "-")
    assert outcome.code == 0
    after = load(bundle)
    expected = before.calibration_.with_(rule="quantile", false_alarm_rate=0.3)
    assert after.calibration_.threshold == expected.threshold
    assert outcome.json["threshold"] == expected.threshold.value
    assert (after.calibration_.scores == before.calibration_.scores).all()
    assert all(
        (weights == after.detector_.state_dict()[name]).all() for name, weights in before.detector_.state_dict().items()
    )


def test_calibrate_into_another_file(hizumi, bundle, tmp_path):
    content = bundle.read_bytes()
    assert hizumi("calibrate", bundle, "--false-alarm-rate", "0.3", "-o", tmp_path / "b.hizumi").code == 0
    assert bundle.read_bytes() == content
    assert load(tmp_path / "b.hizumi").calibration_.false_alarm_rate == 0.3


def test_calibrate_on_labelled_data(hizumi, bundle, parts):
    outcome = hizumi("calibrate", bundle, "--rule", "best-f1", "--labelled", parts, "--json", "-")
    assert outcome.code == 0
    assert outcome.json["rule"] == "best-f1"
    assert outcome.json["promised_rate"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to change"),
        (["--false-alarm-rate", "0"], "between 0 and 1"),
        (["--rule", "best-f1"], "needs labelled scores"),
        (["--rule", "quantil"], "did you mean 'quantile'?"),
        (["--rule", "quantile", "--labelled", "{parts}"], "labelled data are for the rule best-f1"),
        (["--rule", "quantile", "--good", "fine"], "--good says how --labelled is to be understood"),
    ],
)
def test_wrong_arguments_leave_the_bundle_alone(arguments, said, hizumi, bundle, parts):
    content = bundle.read_bytes()
    outcome = hizumi("calibrate", bundle, *(each.format(parts=parts) for each in arguments))
    assert outcome.code == 2
    assert said in outcome.err
    assert bundle.read_bytes() == content


def test_info_tells_what_the_bundle_knows(hizumi, bundle):
    outcome = hizumi("info", bundle, "--json", "-")
    assert outcome.code == 0
    inspector = load(bundle)
    assert outcome.json["threshold"] == inspector.calibration_.threshold.value
    assert outcome.json["options"] == inspector.options_
    assert inspector.calibration_.promise() in " ".join(outcome.err.split())


def test_info_on_an_exported_bundle_of_an_earlier_version(hizumi, tmp_path):
    earlier = BUNDLES / "mahalanobis.onnx.hizumi"
    assert "2.0e-15 of the largest value" in hizumi("info", earlier).out
    header, members = read(earlier)
    for name, value in {"as_fitted": "yes", "borderline": -1, "rounding": None, "error": [], "surprise": 1}.items():
        statements = json.loads(members[header])
        statements["parity"][name] = value
        (tmp_path / "a.hizumi").write_bytes(sealed(header, statements, dict(members)))
        outcome = hizumi("info", tmp_path / "a.hizumi")
        assert outcome.code == 2
        assert f"parity.{name}" in outcome.err


def test_known_defects_are_told_apart_and_set_the_threshold_at_stated_costs(hizumi, bundle, parts, tmp_path):
    hole = parts / "test" / "hole"
    told = hizumi("calibrate", bundle, "--known-defects", hole, "--json", "-")
    assert told.code == 0
    assert told.json["rule"] == "conformal"
    assert told.json["known_defects"]["count"] == 10
    costs = ["--cost-miss", "5", "--cost-alarm", "1", "--defect-share", "0.1"]
    priced = hizumi("calibrate", bundle, *costs, "-o", tmp_path / "priced.hizumi")
    assert priced.code == 0
    assert "The threshold of the lowest expected cost" in priced.out
    assert re.search(r"^ now +cost +- +\d", priced.out, re.MULTILINE), "no rate is asked for"
    assert "Known defects: the threshold from good images alone" in priced.out
    shown = hizumi("info", tmp_path / "priced.hizumi", "--json", "-")
    assert shown.json["known_defects"]["rule_in_use"] == "cost"
    verdicts = hizumi("inspect", tmp_path / "priced.hizumi", hole, "--json", "-")
    assert {verdict["rule"] for verdict in verdicts.json["verdicts"]} == {"cost"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cost-miss", "2"], "go together"),
        (["--cost-miss", "2", "--cost-alarm", "0", "--defect-share", "0.1"], "must be above 0"),
        (["--cost-miss", "2", "--cost-alarm", "1", "--defect-share", "2"], "between 0 and 1"),
        (["--cost-miss", "2", "--cost-alarm", "1", "--defect-share", "0.1"], "--known-defects"),
        (["--known-defects", "nowhere"], "nowhere"),
    ],
)
def test_costs_that_cannot_set_a_threshold_are_one_line(arguments, said, hizumi, bundle):
    outcome = hizumi("calibrate", bundle, *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
