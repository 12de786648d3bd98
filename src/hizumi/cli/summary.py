"""What the commands print at their end, and what goes into their JSON."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hizumi.cli.console import BAD, GOOD, WARNING, answer, coloured, print_table
from hizumi.errors import DataError
from hizumi.runs.nouns import folds_offered, learned_in_words, noun_of
from hizumi.runs.results import fit_result, model_result
from hizumi.storage.files import printable
from hizumi.words import as_typed, counted

if TYPE_CHECKING:
    from rich.console import Console

    from hizumi.calibration import Calibration
    from hizumi.data import Failure, Manifest
    from hizumi.data.manifest import Unopened
    from hizumi.generation import Modeller
    from hizumi.inspection import Inspector, InspectorBase
    from hizumi.report import ReportContent

ANOMALOUS_FOUND, NOT_JUDGED = 3, 4  # exit codes with --fail-on-anomaly
FAILURES_SHOWN = 10
NOT_OPTIONS = ("estimate", "findings", "notes", "failures", "unopened")  # of a plan


def unread(failures: "Iterable[Failure | Unopened]") -> list[tuple[str, str]]:
    """Name and reason of each record that could not be read, or file that was not opened."""
    return [(failure.name, failure.reason) for failure in failures]


def refuse_nothing(read: int, failures: Sequence[tuple[str, str]]) -> None:
    """Raise DataError where nothing could be read."""
    if not read:
        raise DataError(f"none of {len(failures)} inputs could be read; the first is {': '.join(failures[0])}")


def result_of_fit(inspector: "Inspector") -> dict[str, Any]:
    """What `hizumi fit` and `hizumi info` tell other programs."""
    failures = unread(inspector.failures_)
    return fit_result(
        inspector.options_,
        inspector.calibration_,
        inspector.findings_,
        inspector.notes_,
        failures,
        unread(inspector.unopened_),
    )


def result_of_training(modeller: "Modeller") -> dict[str, Any]:
    """What `hizumi model train` and `hizumi info` tell other programs."""
    failures, unopened = unread(modeller.failures_), unread(modeller.unopened_)
    return model_result(modeller.options_, modeller.findings_, modeller.notes_, failures, unopened)


def show_fit(console: "Console", inspector: "Inspector") -> None:
    """What was fitted, in a table, and everything that a person should know about it."""
    from hizumi.report.words import scratches_found

    options, calibration = inspector.options_, inspector.calibration_
    is_series = options.get("series") is not None
    calibrated_on = counted(options["calibration_images"], "other block" if is_series else "other")
    if options["folds"] is not None:
        calibrated_on = f"the same, each scored by one of {options['folds']} fits that had not seen it"
    rows = [
        ["Detector", options["detector"]["name"]],
        ["Learned from", _learned_from(options)],
        ["Calibrated on", calibrated_on],
        *([["Looks at", printable(region["looks_at"])]] if (region := options.get("region")) else []),
        ["Threshold", f"{calibration.threshold.value:.6g} ({calibration.rule})"],
        ["Time", f"{options['fit_seconds']:.1f} s"],
    ]
    print_table(console, ["Fit", ""], rows)
    show_promises(console, inspector)
    if check := scratches_found(options.get("drawn_scratches", ()), calibration):
        console.print(check)
    _show_found(console, inspector)


def show_promises(console: "Console", inspector: "Inspector") -> None:
    """What a fit's threshold promises, and what to do where that is less than was asked for."""
    from hizumi.report.words import few_held_out

    options, calibration = inspector.options_, inspector.calibration_
    noun = noun_of(options)
    show_promise(console, calibration, noun)
    show_promise_over_time(console, inspector)
    if advice := few_held_out(calibration, noun, folds=folds_offered(options)):
        console.print(coloured(advice, WARNING))


def holds_tests(manifest: "Manifest") -> bool:
    """Whether something is left of the data to evaluate on, once a fit has learned from them."""
    return any(record.label == 1 or record.split == "test" for record in manifest.records)


def show_next(
    console: "Console", inspector: "Inspector", bundle: Path, labelled: str | None, options: Sequence[str]
) -> None:
    """What to do with a new bundle: inspect, or evaluate on `labelled` data, if known, read with such options."""
    noun = noun_of(inspector.options_)
    items = f"{'recording' if noun == 'block' else noun}S".upper()  # blocks are cut out of recordings
    console.print(f"Next: hizumi inspect {as_typed(bundle)} NEW_{items}")
    data = shlex.join([labelled or f"LABELLED_{items}", *options])
    console.print(f"or, where defects are labelled: hizumi evaluate {as_typed(bundle)} {data}")


def _learned_from(options: Mapping[str, Any]) -> str:
    count, data, sizes = options["training_images"], options["data"], options["shape"]
    if options.get("series") is not None:
        return f"{count:,} normal {learned_in_words(options)}, of {data}"
    if len(sizes) == 1:
        return f"{counted(count, 'normal row')} of {data}, of {counted(sizes[0], 'column')}"
    return f"{counted(count, 'normal input')} of {data}, as {'x'.join(map(str, sizes))}"


def show_promise(console: "Console", calibration: "Calibration", noun: str) -> None:
    """How the threshold came about and what it promises; apart from it, what it finds among known defects."""
    from hizumi.runs.known_defects import FoundAmongKnown

    console.print(printable(calibration.promise(noun)))
    if known := FoundAmongKnown.of(calibration):
        console.print(printable(known.words(noun)))


def show_promise_over_time(console: "Console", inspector: "InspectorBase") -> None:
    """Of series, how often a block without an anomaly may raise an alarm."""
    from hizumi.calibration import promise_over_blocks

    form, calibration = inspector.preprocessing_.series, inspector.calibration_
    if form is None:
        return
    held_out = len(calibration.scores)
    if words := promise_over_blocks(calibration.threshold, held_out, form.block, form.step_seconds):
        console.print(words)


def show_model(console: "Console", modeller: "Modeller") -> None:
    """What was trained, in a table, and everything that a person should know about it."""
    options = modeller.options_
    learned = (
        f"{counted(options['training_images'], 'item')} of {options['data']}, as {'x'.join(map(str, options['shape']))}"
    )
    if options.get("series") is not None:
        learned = f"{options['training_images']:,} {learned_in_words(options)}, of {options['data']}"
    rows = [
        ["Model", options["model"]["name"]],
        ["Family", modeller.model_.card.family],
        ["Learned from", learned],
        ["Classes", ", ".join(options["classes"]) or "-"],
        ["Time", f"{options['fit_seconds']:.1f} s"],
    ]
    print_table(console, ["Model", ""], rows)
    _show_found(console, modeller)


def show_parity(console: "Console", parity: Mapping[str, Any]) -> None:
    """How an exported graph compares with the detector in torch, as far as earlier versions have measured it."""
    rounding: Mapping[str, float] = parity.get("rounding", {})
    rows = [["Compared", f"{counted(parity['verdicts'], 'verdict')}, of which {parity['changed']} change"]]
    if parity.get("borderline") and "error" in parity:
        near = f"{parity['borderline']} of them: score nearer to the threshold than {parity['error']:.1e}, the rounding"
        rows.append(["Borderline", near])
    for name, difference in parity["differences"].items():
        own = f", {rounding[name]:.1e} in torch itself" if name in rounding else ""
        rows.append([f"Error of {name}", f"{difference:.1e} of the largest value{own}"])
    rows.append(["Rank agreement", f"{parity['rank']:.6f}"])
    if parity["torch_auroc"] is not None:
        rows.append(["AUROC", f"{parity['graph_auroc']:.4f}, {parity['torch_auroc']:.4f} in torch"])
    print_table(console, ["Export", ""], rows)
    if not parity.get("as_fitted", True):
        console.print("These are not the data of the fit, so the threshold stays as it is.")


def show_plan(plan: Mapping[str, Any], json_to: str | None, what: str) -> "Console":
    """Resolved options, what the fit or training would cost, what reading the data has shown; returns where to."""
    from hizumi.report.words import flat_options

    console = answer(plan, json_to)
    options = {name: value for name, value in plan.items() if name not in NOT_OPTIONS}
    print_table(console, ["Option", "Value"], flat_options(options))
    unused = [[(each["name"], each["reason"]) for each in plan[name]] for name in ("failures", "unopened")]
    show_remarks(console, plan["notes"], *unused)
    show_findings(console, plan["findings"])
    estimate = plan["estimate"]
    gib, free = estimate["memory_bytes"] / 2**30, estimate["free_bytes"]
    console.print(
        f"The {what} would take about {estimate['seconds']:.0f} s and {gib:.1f} GiB of memory. Nothing was written."
    )
    if free is not None and estimate["memory_bytes"] > free:
        noun = noun_of(plan)
        size = {"row": "", "block": "--length or "}.get(noun, "--image-size or ")
        advice = f"take a smaller {size}--batch-size, or fewer {'steps' if noun == 'block' else f'{noun}s'}"
        console.print(coloured(f"Only {free / 2**30:.1f} GiB of memory are free: {advice}.", WARNING))
    return console


def show_assessment(console: "Console", content: "ReportContent") -> None:
    """The outcome in words and numbers, the most pressing first."""
    from hizumi.report.words import consequences, facts, headline, number

    show_remarks(console, content.data_notes, content.failures, content.unopened)
    evaluation = content.evaluation
    if evaluation is not None:
        found = facts(evaluation, content.noun, content.measures, content.causal)
        measures = [[fact.name, fact.value, fact.note] for fact in found]
        print_table(console, ["Measure", ">Value", "Interval or remark"], measures, content.title)
        kinds = [
            [kind.kind, kind.count, kind.found, kind.missed, number(kind.image_auroc)]
            for kind in evaluation.kinds_table
        ]
        if kinds:
            print_table(console, ["Kind", ">Count", ">Found", ">Missed", ">AUROC"], kinds)
        for note in (evaluation.image_note, evaluation.pixel_note if evaluation.pixel_auroc is not None else ""):
            if note:
                console.print(note)
    console.print(headline(content), style="bold")
    for consequence in consequences(content):
        console.print(coloured(f"- {consequence.text}", WARNING if consequence.is_pressing else ""))


def _show_found(console: "Console", fitted: "Inspector | Modeller") -> None:
    """What was said about the data, and what the health check found, with remedies."""
    show_remarks(console, fitted.notes_, unread(fitted.failures_), unread(fitted.unopened_))
    show_findings(console, [finding.to_dict() for finding in fitted.findings_])
    if not fitted.findings_:
        console.print(coloured("Health check: nothing found.", GOOD))


def show_findings(console: "Console", findings: Iterable[Mapping[str, str]]) -> None:
    """What the health check found, with remedies."""
    for each in findings:
        style = BAD if each["severity"] == "problem" else WARNING
        console.print(coloured(f"{each['severity'].capitalize()}: {each['message']}. Remedy: {each['remedy']}.", style))


def show_remarks(
    console: "Console",
    notes: Iterable[str],
    failures: Sequence[tuple[str, str]],
    unopened: Sequence[tuple[str, str]] = (),
) -> None:
    """What was assumed about the data, what could not be read, and which files were found and not opened."""
    for note in notes:
        console.print(coloured(f"Note: {note}.", WARNING))
    _show_first(console, "Not read", failures, BAD)
    _show_first(console, "Not opened", unopened, WARNING)


def show_without_effect(console: "Console", given: Sequence[str], records: Sequence[Mapping[str, Any]]) -> None:
    """Of options that were given for training alone, that they had no effect, where none of these fits trained."""
    if given and not any(record["phases"] for record in records):
        names = ", ".join(dict.fromkeys(record["detector"]["name"] for record in records))
        console.print(
            coloured(f"Note: without effect: {', '.join(given)}, since nothing is trained in {names}.", WARNING)
        )


def _show_first(console: "Console", what: str, reasons: Sequence[tuple[str, str]], style: str) -> None:
    for name, reason in reasons[:FAILURES_SHOWN]:
        console.print(coloured(f"{what}: {name}: {reason}", style))
    if len(reasons) > FAILURES_SHOWN:
        console.print(coloured(f"... and {len(reasons) - FAILURES_SHOWN} more; {len(reasons)} in all.", style))
