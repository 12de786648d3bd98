"""`hizumi evaluate`: how good a bundle is on labelled data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, answer, coloured
from hizumi.cli.progress import shown_progress
from hizumi.cli.summary import show_assessment
from hizumi.errors import DataError
from hizumi.runs.results import verdict_rows
from hizumi.storage.files import refuse_unwritable

if TYPE_CHECKING:
    from hizumi.report import ReportContent


@options.grouped
def evaluate(
    bundle: options.BundlePath,
    data: options.Data,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the report; BUNDLE-evaluation if not given."),
    ] = None,
    source: options.SourceArguments,
    strict: options.Strict = False,
    json_to: options.JsonTo = None,
) -> None:
    """Measure a bundle on labelled data and write a report.

    Uses what the data mark as test; of the data that the bundle was fitted on, what it has not seen; of others, all but
    copies of images that it was fitted on.
    Writes report.html, result.json and verdicts.csv.
    """
    options.refuse_over_inputs([bundle, data], json=json_to)
    options.refuse_over_inputs([data], output=output)
    folder = output or bundle.with_name(f"{bundle.stem}-evaluation")
    refuse_unwritable_assessment(folder)
    report = options.shown_place(folder / "report.html")

    from hizumi.inspection import held_out, restore
    from hizumi.report.assessment import assess

    inspector = restore(bundle)  # without scikit-learn, which takes longer to load than the bundle
    manifest = held_out(inspector, source.open(data, motion=inspector.uses_motion, **inspector.as_learned))
    if all(record.label is None for record in manifest.records):
        raise DataError(f"{manifest.name}: nothing in it is labelled good or anomalous; use hizumi inspect")
    with shown_progress() as observe:
        content = assess(inspector, manifest, strict=strict, observe=observe)
    console = answer(write_assessment(folder, content, {"bundle": str(bundle), "data": manifest.name}), json_to)
    show_assessment(console, content)
    console.print(coloured(f"The report is {report}", GOOD))


def refuse_unwritable_assessment(folder: Path) -> None:
    """Make sure that `write_assessment` can write, before the work."""
    for name in ("report.html", "result.json", "verdicts.csv"):
        refuse_unwritable(folder / name)


def write_assessment(folder: Path, content: "ReportContent", origin: dict[str, str]) -> dict[str, Any]:
    """Write report.html, result.json and verdicts.csv into a folder, and return what result.json holds."""
    from hizumi.report import write_report
    from hizumi.storage.tables import write_csv, write_json

    result = origin | content.result()
    write_report(folder / "report.html", content)
    write_json(folder / "result.json", result)
    without = [*content.failures, *content.unopened]
    write_csv(folder / "verdicts.csv", verdict_rows(content.verdicts, content.kinds, content.labels.tolist(), without))
    return result
