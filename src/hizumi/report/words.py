"""The report's sentences and numbers, as a person on the line would say them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hizumi.evaluation import Estimate, Evaluation
from hizumi.report.content import ReportContent
from hizumi.report.tables import printable

SPACE = "\u00a0"  # a number and its unit stay in one line


@dataclass(frozen=True)
class Fact:
    """One number of the summary: its name, its value, and the interval or remark below it."""

    name: str
    value: str
    note: str = ""


def headline(content: ReportContent) -> str:
    """The outcome in one sentence."""
    result, noun = content.evaluation, content.noun
    if result is None:
        alarms = sum(verdict.anomalous for verdict in content.verdicts)
        return f"{alarms or 'None'} of {count(len(content.verdicts), noun)} {'looks' if alarms == 1 else 'look'} anomalous."
    found = result.anomalous_count - result.missed_defects
    finds = f"It found {found} of {count(result.anomalous_count, 'anomalous ' + noun)}"
    alarms = f"raised {count(result.false_alarms, 'false alarm')} on {count(result.normal_count, 'good ' + noun)}"
    if not result.anomalous_count:
        return f"It {alarms}."
    return f"{finds} and {alarms}." if result.normal_count else f"{finds}."


def consequences(content: ReportContent) -> list[str]:
    """What the outcome means, one sentence each, the most pressing first."""
    result = content.evaluation
    sentences = [
        f"Look at the health check first: {finding.message}"
        for finding in content.findings
        if finding.severity == "problem"
    ]
    if result is None:
        rate = content.calibration.threshold.asked_rate
        expected = rate * len(content.verdicts)
        sentences.append(
            f"If every {content.noun} were good, about {expected:.1f} alarms would be expected at a false-alarm rate of "
            f"{percent(rate)}. Nothing is known about what was missed: the inputs have no labels."
        )
        return sentences
    return sentences + _missed(result) + _promise_kept(result)


def facts(evaluation: Evaluation) -> list[Fact]:
    """The numbers of the summary; those that could not be measured are left out."""
    found = [
        Fact("Missed", f"{evaluation.missed_defects} / {evaluation.anomalous_count}", "anomalous, not alarmed"),
        Fact("False alarms", f"{evaluation.false_alarms} / {evaluation.normal_count}", "good, but alarmed"),
    ]
    estimates = (
        ("Image AUROC", evaluation.image_auroc),
        ("Average precision", evaluation.average_precision),
        ("Pixel AUROC", evaluation.pixel_auroc),
        ("Pixel average precision", evaluation.pixel_average_precision),
        ("AUPRO (to 0.3)", evaluation.aupro),
    )
    found += [Fact(name, number(e.value), interval(e)) for name, e in estimates if e is not None and is_known(e.value)]
    found += [
        Fact(name, number(value), note)
        for name, value, note in (
            ("F1 at the threshold", evaluation.f1, f"precision {number(evaluation.precision)}, recall {number(evaluation.recall)}"),
            ("Best F1", evaluation.best_f1, "oracle: threshold chosen on the test set"),
        )
        if is_known(value)
    ]
    return found


def is_known(value: float | None) -> bool:
    """Whether a measure has a value."""
    return value is not None and math.isfinite(value)


def count(amount: int, noun: str) -> str:
    """An amount with its noun: "1 image", "3 images"."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def percent(share: float) -> str:
    """A share in percent, with as many digits as it needs below one percent."""
    return f"{100 * share:.1f}{SPACE}%" if share >= 0.01 or share == 0 else f"{100 * share:.2g}{SPACE}%"


def number(value: float) -> str:
    """A measure in [0, 1] with three digits."""
    return f"{value:.3f}" if is_known(value) else "–"


def interval(estimate: Estimate) -> str:
    """The 95 % interval of a measure."""
    return f"95{SPACE}% interval {number(estimate.low)} to {number(estimate.high)}"


def flat_options(options: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """(name, value) of every option, those of parts as "part.option"."""
    rows = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            rows += flat_options(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", "not set" if value is None else printable(str(value))))
    return rows


def _missed(result: Evaluation) -> list[str]:
    if not result.anomalous_count:
        return ["The test set has no anomalous images: nothing is known about what would be missed."]
    if not result.missed_defects:
        return ["Nothing anomalous was missed."]
    share = percent(result.missed_defects / result.anomalous_count)
    weakest = max(result.kinds_table, key=lambda kind: kind.missed / max(kind.count, 1), default=None)
    sentence = f"{share} of the anomalous passed unnoticed"
    if weakest is not None and len(result.kinds_table) > 1 and weakest.missed:
        sentence += f", most often {weakest.kind} ({weakest.found} of {weakest.count} found)"
    return [f"{sentence}."]


def _promise_kept(result: Evaluation) -> list[str]:
    if not result.normal_count:
        return ["The test set has no good images: nothing is known about false alarms."]
    realised, asked = result.realised_false_alarm_rate, result.false_alarm_rate
    measured = f"{percent(realised.value)} of the good were alarmed, where {percent(asked)} was asked for"
    if realised.low <= asked <= realised.high:
        return [f"{measured}: within what chance allows."]
    if asked < realised.low:
        return [
            f"{measured}: more than chance explains. The good parts tested differ from those it was calibrated on; "
            "calibrate again with good parts like these."
        ]
    return [f"{measured}: fewer than asked for, so a lower threshold would find more."]
