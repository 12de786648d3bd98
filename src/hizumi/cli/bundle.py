"""`hizumi calibrate` and `hizumi info`: what a bundle holds, and another threshold for it."""

from pathlib import Path
from typing import Annotated

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, answer, coloured, print_table
from hizumi.cli.summary import (
    result_of_fit,
    result_of_training,
    show_fit,
    show_model,
    show_parity,
    show_promise,
    show_remarks,
    unread,
)
from hizumi.errors import UsageError
from hizumi.runs.nouns import noun_of
from hizumi.runs.results import changed_result, exported_result
from hizumi.storage.files import refuse_unwritable


@options.grouped
def calibrate(
    bundle: options.BundlePath,
    *,
    false_alarm_rate: Annotated[
        float | None,
        typer.Option(
            "--false-alarm-rate", metavar="R", min=0, max=1, help="Share of good parts that may be called anomalous."
        ),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            "--rule", metavar="RULE", help="conformal, quantile, k-sigma, chi-square, peaks-over-threshold or best-f1."
        ),
    ] = None,
    labelled: Annotated[
        str | None,
        typer.Option(
            "--labelled",
            metavar="DATA",
            callback=options.refuse_absent,
            help="Labelled data, good and anomalous, for the best-f1 rule.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="VALUE", help="A threshold of your own: scores above it are anomalous."),
    ] = None,
    known: options.CostArguments,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write; BUNDLE itself if not given.")
    ] = None,
    source: options.SourceArguments,
    json_to: options.JsonTo = None,
) -> None:
    """Change the false-alarm rate or rule of a bundle.

    Nothing is fitted again: the bundle keeps the scores of its held-out good inputs.
    """
    costs, defects = known.costs(), known.known_defects
    if all(given is None for given in (false_alarm_rate, rule, labelled, threshold, costs, defects)):
        raise UsageError(
            "nothing to change: give --false-alarm-rate, --rule, --labelled, --threshold, --known-defects or costs"
        )
    source.refuse_without(labelled=labelled)

    from hizumi.calibration import check_rule

    if output is not None:
        options.refuse_other_file(output, "detector")
    refuse_unwritable(output or bundle)
    written = options.shown_place(output or bundle)
    check_rule(rule or "conformal", 0.5 if false_alarm_rate is None else false_alarm_rate)

    from hizumi.data import Manifest
    from hizumi.inspection import load, save
    from hizumi.inspection.known_defects import OF_DEFECTS
    from hizumi.inspection.unseen import OF_LABELLED

    inspector = load(bundle)
    before = inspector.calibration_
    given = Manifest(())
    if labelled is not None:
        given = source.open(labelled, motion=inspector.uses_motion, **inspector.as_learned)
    inspector.calibrate(
        false_alarm_rate=false_alarm_rate,
        rule=rule,
        labelled=None if labelled is None else given,
        threshold=threshold,
        known_defects=defects,
        costs=costs,
    )
    output = save(inspector, output or bundle)
    failures, unopened = unread(inspector.failures_), unread((*given.unopened, *inspector.unopened_))
    begin = (*([OF_DEFECTS] if defects is not None else []), *([OF_LABELLED] if labelled is not None else []))
    notes = (*given.notes, *(note for note in inspector.notes_ if note.startswith(begin)))
    result = changed_result(inspector.calibration_, notes, failures, unopened)
    console = answer(result | {"bundle": str(output)}, json_to)
    show_remarks(console, notes, failures, unopened)
    rows = [
        [
            name,
            each.rule,
            "-" if each.followed_rate is None else f"{each.followed_rate:g}",
            f"{each.threshold.value:.6g}",
        ]
        for name, each in (("before", before), ("now", inspector.calibration_))
    ]
    print_table(console, ["", "Rule", ">False-alarm rate", ">Threshold"], rows)
    show_promise(console, inspector.calibration_, noun_of(inspector.options_))
    console.print(coloured(f"Wrote {written}.", GOOD))


def info(bundle: options.BundlePath, json_to: options.JsonTo = None) -> None:
    """Show what a bundle or a model holds."""
    from hizumi import generation, inspection, runtime
    from hizumi.report.words import flat_options
    from hizumi.storage.archive import kind_of

    kind = kind_of(bundle)
    if kind == "model":
        modeller = generation.load(bundle)
        result = result_of_training(modeller) | {"model": str(bundle)}
        console = answer(result, json_to)
        show_model(console, modeller)
    elif kind == "exported":
        exported = runtime.load(bundle)
        result = exported_result(exported.options_, exported.calibration_, exported.parity_) | {"bundle": str(bundle)}
        console = answer(result, json_to)
        show_parity(console, exported.parity_)
        show_promise(console, exported.calibration_, noun_of(exported.options_))
    else:
        inspector = inspection.load(bundle)
        result = result_of_fit(inspector) | {"bundle": str(bundle)}
        console = answer(result, json_to)
        show_fit(console, inspector)
    print_table(console, ["Option", "Value"], flat_options(result["options"]))
