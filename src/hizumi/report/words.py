"""Sentences and numbers of the report, in plain words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizumi.evaluation import Estimate, Evaluation
from hizumi.report.content import ANOMALOUS, NORMAL, UNKNOWN, ReportContent
from hizumi.storage.files import printable

SPACE = "\u00a0"  # a number and its unit stay in one line


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
        return f"{alarms or 'None'} of {count(len(content.verdicts), noun)} {verb} anomalous."
    found = result.anomalous_count - result.missed_defects
    finds = f"The detector found {found} of {count(result.anomalous_count, 'anomalous ' + noun)}"
    raised = f"raised {count(result.false_alarms, 'false alarm')} on {count(result.normal_count, 'good ' + noun)}"
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
    if is_known(result.image_auroc.low) and result.image_auroc.low <= 0.5:
        sentence = (
            "The scores tell anomalous from good no better than chance does: train longer, or try another detector."
        )
        found.append(Consequence(sentence, is_pressing=True))
    found += [_missed(result, content.noun), _promise_kept(result, content.noun)]
    return sorted(found, key=lambda consequence: not consequence.is_pressing)


def facts(evaluation: Evaluation, noun: str) -> list[Fact]:
    """The numbers of the summary, without those that could not be measured."""
    counts = (
        ("Missed", evaluation.missed_defects, evaluation.anomalous_count, "anomalous, not flagged"),
        ("False alarms", evaluation.false_alarms, evaluation.normal_count, "good, but flagged"),
    )
    found = [Fact(name, f"{amount} / {total}", note) for name, amount, total, note in counts if total]
    estimates = (
        ("Image AUROC" if noun == "image" else "AUROC", evaluation.image_auroc),
        ("Average precision", evaluation.average_precision),
        ("Pixel AUROC", evaluation.pixel_auroc),
        ("Pixel average precision", evaluation.pixel_average_precision),
        ("AUPRO (to 0.3)", evaluation.aupro),
    )
    found += [Fact(name, number(e.value), interval(e)) for name, e in estimates if e is not None and is_known(e.value)]
    if is_known(evaluation.f1):
        note = f"precision {number(evaluation.precision)}, recall {number(evaluation.recall)}"
        found.append(
            Fact("F1 at the threshold", number(evaluation.f1), f"{note}; best possible {number(evaluation.best_f1)}")
        )
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


def count(amount: int, noun: str) -> str:
    """An amount with its noun: "1 image", "3 images"."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def percent(share: float) -> str:
    """A share in percent, with three digits at most, two below one percent."""
    return f"{100 * share:{'.3g' if share >= 0.01 else '.2g'}}{SPACE}%"


def number(value: float) -> str:
    """A measure in [0, 1] with three digits."""
    return f"{value:.3f}" if is_known(value) else "–"


def interval(estimate: Estimate) -> str:
    """The 95 % interval of a measure."""
    return f"95{SPACE}%: {number(estimate.low)}{SPACE}–{SPACE}{number(estimate.high)}"


def flat_options(options: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """(name, value) of every option; nested ones are named "part.option"."""
    rows = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            rows += flat_options(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", "not set" if value is None else printable(str(value))))
    return rows


def _without_labels(content: ReportContent) -> Consequence:
    rate, total = content.calibration.threshold.asked_rate, count(len(content.verdicts), content.noun)
    return Consequence(
        f"If all {total} were good, about {rate * len(content.verdicts):.1f} alarms would be expected at a false-alarm "
        f"rate of {percent(rate)}. How many anomalies were missed is not known: nothing here has a label."
    )


def _missed(result: Evaluation, noun: str) -> Consequence:
    if not result.anomalous_count:
        return Consequence(f"The test set has no anomalous {noun}s: what would be missed is not known.")
    if not result.missed_defects:
        return Consequence("Nothing anomalous was missed.")
    sentence = f"{percent(result.missed_defects / result.anomalous_count)} of the anomalous {noun}s passed unnoticed"
    weakest = max(result.kinds_table, key=lambda kind: kind.missed / kind.count)
    if len(result.kinds_table) > 1:
        sentence += f", most often {weakest.kind} ({weakest.found} of {weakest.count} found)"
    return Consequence(f"{sentence}.")


def _promise_kept(result: Evaluation, noun: str) -> Consequence:
    if not result.normal_count:
        return Consequence(f"The test set has no good {noun}s: how many false alarms it raises is not known.")
    realised, asked = result.realised_false_alarm_rate, result.false_alarm_rate
    measured = f"{percent(realised.value)} of the good {noun}s were flagged, where {percent(asked)} was asked for"
    if asked < realised.low:
        advice = (
            f"These good {noun}s differ from those it was calibrated on: calibrate again with good {noun}s like them, "
            "and if one part was recorded several times, name it in the group column of a CSV manifest."
        )
        return Consequence(f"{measured}: more than chance explains. {advice}", is_pressing=True)
    if asked > realised.high:
        return Consequence(f"{measured}: fewer than chance explains, so a lower threshold would find more.")
    return Consequence(f"{measured}: the difference is within chance.")
