"""`hizumi compare`: several detectors on the same data."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hizumi.cli import options
from hizumi.cli.console import BAD, GOOD, WARNING, answer, coloured, print_table
from hizumi.cli.progress import advising
from hizumi.cli.summary import show_remarks, show_without_effect, unread
from hizumi.errors import DataError, HizumiError
from hizumi.registry.names import refuse_unknown_preset
from hizumi.runs.nouns import noun_of
from hizumi.runs.results import comparison_result, comparison_rows, verdict_rows
from hizumi.storage.files import few, printable, refuse_unwritable, refuse_unwritable_folder

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = ("image_auroc", "recall", "realised_false_alarm_rate", "pixel_auroc", "fit_seconds")
IN_PERCENT = ("recall", "realised_false_alarm_rate")


@options.grouped
def compare(
    data: options.Data,
    *,
    detectors: options.DetectorNames = "standard,reconstruction,ganomaly,mahalanobis",
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the report.")] = Path(
        "hizumi-compare"
    ),
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=1, help="Runs of each detector, with seeds 0 to N-1.")
    ] = 1,
    sizing: options.SizingArguments,
    inspection: options.InspectorArguments,
    declared: options.VariationArguments,
    looked_at: options.RegionArguments,
    source: options.SourceArguments,
    training: options.TrainingArguments,
    where: options.WorkplaceArguments,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take over the runs that the same command has finished earlier.")
    ] = False,
    strict: options.Strict = False,
    json_to: options.JsonTo = None,
) -> None:
    """Fit and evaluate several detectors on the same data.

    Writes one report.html, result.json, runs.csv, verdicts.csv with the score of each image in each run, and the bundle
    of each run, in bundles/. An interrupted comparison goes on with --resume.
    """
    options.refuse_over_inputs([data], json=json_to, output=output)
    names = options.names_between_commas(detectors, "--detectors")
    for name in names:
        refuse_unknown_preset(inspection.preset, name, "detector")
    for file in ("report.html", "result.json", "runs.csv", "verdicts.csv"):
        refuse_unwritable(output / file)
    refuse_unwritable_folder(output / "bundles")
    report = options.shown_place(output / "report.html")

    from hizumi.data.masks import check_masks
    from hizumi.data.splitting import units_by_name
    from hizumi.report import summarise, write_comparison
    from hizumi.report.tables import not_told_apart, ranked_by, record_in, wasted_rankings
    from hizumi.scale.comparing import Comparing
    from hizumi.storage.tables import write_csv, write_json

    region = looked_at.region()
    with tempfile.TemporaryDirectory(prefix="hizumi-") as cache:
        inspectors = {
            (name, seed): inspection.inspector(
                name,
                sizing,
                training.options(seed=seed),
                cache if where.on is None else None,  # which other machines do not see
                variation=declared.variation(),
                region=region,
            )
            for name in names
            for seed in range(seeds)
        }
        moving = any(inspector.wants_motion for inspector in inspectors.values())
        manifest = source.open(data, motion=moving)
        if not any(record.label == 1 for record in manifest.records):
            raise DataError(
                f"{manifest.name}: nothing in it is labelled anomalous; detectors are compared on labelled data"
            )
        if strict:
            check_masks(manifest)  # before the first fit
        comparing = Comparing(inspectors, manifest, output / "bundles", strict)
        goes_on = "To take over the runs that have ended, give the same command with --resume."
        with advising(goes_on), where.workplace() as workplace:
            found = comparing.compared(workplace, resume=resume)
    if not found.runs:
        raise next(iter(found.failed.values()))
    rows, summary, best_by = found.rows, summarise(found.rows), ranked_by(found.rows)
    verdicts = [verdict for run in found.runs.values() for verdict in run.verdicts]
    failures = list({name: reason for run in found.runs.values() for name, reason in run.unread.items()}.items())
    unopened = unread(manifest.unopened)
    notes = list(dict.fromkeys([*manifest.notes, *(note for row in rows for note in row["notes"])]))
    result = comparison_result(manifest.name, best_by, summary, rows, found.failed, notes, failures, unopened)
    contents = list(found.contents.values())
    undecided = not_told_apart(rows, verdicts, units_by_name(manifest))
    write_comparison(
        output / "report.html", contents, rows, data=manifest.name, failed=found.failed, not_told_apart=undecided
    )
    write_json(output / "result.json", result)
    write_csv(output / "runs.csv", comparison_rows(rows))
    in_runs = {verdict["name"] for verdict in verdicts}
    without = verdict_rows((), (), (), [each for each in (*failures, *unopened) if each[0] not in in_runs])
    write_csv(output / "verdicts.csv", [*verdicts, *without])
    console = answer(result, json_to)
    record = record_in(rows)
    on_tests = [
        *dict.fromkeys(note for row in rows if (note := row.get("image_note"))),
        *dict.fromkeys(note for row in rows if row.get("pixel_auroc") is not None and (note := row.get("pixel_note"))),
        *(f"{sentence}." for sentence in undecided),
    ]
    _show(console, summary, best_by, noun_of(record), on_tests, wasted_rankings(summary, record), found.failed)
    show_remarks(console, notes, failures, unopened)
    show_without_effect(console, training.for_training_alone(), [row["options"] for row in rows])
    console.print(coloured(f"The report is {report}", GOOD))
    console.print(f"The bundles are in {comparing.folder}.")
    if others := {*comparing.folder.glob("*.hizumi")} - {comparing.bundle(key) for key in inspectors}:
        named = few(sorted(printable(path.name) for path in others), 3)
        console.print(f"Note: also there, of an earlier comparison and not in this report: {named}.")
    if found.failed:
        raise typer.Exit(1)


def _show(
    console: "Console",
    summary: Sequence[Mapping[str, Any]],
    best_by: str,
    noun: str,
    on_tests: Iterable[str],
    wasted: Sequence[str],
    failed: Mapping[str, HizumiError],
) -> None:
    from hizumi.report.tables import RANKINGS, measures_of

    measures = measures_of(noun)
    shown = [key for key in dict.fromkeys((best_by, *SHOWN)) if any(key in line for line in summary)]
    rows: list[list[str]] = []
    for line in summary:
        rows.append([line["detector"], *(_amount(key, line.get(key, {}).get("mean")) for key in shown)])
        rows.append(["", *(_spread(key, line.get(key, {})) for key in shown)])
    title = f"Best {RANKINGS[best_by]} first; below, the 95% interval, or the deviation of several runs"
    print_table(console, ["Detector", *(f">{measures[key]}" for key in shown)], rows, title)
    for sentence in on_tests:
        console.print(sentence)
    for sentence in wasted:
        console.print(coloured(f"- {sentence}.", WARNING))
    for name, error in failed.items():
        console.print(coloured(f"{name} failed: {error}", BAD))


def _spread(key: str, measure: Mapping[str, Any]) -> str:
    """The deviation of several runs, or the interval of one."""
    if measure.get("deviation") is not None:
        return f"± {_amount(key, measure['deviation'])}"
    return "-".join(_amount(key, end) for end in measure.get("interval") or ())


def _amount(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key in IN_PERCENT:
        return f"{value:.1%}"
    if key == "fit_seconds":
        from hizumi.report.words import seconds

        return seconds(value)
    return f"{value:.3f}"
