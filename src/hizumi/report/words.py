"""Sentences and numbers of the report, in plain words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizumi.calibration import Calibration
from hizumi.calibration.conformal import images_needed, upper_rate
from hizumi.calibration.rules import WITHOUT_RATE
from hizumi.evaluation import Estimate, Evaluation
from hizumi.evaluation.causal import CausalMeasures
from hizumi.evaluation.metrics import PRO_LIMIT
from hizumi.evaluation.pixels import part_of
from hizumi.evaluation.series import SeriesMeasures
from hizumi.report.content import ANOMALOUS, NORMAL, UNKNOWN, ReportContent
from hizumi.report.rates import RATES, at_rates
from hizumi.runs.nouns import folds_offered
from hizumi.storage.files import printable
from hizumi.training.health import UNLIKE_OTHERS
from hizumi.words import counted

SPACE = "\u00a0"  # a number and its unit stay in one line
CHANCE = 0.5  # AUROC of scores that know nothing
WELL_RANKED = 0.9  # AUROC from which on a missed defect is the threshold's fault
MOST = 0.5  # of the anomalous ones
HIGHEST_ADVISED = 0.1  # false-alarm rate, of what drawn scratches alone speak for
NUMBERS_SHOWN = 16  # of an option
LAST_DIGIT = 0.001  # of a measure as it is shown
BEYOND_CHANCE = 3.0  # standard deviations, of good scores' ranks among the held-out ones
FEW_LEARNED = 50  # good items, below which more of them may help
PERHAPS_IN = dict.fromkeys(("image", "frame"), ", perhaps in light, focus or place")
"""In what good items may differ from those learned from, by what an item is called."""
LARGER = dict.fromkeys(("image", "frame"), "a larger image size or ") | {"block": "longer windows (--length) or "}
"""What may help beside another detector where the scores are not in order, likewise."""
OF_RULE = {
    "best-f1": "The threshold is that of the largest F1 on labelled data, and no rate was asked for.",
    "given": "The threshold was given, and no rate was asked for.",
    "cost": "The threshold is that of the lowest expected cost, and no rate was asked for.",
}
"""What rules that know no false-alarm rate say in its place."""


@dataclass(frozen=True)
class Fact:
    """One number of the summary: its name, its value, and the interval or remark below it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Consequence:
    """One sentence on what the outcome means; a pressing one calls for action before the detector is used."""

    text: str
    is_pressing: bool = False


def headline(content: ReportContent) -> str:
    """The outcome in one sentence."""
    result, noun = content.evaluation, content.noun
    if result is None:
        alarms = sum(verdict.anomalous for verdict in content.verdicts)
        verb = "looks" if alarms == 1 else "look"
        return f"{alarms or 'None'} of {counted(len(content.verdicts), noun)} {verb} anomalous."
    found = result.anomalous_count - result.missed_defects
    finds = f"The detector found {found} of {counted(result.anomalous_count, 'anomalous ' + noun)}"
    raised = f"raised {counted(result.false_alarms, 'false alarm')} on {counted(result.normal_count, 'good ' + noun)}"
    if not result.anomalous_count:
        return f"The detector {raised}."
    return f"{finds} and {raised}." if result.normal_count else f"{finds}."


def consequences(content: ReportContent) -> list[Consequence]:
    """What the outcome means, one sentence each, the most pressing first."""
    found = [
        Consequence(f"Look at the health of the fit first: {finding.message}", is_pressing=True)
        for finding in content.findings
        if finding.severity == "problem"
    ]
    result = content.evaluation
    if result is None:
        return [*found, _without_labels(content)]
    found += _ranking(result, content)
    found += [_missed(result, content), _promise_kept(result, content)]
    found += _unlike(result, content)
    return sorted(found, key=lambda consequence: not consequence.is_pressing)


def facts(
    evaluation: Evaluation, noun: str, measures: SeriesMeasures | None = None, causal: CausalMeasures | None = None
) -> list[Fact]:
    """The numbers of the summary, without those that could not be measured; of series with those of events."""
    counts = (
        ("Missed", evaluation.missed_defects, evaluation.anomalous_count, "anomalous, not flagged"),
        ("False alarms", evaluation.false_alarms, evaluation.normal_count, "good, but flagged"),
    )
    found = [Fact(name, f"{amount} / {total}", note) for name, amount, total, note in counts if total]
    part = part_of(noun).capitalize()
    estimates = (
        ("AUROC" if noun == "row" else f"{noun.capitalize()} AUROC", evaluation.image_auroc),
        ("Average precision", evaluation.average_precision),
        (f"{part} AUROC", evaluation.pixel_auroc),
        (f"{part} average precision", evaluation.pixel_average_precision),
        ("AUPRO (to 0.3)", evaluation.aupro),
    )
    known = [(name, estimate) for name, estimate in estimates if estimate is not None and is_known(estimate.value)]
    anomalous = evaluation.anomalous_count / max(evaluation.anomalous_count + evaluation.normal_count, 1)
    chance = {
        "Average precision": anomalous,
        f"{part} average precision": evaluation.defective_share,
        "AUPRO (to 0.3)": PRO_LIMIT / 2,
    }
    for name, each in known:
        note = f"{interval(each)}; chance {number(chance.get(name, CHANCE))}{computed_within(each)}"
        found.append(Fact(name, number(each.value), note))
    if is_known(evaluation.best_f1):  # without good items every threshold low enough is perfect, and F1 is recall alone
        note = f"best possible {number(evaluation.best_f1)}; flagging all {number(2 * anomalous / (1 + anomalous))}"
        found.append(Fact("F1 at the threshold", number(evaluation.f1), note))
    found += [] if measures is None else _facts_on_steps(measures)
    return found if causal is None else [*found, *_facts_at_once(causal)]


def _facts_on_steps(measures: SeriesMeasures) -> list[Fact]:
    """How scores rank steps, and which events the alarms find, beside what chance gives."""
    found = []
    for name, each in (("VUS-PR", measures.vus_pr), ("VUS-ROC", measures.vus_roc)):
        if is_known(each.pooled.value):
            median = f"; median of {each.recordings} recordings {number(each.median.value)}"
            note = f"{interval(each.pooled)}; chance {number(each.pooled_by_chance)}"
            found.append(Fact(name, number(each.pooled.value), note + (median if each.recordings > 1 else "")))
    events = measures.events
    if events.events:
        chance = f"the same alarms at another time: {100 * measures.event_recall.pooled_by_chance:.3g}%"
        found.append(Fact("Events found", f"{events.found:.0f} / {events.events}", chance))
    if is_known(delay := measures.mean_delay.pooled.value):
        found.append(Fact("Delay of the first alarm", f"{delay:.3g} steps", "mean over the events found"))
    if is_known(rate := measures.false_alarms_per_1000.pooled.value):
        note = f"{counted(round(events.false_alarms), 'alarm')}; those less than a window apart are one"
        found.append(Fact("False alarms per 1,000 normal steps", f"{rate:.3g}", note))
    return found


def _facts_at_once(causal: CausalMeasures) -> list[Fact]:
    """What is known without waiting for the windows over a step that have not ended yet."""
    found, events = [], causal.events
    if is_known(causal.vus_pr):
        note = f"score of the newest window alone; average precision of steps {number(causal.average_precision)}"
        found.append(Fact("At once: VUS-PR", number(causal.vus_pr), note))
    if events.events:
        late = f"{events.mean_delay:.3g} steps late, " if events.found else ""
        rate = events.false_alarms_per_1000
        alarms = f"{rate:.3g} false alarms per 1,000 normal steps; " if is_known(rate) else ""
        note = f"{late}{alarms}nothing is promised"
        found.append(Fact("At once: events found", f"{events.found:.0f} / {events.events}", note))
    return found


def describe_scores(content: ReportContent) -> str:
    """Text alternative of the score histogram."""
    scores, labels = np.array([verdict.score for verdict in content.verdicts]), content.labels
    parts = [
        f"{name}: {(labels == label).sum()}, median {np.median(scores[labels == label]):.4g}"
        for name, label in (("good", NORMAL), ("anomalous", ANOMALOUS), ("scored", UNKNOWN))
        if (labels == label).any()
    ]
    return f"Histogram of scores. {'; '.join(parts)}. Threshold {content.calibration.threshold.value:.4g}."


def describe_curves(evaluation: Evaluation) -> str:
    """Text alternative of the ROC and precision-recall curves."""
    return (
        f"ROC curve with area {number(evaluation.image_auroc.value)} and precision-recall curve with average precision "
        f"{number(evaluation.average_precision.value)}; the marks are the threshold's precision "
        f"{number(evaluation.precision)} and recall {number(evaluation.recall)}."
    )


def is_known(value: float | None) -> bool:
    """Whether a measure has a value."""
    return value is not None and math.isfinite(value)


def percent(share: float) -> str:
    """A share in percent, with three digits at most, two below one percent."""
    return f"{100 * share:{'.3g' if share >= 0.01 else '.2g'}}%"


def number(value: float | None) -> str:
    """A measure in [0, 1] with three digits."""
    return f"{value:.3f}" if value is not None and math.isfinite(value) else "–"


def seconds(value: float) -> str:
    """So many seconds, with tenths below ten."""
    return f"{value:.{1 if value < 10 else 0}f}"


def interval(estimate: Estimate) -> str:
    """The 95% interval of a measure, where it says anything."""
    if estimate.low <= 0 and estimate.high >= 1:
        return "too few for an interval"
    return f"95%: {number(estimate.low)}{SPACE}–{SPACE}{number(estimate.high)}"


def computed_within(estimate: Estimate) -> str:
    """Remark on how far a measure may lie from the exact one; empty where its three digits are exact."""
    return f"; within {estimate.error_bound} of the exact value" if estimate.error >= LAST_DIGIT / 2 else ""


def flat_options(options: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """(name, value) of every option; nested ones are named "part.option", those in a list "part.1.option"."""
    rows = []
    for name, value in options.items():
        if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            value = {str(place): each for place, each in enumerate(value, 1)}
        if isinstance(value, Mapping):
            rows += flat_options(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", _shown(value)))
    return rows


def _shown(value: Any) -> str:
    """An option's value; of many numbers, how many they are and how far they go."""
    if value is None:
        return "not set"
    if isinstance(value, list) and len(value) > NUMBERS_SHOWN and all(isinstance(each, float) for each in value):
        return f"{len(value)} numbers from {min(value):.6g} to {max(value):.6g}"
    return printable(str(value))


def _without_labels(content: ReportContent) -> Consequence:
    rate, total = content.calibration.threshold.asked_rate, counted(len(content.verdicts), content.noun)
    unknown = "How many anomalies were missed is not known: nothing here has a label."
    if content.calibration.rule in WITHOUT_RATE:
        return Consequence(f"{unknown} {OF_RULE[content.calibration.rule]}")
    return Consequence(
        f"If all {total} were good, about {rate * len(content.verdicts):.1f} alarms would be expected at a false-alarm "
        f"rate of {percent(rate)}. {unknown}"
    )


def _ranking(result: Evaluation, content: ReportContent) -> list[Consequence]:
    """What is wrong with the order of the scores, if anything."""
    auroc, noun = result.image_auroc, content.noun
    if not is_known(auroc.low) or auroc.low > CHANCE:
        return []
    if auroc.high < CHANCE:
        sentence = (
            f"The scores run backwards: good {noun}s score higher than anomalous ones. These good {noun}s then differ "
            f"from those it learned from{PERHAPS_IN.get(noun, '')}: compare the two, and learn from good {noun}s like "
            "these."
        )
    elif auroc.high >= WELL_RANKED:
        few = f"{noun}s" if result.groups is None else "groups"
        sentence = (
            f"So few {few} do not show whether the scores tell anomalous from good better than chance does: test more, "
            "good and anomalous."
        )
        return [Consequence(sentence)]
    else:
        longer = "" if content.options.get("phases") == [] else "train longer, or "  # what has nothing to train cannot
        sentence = f"The scores tell anomalous from good no better than chance does: {longer}try another detector."
    return [Consequence(sentence, is_pressing=True)]


def _missed(result: Evaluation, content: ReportContent) -> Consequence:
    noun = content.noun
    if not result.anomalous_count:
        return Consequence(
            f"No {noun} here is marked anomalous, so each counts as good, and what would be missed is not known."
        )
    if not result.missed_defects:
        return Consequence("Nothing anomalous was missed.")
    share = result.missed_defects / result.anomalous_count
    missed = f"{result.missed_defects} of {counted(result.anomalous_count, 'anomalous ' + noun)}"
    sentence = f"{missed} passed unnoticed ({percent(share)})"
    weakest = max(result.kinds_table, key=lambda kind: kind.missed / kind.count)
    if len(result.kinds_table) > 1:
        sentence += f", most often {weakest.kind} ({weakest.found} of {weakest.count} found)"
    sentence += f".{_declared(content.options)}"
    if share <= MOST:
        return Consequence(sentence)
    return Consequence(f"{sentence} {_remedy(result, content)}", is_pressing=True)


def _declared(options: Mapping[str, Any]) -> str:
    """What the fit took for normal because it was declared, where anything was: some of what is missed may be such."""
    if options.get("variation") is None:
        return ""
    from hizumi.data.variation import Variation  # which loads torch

    said = "; ".join(Variation(**options["variation"]).assumptions)
    return f" At the fit it was {said}. If those missed are such, fit without it."


def _remedy(result: Evaluation, content: ReportContent) -> str:
    """What helps where most defects pass: another threshold where the scores are in order, other scores where not."""
    noun = content.noun
    if not result.normal_count:
        return f"Test good {noun}s, too: without any, whether the scores or the threshold are at fault is not known."
    gain = _found_at_another_rate(content)
    suspects = next((finding for finding in content.findings if finding.name == UNLIKE_OTHERS), None)
    # Defects among the good ones raise the threshold: where good ones are flagged as often as asked, none are.
    is_kept = result.realised_false_alarm_rate.value >= _expected_rate(content.calibration) / 2
    if suspects and not is_kept and _middle_rank(content) is None:
        return f"The threshold is too high: {suspects.message}. {_begun(suspects.remedy)}.{gain}"
    if not result.image_auroc.value >= WELL_RANKED:
        learned_from = content.options.get("training_images", FEW_LEARNED)
        more = "" if learned_from >= FEW_LEARNED else f"give more good {noun}s to learn from than {learned_from}, or "
        others = f"try {LARGER.get(noun, '')}another detector (hizumi compare)"
        return f"Too many of them score like good ones, whatever the threshold: {more}{others}.{gain}"
    if reason := few_held_out(content.calibration, noun, folds=folds_offered(content.options)):
        return f"The scores are in order, but the threshold is too high. {reason}{gain}"
    return f"The scores are in order, but the threshold is too high: accept a higher false-alarm rate.{gain}"


def few_held_out(calibration: Calibration, noun: str, *, folds: int | None) -> str:
    """What follows where the threshold is the largest score that set it, and what to do; "" where it is not.

    `folds` says how many the fit could have been by; None: by none.
    """
    threshold, held_out = calibration.threshold, len(calibration.scores)
    needed = images_needed(threshold.asked_rate)
    if threshold.rule != "conformal" or held_out >= needed:
        return ""
    decides = "the highest score of one of them decides"
    enough = f"{needed} groups or more" if calibration.units < held_out else f"{needed} or more"
    if "folds" in calibration.options:
        unseen = f"{counted(held_out, 'good ' + noun)}, each scored by a fit that had not seen it"
        return f"With {unseen}, {decides}: give {enough}, or accept a higher --false-alarm-rate."
    if noun == "block":
        return (
            f"With {counted(held_out, 'held-out good block')}, {decides}: give longer recordings or shorter windows "
            f"(--length), so that {needed} or more blocks are held out, or accept a higher --false-alarm-rate."
        )
    by_folds = "" if folds is None else f"fit with --folds {folds}, which lets all good {noun}s set the threshold, "
    return (
        f"With {counted(held_out, 'held-out good ' + noun)}, {decides}: {by_folds}hold out {enough}, or accept "
        "a higher --false-alarm-rate."
    )


def scratches_found(drawn: Sequence[Mapping[str, Any]], calibration: Calibration) -> str:
    """Of scratches that the fit drew on normal images, by their length, how many lie above the threshold; "" of none.

    `drawn` is what the record of the fit says of them.
    """
    if not drawn:
        return ""
    images = max(len(each["scores"]) for each in drawn)
    parts = []
    for each in drawn:
        scores = np.array(each["scores"])
        among = "" if len(scores) == images else f" of {len(scores)}"
        parts.append(f"one {each['pixels']} pixels long is found in {calibration.is_anomalous(scores).sum()}{among}")
    return (
        f"As a check, scratches were drawn on {counted(images, 'good image')} that it had not learned from: "
        f"{', '.join(parts)}. Real defects may be easier or harder to find."
        f"{_scratch_at_another_rate(drawn, calibration)}"
    )


def _scratch_at_another_rate(drawn: Sequence[Mapping[str, Any]], calibration: Calibration) -> str:
    """The lowest rate at which most scratches of some length are found that are missed now, the longest of those."""
    if calibration.rule in WITHOUT_RATE:
        return ""
    for rate in (rate for rate in RATES if rate <= HIGHEST_ADVISED):  # at lower ones than asked for, no more is found
        limit = calibration.with_(false_alarm_rate=rate).threshold.value
        for each in reversed(drawn):
            scores = np.array(each["scores"])
            most, found = MOST * len(scores), (scores > limit).sum()
            if calibration.is_anomalous(scores).sum() <= most < found:
                return f" With --false-alarm-rate {rate:g}, one {each['pixels']} pixels long would be found in {found}."
    return ""


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _found_at_another_rate(content: ReportContent) -> str:
    """What the lowest rate in the table of rates that finds most would find; "" where none does."""
    for line in at_rates(content):
        if line.rate > content.calibration.false_alarm_rate and line.found > MOST * line.anomalous:
            flagged = f" and flag {line.flagged} of {line.good} good ones" if line.good else ""
            return f" At a rate of {percent(line.rate)} it would find {line.found} of {line.anomalous} here{flagged}."
    return ""


def _unlike(result: Evaluation, content: ReportContent) -> list[Consequence]:
    """What the images tested differ in; pressing where the scores show it."""
    if not content.differences:
        return []
    exceeds = _expected_rate(content.calibration) < result.realised_false_alarm_rate.low
    follows_rate = content.calibration.rule not in WITHOUT_RATE
    is_harmful = (follows_rate and exceeds) or result.image_auroc.high < CHANCE
    what = f"{'good ' if result.normal_count else ''}{content.noun}s"
    sentence = f"Most {what} here are unlike those it learned from: {', '.join(content.differences)}."
    advice = " Record new ones as those were, or fit on good ones like these." if is_harmful else ""
    return [Consequence(f"{sentence}{advice}", is_pressing=is_harmful)]


def _expected_rate(calibration: Calibration) -> float:
    """The false-alarm rate asked for, or the lowest that so few held-out inputs can promise."""
    lowest = 1 / (calibration.units + 1) if calibration.threshold.rule == "conformal" else 0.0
    return max(calibration.false_alarm_rate, lowest)


def _highest_rate(expected: float, calibration: Calibration) -> float:
    """The rate that chance allows, with 95% confidence, to the one set of scores that set a threshold."""
    if calibration.threshold.rule != "conformal":
        return expected
    return upper_rate(calibration.units, calibration.threshold.asked_rate)


def _middle_rank(content: ReportContent) -> float | None:
    """The share of held-out scores below the middle good one here, where good ones score higher; None where not.

    That is where Mann and Whitney's statistic is beyond chance, if images of one group were all alike. Of blocks
    nothing is said: they are not independent.
    """
    held_out, result = content.calibration.scores, content.evaluation
    good = np.array([verdict.score for verdict in content.verdicts])[content.labels == NORMAL]
    if content.noun == "block" or not len(good):
        return None
    below = sum(np.searchsorted(held_out, good, side) for side in ("left", "right")) / (2 * len(held_out))
    units, tested = content.calibration.units, len(good)
    if result is not None and result.normal_groups is not None:
        tested = result.normal_groups
    deviation = math.sqrt((units + tested + 1) / (12 * units * tested))
    return float(np.median(below)) if below.mean() > CHANCE + BEYOND_CHANCE * deviation else None


def _promise_kept(result: Evaluation, content: ReportContent) -> Consequence:
    noun = content.noun
    if not result.normal_count:
        return Consequence(f"The test set has no good {noun}s: how many false alarms it raises is not known.")
    realised, asked = result.realised_false_alarm_rate, content.calibration.false_alarm_rate
    if content.calibration.rule in WITHOUT_RATE:
        share = f"{percent(realised.value)} of the good {noun}s were flagged ({interval(realised)})"
        return Consequence(f"{share}. {OF_RULE[content.calibration.rule]}")
    expected = _expected_rate(content.calibration)
    measured = f"{percent(realised.value)} of the good {noun}s were flagged, where {percent(asked)} was asked for"
    held_out, units = len(content.calibration.scores), content.calibration.units
    few = counted(held_out, f"held-out good {noun}")
    if units < held_out:
        few += f" of {counted(units, 'group')}"
    if expected > asked:
        says = "promise nothing: it may be {}" if units < held_out else "can promise {} at the lowest"
        measured += f", and {few} {says.format(percent(expected))}"
    by_chance, rank = _highest_rate(expected, content.calibration), _middle_rank(content)
    advice = f"calibrate again with good {noun}s like them"
    if noun != "block":
        advice += ", and if one part was recorded several times, name it in the group column of a CSV manifest"
    if by_chance < realised.low:
        differ = f"These good {noun}s differ from those it was calibrated on"
        return Consequence(f"{measured}: more than chance explains. {differ}: {advice}.", is_pressing=True)
    if rank is not None:
        differ = f"Yet good {noun}s here score higher than those held out, half of them above {percent(rank)} of those"
        return Consequence(f"{measured}. {differ}; for such no rate is promised: {advice}.", is_pressing=True)
    if expected < realised.low:
        return Consequence(
            f"{measured}: within chance, for by one set of {few} it may be {percent(by_chance)}. More of them come "
            "nearer to what is promised."
        )
    if asked > realised.high:
        return Consequence(f"{measured}: fewer than chance explains, so a lower threshold would find more.")
    return Consequence(f"{measured}: the difference is within chance.")
