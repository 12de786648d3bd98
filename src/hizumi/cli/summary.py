"""Results for programs (the keys of --json) and for people (what the commands print at their end)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hizumi.cli.console import BAD, GOOD, WARNING, coloured, console_beside, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from hizumi.generation import Modeller
    from hizumi.inspection import Inspector, InspectorBase
    from hizumi.report import ReportContent
    from hizumi.runtime import ExportedInspector

FAILURES_SHOWN = 10


def fit_result(inspector: "Inspector") -> dict[str, Any]:
    """What was fitted, how its threshold came about, and what was found on the way."""
    options, calibration = inspector.options_, inspector.calibration_
    return {
        "detector": options["detector"]["name"],
        "data": options["data"],
        "training_images": options["training_images"],
        "calibration_images": options["calibration_images"],
        "fit_seconds": options["fit_seconds"],
        **calibration_result(inspector),
        "promise": calibration.promise(),
        "findings": [finding.to_dict() for finding in inspector.findings_],
        "notes": list(inspector.notes_),
        "failures": [{"name": failure.name, "reason": failure.reason} for failure in inspector.failures_],
        "options": options,
    }


def exported_result(inspector: "ExportedInspector") -> dict[str, Any]:
    """What was exported, its threshold, and how it compares with what it was made from."""
    options = dict(inspector.options_)
    return {
        "detector": options["detector"]["name"],
        "data": options["data"],
        **calibration_result(inspector),
        "promise": inspector.calibration_.promise(),
        "parity": dict(inspector.parity_),
        "options": options,
    }


def model_result(modeller: "Modeller") -> dict[str, Any]:
    """What was trained, and what was found on the way."""
    options = modeller.options_
    return {
        "name": options["model"]["name"],
        "data": options["data"],
        "training_images": options["training_images"],
        "fit_seconds": options["fit_seconds"],
        "classes": options["classes"],
        "findings": [finding.to_dict() for finding in modeller.findings_],
        "notes": list(modeller.notes_),
        "failures": [{"name": failure.name, "reason": failure.reason} for failure in modeller.failures_],
        "options": options,
    }


def calibration_result(inspector: "InspectorBase") -> dict[str, Any]:
    """The threshold and where it comes from."""
    calibration = inspector.calibration_
    pixel = calibration.pixel_threshold
    return {
        "rule": calibration.rule,
        "false_alarm_rate": calibration.false_alarm_rate,
        "promised_rate": calibration.threshold.promised_rate,
        "threshold": calibration.threshold.value,
        "pixel_threshold": None if pixel is None else pixel.value,
    }


def assessment_result(content: "ReportContent") -> dict[str, Any]:
    """The measures of an evaluation with what was evaluated; what it was evaluated on, the caller knows."""
    measures = {} if content.evaluation is None else content.evaluation.to_dict()
    return {
        "detector": content.detector,
        **measures,
        "fit_seconds": content.options["fit_seconds"],
        "findings": [_finding(finding) for finding in content.findings],
        "failures": [{"name": name, "reason": reason} for name, reason in content.failures],
        "options": dict(content.options),
    }


def verdict_rows(content: "ReportContent") -> list[dict[str, Any]]:
    """One flat row for each verdict, for CSV."""
    return [
        {"kind": kind, "label": None if label < 0 else int(label), **verdict.to_row()}
        for verdict, kind, label in zip(content.verdicts, content.kinds, content.labels, strict=True)
    ]


def show_fit(console: "Console", inspector: "Inspector") -> None:
    """What was fitted, in a table, and everything that a person should know about it."""
    options, calibration = inspector.options_, inspector.calibration_
    shape = "x".join(str(size) for size in options["shape"])
    calibrated_on = f"{options['calibration_images']} others"
    if options["folds"] is not None:
        calibrated_on = f"the same, each scored by one of {options['folds']} fits that had not seen it"
    rows = [
        ["Detector", options["detector"]["name"]],
        ["Learned from", f"{options['training_images']} normal inputs of {options['data']}, as {shape}"],
        ["Calibrated on", calibrated_on],
        ["Threshold", f"{calibration.threshold.value:.6g} ({calibration.rule})"],
        ["Time", f"{options['fit_seconds']:.1f} s"],
    ]
    print_table(console, ["Fit", ""], rows)
    console.print(calibration.promise())
    show_remarks(console, inspector.notes_, [(failure.name, failure.reason) for failure in inspector.failures_])
    show_findings(console, inspector.findings_)


def show_model(console: "Console", modeller: "Modeller") -> None:
    """What was trained, in a table, and everything that a person should know about it."""
    options = modeller.options_
    shape = "x".join(str(size) for size in options["shape"])
    rows = [
        ["Model", options["model"]["name"]],
        ["Family", modeller.model_.card.family],
        ["Learned from", f"{options['training_images']} items of {options['data']}, as {shape}"],
        ["Classes", ", ".join(options["classes"]) or "-"],
        ["Time", f"{options['fit_seconds']:.1f} s"],
    ]
    print_table(console, ["Model", ""], rows)
    show_remarks(console, modeller.notes_, [(failure.name, failure.reason) for failure in modeller.failures_])
    show_findings(console, modeller.findings_)


def show_parity(console: "Console", parity: Mapping[str, Any]) -> None:
    """How an exported graph compares with the detector in torch."""
    worst = max(parity["differences"], key=lambda name: parity["differences"][name])
    rows = [
        ["Compared", f"{parity['verdicts']} verdicts, of which {parity['changed']} change"],
        ["Largest difference", f"{parity['differences'][worst]:.1e} of the largest value ({worst})"],
        ["Rank agreement", f"{parity['rank']:.6f}"],
    ]
    if parity["torch_auroc"] is not None:
        rows.append(["AUROC", f"{parity['graph_auroc']:.4f}, {parity['torch_auroc']:.4f} in torch"])
    print_table(console, ["Export", ""], rows)


def show_plan(plan: Mapping[str, Any], json_to: str | None, what: str) -> None:
    """Resolved options and what the fit or training would cost."""
    from hizumi.report.words import flat_options
    from hizumi.storage.tables import write_json

    if json_to is not None:
        write_json(json_to, plan)
    console = console_beside(json_to)
    estimate = plan["estimate"]
    print_table(console, ["Option", "Value"], flat_options({k: v for k, v in plan.items() if k != "estimate"}))
    gib = estimate["memory_bytes"] / 2**30
    console.print(
        f"The {what} would take about {estimate['seconds']:.0f} s and {gib:.1f} GiB of memory. Nothing was written."
    )


def show_assessment(console: "Console", content: "ReportContent") -> None:
    """The outcome in words and numbers, the most pressing first."""
    from hizumi.report.words import consequences, facts, headline

    show_remarks(console, content.data_notes, content.failures)
    evaluation = content.evaluation
    if evaluation is not None:
        measures = [[fact.name, fact.value, fact.note] for fact in facts(evaluation, content.noun)]
        print_table(console, ["Measure", ">Value", "Interval or remark"], measures, content.title)
        kinds = [
            [kind.kind, kind.count, kind.found, kind.missed, f"{kind.image_auroc:.3f}"]
            for kind in evaluation.kinds_table
        ]
        if kinds:
            print_table(console, ["Kind", ">Count", ">Found", ">Missed", ">AUROC"], kinds)
    console.print(headline(content), style="bold")
    for consequence in consequences(content):
        console.print(coloured(f"- {consequence.text}", WARNING if consequence.is_pressing else ""))


def show_findings(console: "Console", findings: Iterable[Any]) -> None:
    """What the health check found, with remedies."""
    found = list(findings)
    for finding in found:
        style = BAD if finding.severity == "problem" else WARNING
        console.print(coloured(f"{finding.severity.capitalize()}: {finding.message}. Remedy: {finding.remedy}.", style))
    if not found:
        console.print(coloured("Health check: nothing found.", GOOD))


def show_remarks(console: "Console", notes: Iterable[str], failures: Sequence[tuple[str, str]]) -> None:
    """What was assumed about the data, and what could not be read."""
    for note in notes:
        console.print(coloured(f"Note: {note}.", WARNING))
    for name, reason in failures[:FAILURES_SHOWN]:
        console.print(coloured(f"Not read: {name}: {reason}", BAD))
    if len(failures) > FAILURES_SHOWN:
        console.print(coloured(f"... and {len(failures) - FAILURES_SHOWN} more; {len(failures)} in all.", BAD))


def _finding(finding: Any) -> Mapping[str, Any]:
    return {name: getattr(finding, name) for name in ("name", "severity", "message", "remedy")}
