"""`hizumi inspect`: verdicts on new images."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hizumi.cli import options
from hizumi.cli.archive import ArchiveArguments, inspect_archive, refuse_beside_output
from hizumi.cli.console import BAD, GOOD, answer, coloured, print_table
from hizumi.cli.follow import follow as followed
from hizumi.cli.progress import shown_progress
from hizumi.cli.summary import ANOMALOUS_FOUND, NOT_JUDGED, refuse_nothing, show_remarks, unread
from hizumi.errors import UsageError
from hizumi.runs.results import inspection_result, inspection_rows

if TYPE_CHECKING:
    from rich.console import Console

    from hizumi.calibration import Verdict
    from hizumi.data import Failure, Manifest
    from hizumi.inspection import Inspection, InspectorBase

ROWS_SHOWN = 20


@options.grouped
def inspect(
    bundle: options.BundlePath,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS",
            show_default=False,
            callback=options.refuse_all_absent,
            help="Images, folders, or one file that holds arrays or a table; with --output, more (see above).",
        ),
    ],
    *,
    archived: ArchiveArguments,
    json_to: options.JsonTo = None,
    csv_to: options.CsvTo = None,
    maps: Annotated[
        Path | None,
        typer.Option(
            "--maps",
            metavar="DIR",
            callback=options.writable_folder,
            help="Write a picture of what is wrong for each image, or recording, into this folder.",
        ),
    ] = None,
    fail_on_anomaly: options.FailOnAnomaly = False,
    recursive: options.Recursive = True,
    channels: options.Channels = None,
    recordings: options.RecordingArguments,
    strict: options.Strict = False,
    follow: Annotated[
        bool,
        options.series_option(
            "--follow",
            help="Judge one recording while it is written: a text table that grows, or standard input (-).",
        ),
    ] = False,
    adaptive: Annotated[
        bool,
        options.series_option(
            "--adaptive",
            help="With --follow, a threshold that follows what comes: the rate of alarms holds in the long run, "
            "however the data drift, and nothing else is promised.",
        ),
    ] = False,
) -> None:
    """Say of new inputs whether they are normal, and where not.

    Folders are read to any depth; masks in them are left out. Exits with 0 whatever the verdicts, unless
    --fail-on-anomaly is given, and names what could not be read; with 2 where nothing could, or with --strict where one
    could not.

    With --output, PATHS are folders, patterns, .csv or .parquet files with a column `path`, .parquet files with the
    bytes of images, .tar files such as shards of WebDataset, and any of these behind URLs such as s3://.
    """
    if archived.output is not None:
        refuse_beside_output(
            json=json_to,
            csv=csv_to,
            fail_on_anomaly=fail_on_anomaly or None,
            channels=channels,
            **vars(recordings),
            strict=strict or None,
            follow=follow or None,
        )
        inspect_archive(bundle, paths, archived, recursive=recursive, maps=maps)
        return
    archived.refuse_without_output()
    options.refuse_mixed(json_to, csv_to)
    options.refuse_over_inputs([bundle, *paths], json=json_to, csv=csv_to, maps=maps)
    if recursive:
        options.refuse_among_inputs(paths, maps=maps)
    from hizumi.data.series.options import NO_SERIES_LEARNED, SeriesOptions
    from hizumi.runtime.any_bundle import load_inspector

    inspector = load_inspector(bundle)
    if follow:
        _refuse_beside_follow(json_to, csv_to, maps, recordings.resample, recordings.missing)
        if followed(inspector, paths, adaptive=adaptive, **recordings.of_columns()) and fail_on_anomaly:
            raise typer.Exit(ANOMALOUS_FOUND)
        return
    if adaptive:
        raise UsageError("--adaptive is for recordings that are followed: give --follow too, or leave it out")
    is_series = inspector.preprocessing_.series is not None
    if maps is not None and inspector.calibration_.pixel_threshold is None and not is_series:
        raise UsageError(f"{bundle}: its detector gives no maps; leave --maps out, or fit one that does (hizumi list)")
    given = paths[0] if len(paths) == 1 else paths
    series = SeriesOptions.as_typed(is_series=is_series, remedy=NO_SERIES_LEARNED, **vars(recordings))
    manifest = inspector.compared(inspector.to_inspect(given, recursive=recursive, channels=channels, series=series))
    inspection = _inspected(inspector, manifest, maps, strict)
    failures, unopened = unread(inspection.failures), unread(inspection.unopened)
    result = inspection_result(
        inspector.options_, inspector.calibration_, inspection.verdicts, failures, unopened, inspection.notes
    )
    rows = inspection_rows(inspection.verdicts, [*failures, *unopened])
    console = answer({"bundle": str(bundle)} | result, json_to, rows, csv_to)
    refuse_nothing(len(inspection), failures)
    _show(console, inspection, is_series=is_series)
    if maps is not None:
        console.print(f"{'Pictures of the recordings' if is_series else 'Maps'} are in {maps}.")
    if fail_on_anomaly and any(verdict.anomalous for verdict in inspection):
        raise typer.Exit(ANOMALOUS_FOUND)
    if fail_on_anomaly and inspection.has_unjudged:
        raise typer.Exit(NOT_JUDGED)


def _refuse_beside_follow(*others: object) -> None:
    if any(other is not None for other in others):
        raise UsageError(
            "--follow prints events as they come; leave --json, --csv, --maps, --resample and --missing out"
        )


def _inspected(inspector: "InspectorBase", manifest: "Manifest", maps: Path | None, strict: bool) -> "Inspection":
    """All verdicts; pictures go to their folder one by one, since together they might not fit into memory."""
    from dataclasses import replace

    from hizumi.calibration import Verdict
    from hizumi.inspection.verdicts import Inspection

    items: list[Verdict | Failure] = []
    with shown_progress() as observe:
        each = inspector.inspect_each(manifest, pictures=maps is not None, strict=strict, observe=observe)
        for item in each if maps is None else _drawn(each, inspector, manifest, maps):
            if isinstance(item, Verdict):
                item = replace(item, map=None, picture=None, normal=None, expected=None, shares=None, newest=None)
            items.append(item)
    return Inspection.of(items, manifest, inspector.calibration_)


def _drawn(
    items: "Iterable[Verdict | Failure]", inspector: "InspectorBase", manifest: "Manifest", folder: Path
) -> "Iterator[Verdict | Failure]":
    """What was said of each record, in turn, once its picture is drawn: of an image its map, of series a recording."""
    from hizumi.calibration import Verdict
    from hizumi.report.panels import save_map  # draws with matplotlib, which takes a second to load
    from hizumi.report.picture_paths import picture_path
    from hizumi.report.series_figures import save_recording
    from hizumi.report.traces import finished_traces

    drawn: set[Path] = set()
    if manifest.series is None:
        for item in items:
            if isinstance(item, Verdict):
                save_map(item, inspector.calibration_, picture_path(folder, item.name, "map", drawn))
            yield item
        return
    for said, trace in finished_traces(items, manifest, inspector):
        if trace is not None:
            save_recording(trace, picture_path(folder, trace.name, "scores", drawn))
        yield from said


def _show(console: "Console", inspection: "Inspection", *, is_series: bool) -> None:
    verdicts, failures = inspection.verdicts, unread(inspection.failures)
    anomalous = [verdict for verdict in verdicts if verdict.anomalous]
    shown = sorted(verdicts if len(verdicts) <= ROWS_SHOWN else anomalous, key=lambda verdict: -verdict.score)
    if shown:
        columns = ["", "Name", ">Score", ">p-value", ">Alarms" if is_series else ">Regions"]
        print_table(console, columns, _rows(shown[:ROWS_SHOWN]))
    if len(shown) > ROWS_SHOWN:
        console.print(f"... and {len(shown) - ROWS_SHOWN} more that are anomalous; --csv FILE lists all.")
    show_remarks(console, inspection.notes, failures, unread(inspection.unopened))
    limit = f"score over {verdicts[0].threshold:.6g}, by the rule {verdicts[0].rule}"
    line = f"{len(anomalous)} of {len(verdicts)} anomalous ({limit})."
    if failures:
        line += f" {len(failures)} could not be read."
    if inspection.unopened:
        count = len(inspection.unopened)  # files, or rows of a table
        line += f" {count} {'was' if count == 1 else 'were'} not opened."
    console.print(coloured(line, BAD if anomalous else GOOD))


def _rows(verdicts: Iterable["Verdict"]) -> Iterable[list[object]]:
    for verdict in verdicts:
        sign = coloured("anomalous", BAD) if verdict.anomalous else coloured("normal", GOOD)
        yield [sign, verdict.name, f"{verdict.score:.6g}", f"{verdict.p_value:.3g}", len(verdict.boxes)]
