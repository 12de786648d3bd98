from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import f1_score

from hizumi.calibration import Calibration, Costs
from hizumi.data.variation import Variation
from hizumi.evaluation import Estimate, evaluate
from hizumi.evaluation.causal import CausalMeasures
from hizumi.evaluation.events import EventCounts
from hizumi.report import Finding, ReportContent
from hizumi.report.rates import at_rates
from hizumi.report.words import (
    computed_within,
    consequences,
    facts,
    few_held_out,
    flat_options,
    headline,
    interval,
    number,
    percent,
)
from hizumi.training.health import check_outliers


def sentences(content: ReportContent) -> list[str]:
    return [consequence.text.replace("\u00a0", " ") for consequence in consequences(content)]


def changed(parts: dict[str, Any], **changes: Any) -> ReportContent:
    return ReportContent(**parts | {"evaluation": replace(parts["evaluation"], **changes)})


def test_headline_counts(parts: dict[str, Any]) -> None:
    content = changed(parts, anomalous_count=200, missed_defects=13, normal_count=150, false_alarms=1)
    assert (
        headline(content)
        == "The detector found 187 of 200 anomalous images and raised 1 false alarm on 150 good images."
    )
    assert headline(changed(parts, anomalous_count=0, normal_count=1, false_alarms=0)) == (
        "The detector raised 0 false alarms on 1 good image."
    )
    alarms = sum(verdict.anomalous for verdict in parts["verdicts"])
    assert headline(ReportContent(**parts | {"evaluation": None})) == f"{alarms} of 24 images look anomalous."


@pytest.mark.parametrize(
    ("interval", "words", "is_pressing"),
    [
        (
            (0.003, 0.043),
            "2% of the good images were flagged, where 1% was asked for: the difference is within chance",
            False,
        ),
        ((0.10, 0.30), "more than chance explains", True),
        ((0.02, 0.08), "within chance, for by one set of 99 held-out good images it may be 2.98%.", False),
        ((0.001, 0.005), "fewer than chance explains", False),
    ],
)
def test_promise_against_what_happened(
    interval: tuple[float, float], words: str, is_pressing: bool, parts: dict[str, Any]
) -> None:
    asked = parts | {"calibration": parts["calibration"].with_(false_alarm_rate=0.01)}
    content = changed(asked, realised_false_alarm_rate=Estimate(0.02, *interval))
    (found,) = [c for c in consequences(content) if words in c.text.replace("\u00a0", " ")]
    assert found.is_pressing == is_pressing


def with_good_scores(parts: dict[str, Any], scores: Sequence[float]) -> dict[str, Any]:
    """With verdicts of good images alone, of these scores, and known defects of a score that none of them has."""
    one, dents = parts["verdicts"][0], 40
    verdicts = [replace(one, name=f"{place}.png", score=score) for place, score in enumerate([*scores, *[0.3] * dents])]
    kinds = ["good"] * len(scores) + ["dent"] * dents
    labels = np.array([int(kind != "good") for kind in kinds])
    evaluation = evaluate(
        verdicts, labels=labels, kinds=kinds, masks=[None] * len(verdicts), calibration=parts["calibration"]
    )
    return parts | {"verdicts": verdicts, "evaluation": evaluation, "features": None}


@pytest.mark.parametrize("is_raised", [False, True])
def test_good_images_that_score_higher_than_those_held_out_are_promised_nothing(
    is_raised: bool, parts: dict[str, Any]
) -> None:
    held_out = parts["calibration"].scores
    scores = np.quantile(held_out, np.linspace(0.5 if is_raised else 0.0, 0.94, 80))
    (suspects,) = check_outliers([f"{place}.png" for place in range(20)], np.array([*range(19), 99.0]))
    now = with_good_scores(parts | {"findings": [suspects]}, scores.tolist())
    content = changed(now, missed_defects=36, image_auroc=Estimate(0.8, 0.7, 0.9))
    (said,) = [c for c in consequences(content) if "were flagged" in c.text]
    rank = mannwhitneyu(scores, held_out, alternative="greater").pvalue
    assert said.is_pressing == is_raised == (rank < norm.sf(3))
    assert ("half of them above 71.7% of those; for such no rate is promised" in said.text) == is_raised
    (missed,) = [c for c in consequences(content) if "passed unnoticed" in c.text]
    assert ("The threshold is too high" in missed.text) != is_raised


@pytest.mark.parametrize("auroc", [0.8, 0.99])
def test_another_rate_is_named_with_what_it_would_flag(auroc: float, parts: dict[str, Any]) -> None:
    held_out = parts["calibration"].scores
    now = with_good_scores(parts, np.quantile(held_out, np.linspace(0, 1, 80)).tolist())
    now |= {"calibration": parts["calibration"].with_(false_alarm_rate=0.01)}
    content = changed(now, missed_defects=36, image_auroc=Estimate(auroc, auroc - 0.01, auroc + 0.01))
    (missed,) = [c for c in consequences(content) if "passed unnoticed" in c.text]
    line = next(each for each in at_rates(content) if each.rate == 0.02)
    assert f"At a rate of 2% it would find 40 of 40 here and flag {line.flagged} of 80 good ones." in missed.text


def test_a_rate_that_few_images_cannot_promise_is_no_broken_promise(parts: dict[str, Any]) -> None:
    calibration = Calibration.fit(np.linspace(0.1, 0.2, 6), false_alarm_rate=0.01)
    realised = Estimate(1 / 7, 0.03, 0.4)
    now = {"realised_false_alarm_rate": realised}
    (found,) = [s for s in sentences(changed(parts | {"calibration": calibration}, **now)) if "were flagged" in s]
    assert "where 1% was asked for, and 6 held-out good images can promise 14.3% at the lowest" in found
    calibration = Calibration.fit(np.linspace(0.1, 0.2, 6), false_alarm_rate=0.01, groups=2)
    (found,) = [s for s in sentences(changed(parts | {"calibration": calibration}, **now)) if "were flagged" in s]
    assert "and 6 held-out good images of 2 groups promise nothing: it may be 33.3%" in found
    assert found.endswith("within chance.")
    differences = ["less sharp"]
    asked = parts | {"calibration": parts["calibration"].with_(false_alarm_rate=0.01)}
    content = replace(changed(asked, **now), differences=differences)
    (unlike,) = [c for c in consequences(content) if "less sharp" in c.text]
    assert unlike.is_pressing  # 99 held-out images promise the 1 % that was asked
    (unlike,) = [c for c in consequences(replace(content, calibration=calibration)) if "less sharp" in c.text]
    assert not unlike.is_pressing


def test_a_threshold_without_a_rate_is_measured_by_none(parts: dict[str, Any]) -> None:
    known = parts["calibration"].with_(defect_scores=np.array([0.15, 0.3, 0.4]))
    realised = Estimate(0.3, 0.2, 0.4)
    for calibration, words in (
        (known.with_(costs=Costs(9, 1, 0.2)), "the lowest expected cost, and no rate was asked for"),
        (known.with_(threshold=0.12), "was given, and no rate was asked for"),
    ):
        content = changed(parts | {"calibration": calibration}, realised_false_alarm_rate=realised)
        (found,) = [c for c in consequences(content) if "30% of the good images" in c.text.replace("\u00a0", " ")]
        assert words in found.text
        assert not found.is_pressing
        (unknown,) = [c for c in consequences(replace(content, evaluation=None)) if "nothing here has" in c.text]
        assert words in unknown.text
        assert "alarms would be expected" not in unknown.text
        assert at_rates(content) == []


def test_few_well_ranked_images_are_not_called_no_better_than_chance(parts: dict[str, Any]) -> None:
    for groups, few in ((None, "So few images"), (5, "So few groups")):
        found = consequences(changed(parts, image_auroc=Estimate(1.0, 0.4, 1.0), groups=groups))
        assert not any("no better than chance" in each.text for each in found)
        (open_question,) = [each for each in found if each.text.startswith(few)]
        assert not open_question.is_pressing


def test_pressing_matters_come_first(parts: dict[str, Any]) -> None:
    dead = Finding(name="dead", severity="problem", message="The discriminator is dead.", remedy="Lower the rate.")
    content = changed(parts, image_auroc=Estimate(0.52, 0.45, 0.6))
    found = sentences(replace(content, findings=[dead]))
    assert found[0] == "Look at the health of the fit first: The discriminator is dead."
    assert found[1].startswith("The scores tell anomalous from good no better than chance")


def test_scores_that_run_backwards_are_called_so(parts: dict[str, Any]) -> None:
    found = consequences(changed(parts, image_auroc=Estimate(0.2, 0.13, 0.27)))[0]
    assert found.is_pressing
    assert found.text.startswith("The scores run backwards: good images score higher than anomalous ones.")
    assert "chance" not in found.text


@pytest.mark.parametrize(
    ("auroc", "rate", "remedy"),
    [
        (0.7, 0.05, "try a larger image size or another detector (hizumi compare)"),
        (0.99, 0.05, "the threshold is too high: accept a higher false-alarm rate"),
        (0.99, 0.001, "With 99 held-out good images, the highest score of one of them decides: fit with --folds 5"),
        (0.99, 0.001, "hold out 999 or more"),
        (float("nan"), 0.05, "try a larger image size"),
    ],
)
def test_where_most_defects_pass_the_words_press_and_name_a_remedy(
    auroc: float, rate: float, remedy: str, parts: dict[str, Any]
) -> None:
    estimate = Estimate(auroc, auroc - 0.01, auroc + 0.01)
    now = parts | {"calibration": parts["calibration"].with_(false_alarm_rate=rate)}
    content = changed(now, anomalous_count=40, missed_defects=36, image_auroc=estimate)
    (found,) = [c for c in consequences(content) if "passed unnoticed" in c.text]
    assert found.is_pressing
    assert remedy in found.text.replace("\u00a0", " ")
    fewer = consequences(changed(parts, anomalous_count=40, missed_defects=20, image_auroc=estimate))
    (found,) = [c for c in fewer if "passed unnoticed" in c.text]
    assert not found.is_pressing


def test_where_images_are_of_groups_more_groups_are_what_helps() -> None:
    scores = np.arange(40.0)
    for options, remedy in (({}, "hold out 99 groups or more"), ({"folds": 5}, "give 99 groups or more")):
        assert remedy in few_held_out(Calibration.fit(scores, groups=8, **options), "image", folds=None)
        assert "99 or more" in few_held_out(Calibration.fit(scores, **options), "image", folds=None)


@pytest.mark.parametrize(("learned_from", "is_few"), [(20, True), (50, False)])
def test_where_few_were_learned_from_more_may_help(learned_from: int, is_few: bool, parts: dict[str, Any]) -> None:
    options = parts.get("options", {}) | {"training_images": learned_from}
    content = changed(
        parts | {"options": options},
        anomalous_count=40,
        missed_defects=36,
        image_auroc=Estimate(0.7, 0.6, 0.8),
    )
    (found,) = [c for c in consequences(content) if "passed unnoticed" in c.text]
    assert ("give more good images to learn from than 20, or try" in found.text) == is_few


@pytest.mark.parametrize("auroc", [0.99, 0.8])
def test_good_images_that_the_fit_suspects_come_before_another_rate(auroc: float, parts: dict[str, Any]) -> None:
    (suspects,) = check_outliers([f"{place}.png" for place in range(20)], np.array([*range(19), 99.0]))
    for flagged, are_suspected in ((0.0, True), (0.02, True), (0.04, False), (0.05, False)):  # of good ones; asked: 5%
        content = changed(
            parts | {"findings": [suspects]},
            anomalous_count=40,
            missed_defects=36,
            image_auroc=Estimate(auroc, auroc - 0.01, 1.0),
            realised_false_alarm_rate=Estimate(flagged, 0.0, 0.2),
        )
        (found,) = [c for c in consequences(content) if "passed unnoticed" in c.text]
        said = "The threshold is too high: 1 of 20 good images scores far above the others: 19.png. Look whether"
        assert (said in found.text) == are_suspected, "a rate that is kept is not raised by defects among the good ones"


def test_what_was_declared_may_be_why_defects_pass(parts: dict[str, Any]) -> None:
    options = parts.get("options", {}) | {"variation": asdict(Variation(flips="horizontal"))}
    for missed in (4, 36):
        content = changed(parts | {"options": options}, anomalous_count=40, missed_defects=missed)
        (found,) = [c for c in consequences(content) if "passed unnoticed" in c.text]
        assert "be of the other hand: one like this will not be found. If those missed are such" in found.text
    (found,) = [c for c in consequences(changed(parts, anomalous_count=40, missed_defects=4)) if "unnoticed" in c.text]
    assert "declared" not in found.text


def test_figures_stand_beside_their_chance_levels(parts: dict[str, Any]) -> None:
    known = {"anomalous_count": 30, "normal_count": 10, "defective_share": 0.04}
    notes = {fact.name: fact.note for fact in facts(changed(parts, **known).evaluation, "image")}
    levels = {name: note.split("chance ")[1] for name, note in notes.items() if "chance" in note}
    assert levels == {
        "Image AUROC": "0.500",
        "Average precision": "0.750",
        "Pixel AUROC": "0.500",
        "Pixel average precision": "0.040",
        "AUPRO (to 0.3)": "0.150",
    }
    flagging_all = f1_score([1] * 30 + [0] * 10, [1] * 40)
    assert notes["F1 at the threshold"].endswith(f"flagging all {flagging_all:.3f}")


@pytest.mark.parametrize("label", [0, 1])
def test_f1_is_shown_where_there_is_something_to_find_and_to_pass(label: int, parts: dict[str, Any]) -> None:
    calibration, verdicts = parts["calibration"], parts["verdicts"][:6]
    result = evaluate(verdicts, labels=[label] * 6, kinds=["x"] * 6, masks=None, calibration=calibration)
    assert [fact.name for fact in facts(result, "row")] == [("False alarms", "Missed")[label]]


def test_other_rates_are_counted_by_hand(content: ReportContent) -> None:
    lines = at_rates(content)
    assert [line.rate for line in lines] == [0.01, 0.02, 0.05, 0.1, 0.2]  # 99 held out cannot tell lower ones apart
    assert [line.rate for line in lines if line.is_in_use] == [0.05]
    for line in lines:
        held_out = sorted(content.calibration.scores)
        threshold = held_out[100 - round(100 * line.rate) - 1]
        over = [verdict.score > threshold for verdict in content.verdicts]
        counts = [
            sum(each for each, label in zip(over, content.labels, strict=True) if label == kind) for kind in (0, 1)
        ]
        assert (line.threshold, line.flagged, line.found) == (pytest.approx(threshold, rel=1e-5), *counts)
    assert at_rates(replace(content, calibration=content.calibration.with_(threshold=0.2))) == []
    assert at_rates(replace(content, evaluation=None)) == []
    # Of 24 held out, a rate of 1% and one of 5% both take the highest; 10% takes the second, 20% the fifth.
    few = Calibration.fit(np.linspace(0.1, 0.2, 24), false_alarm_rate=0.01)
    lines = at_rates(replace(content, calibration=few))
    assert [(line.rate, line.is_in_use) for line in lines] == [(0.01, True), (0.1, False), (0.2, False)]
    assert [line.threshold for line in lines] == pytest.approx([0.1 + 0.1 * k / 23 for k in (23, 22, 19)], rel=1e-5)


def test_weakest_kind_is_named(content: ReportContent) -> None:
    weakest = min(content.evaluation.kinds_table, key=lambda kind: kind.found / kind.count)
    assert any(f"most often {weakest.kind} ({weakest.found} of {weakest.count} found)" in s for s in sentences(content))


def test_unmeasured_facts_are_left_out(parts: dict[str, Any]) -> None:
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    content = changed(parts, image_auroc=nothing, aupro=None, anomalous_count=0)
    names = [fact.name for fact in facts(content.evaluation, "image")]
    assert not {"Image AUROC", "AUPRO (to 0.3)", "Missed"} & set(names)
    assert {"False alarms", "Pixel AUROC"} <= set(names)


def test_without_good_ones_nothing_is_said_of_what_only_they_show(parts: dict[str, Any]) -> None:
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    content = changed(parts, normal_count=0, anomalous_count=8, missed_defects=8, image_auroc=nothing)
    (missed,) = [sentence for sentence in sentences(content) if "passed unnoticed" in sentence]
    assert "Test good images, too: without any," in missed
    assert "score like good ones" not in missed
    events = EventCounts(events=1, found=0.0, delay=0.0, quiet=0, flagged=0.0, false_alarms=0.0)
    (at_once,) = facts(content.evaluation, "block", None, CausalMeasures(80, float("nan"), float("nan"), events))[-1:]
    assert (at_once.name, at_once.note) == ("At once: events found", "nothing is promised")


def test_an_interval_that_says_nothing_is_none() -> None:
    assert interval(Estimate(0.95, 0.0, 1.0)) == "too few for an interval"
    assert interval(Estimate(0.95, 0.5, 1.0)).replace("\u00a0", " ") == "95%: 0.500 – 1.000"


def test_an_error_that_no_shown_digit_tells_is_not_told() -> None:
    assert computed_within(Estimate(0.9, 0.8, 1.0, error=4e-6)) == ""
    assert computed_within(Estimate(0.9, 0.8, 1.0, error=2e-3)) == "; within 2e-03 of the exact value"


def test_numbers_as_people_write_them() -> None:
    assert [percent(share).replace("\u00a0", " ") for share in (0.0, 0.0005, 0.01, 0.165, 1.0)] == [
        "0%",
        "0.05%",
        "1%",
        "16.5%",
        "100%",
    ]
    assert (number(0.98765), number(float("nan"))) == ("0.988", "–")


def test_nested_options_become_rows() -> None:
    assert flat_options({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None}) == [
        ("a.b.c", "1"),
        ("a.d", "[1, 2]"),
        ("e", "not set"),
    ]


def test_options_of_lists_become_rows_and_many_numbers_their_range() -> None:
    scratches = [{"pixels": 8, "scores": [0.5 * place for place in range(32)]}, {"pixels": 16, "scores": [1.25, 2.5]}]
    assert flat_options({"scratches": scratches, "folds": []}) == [
        ("scratches.1.pixels", "8"),
        ("scratches.1.scores", "32 numbers from 0 to 15.5"),
        ("scratches.2.pixels", "16"),
        ("scratches.2.scores", "[1.25, 2.5]"),
        ("folds", "[]"),
    ]
